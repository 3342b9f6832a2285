"""Weights for PyTorch: a safetensors file under its names, and code that builds the module and loads them.

PyTorch is not needed to write it. Its recurrent layers have fewer options than ours: what they lack is
refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from seqlab.cells.rnn import RNN
from seqlab.exports.base import RECURRENT, Export, Format, Outputs, Said, place, refuse, unsaid, weights
from seqlab.runs import tensors as safetensors

if TYPE_CHECKING:
    from seqlab.runs.run import Run
    from seqlab.spec import Spec

_SAID: Said = {
    "rnn": {"activation": ("tanh", "relu")},
    "lstm": {},
    "gru": {"reset": ("after",)},
    "esn": {"leak": (1.0,)},
}
_CLASSES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "esn": "RNN"}


class Torch(Format):
    """A safetensors file; PyTorch's `load_state_dict` takes it as it is, strictly."""

    summary: ClassVar[str] = "weights as safetensors under PyTorch's names, and code that loads them"
    rank: ClassVar[int] = 1

    to: Literal["torch"] = "torch"

    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """The checkpoint's weights; its metadata has `format` and `gate_order`."""
        spec = run.spec
        refuse("PyTorch", reasons(spec))
        step, tensors = weights(run, step, RECURRENT)
        labels = {"format": "pt", "gate_order": ",".join(spec.model.gates)}
        content = safetensors.encode(tensors, {"run": run.name, "step": step}, labels)
        path = place(run, out, ".safetensors")
        return Export({path: content}, (f"the weights after step {step:,}",), snippet(spec, path, run.name))


def reasons(spec: Spec) -> list[str]:
    """What PyTorch's layers cannot say of a network."""
    model = spec.model
    said = {
        cell: {**values, "residual": (False, *(() if _adds(spec) else (True,)))}
        for cell, values in _SAID.items()
    }
    return unsaid(model, said)


def _adds(spec: Spec) -> bool:
    """Whether any layer's input is added to its output."""
    model = spec.model
    widths = (model.inputs_of(layer, spec.task.features) for layer in range(model.layers))
    return model.residual and model.width in widths


def snippet(spec: Spec, path: Path, name: str) -> str:
    """Code that builds the module and loads the file."""
    model, task = spec.model, spec.task
    options = [str(task.features), str(model.hidden)]
    if model.layers > 1:
        options.append(f"num_layers={model.layers}")
    if model.bidirectional:
        options.append("bidirectional=True")
    if isinstance(model, RNN):
        options.append(f"nonlinearity={model.activation!r}")
    double = np.dtype(spec.training.precision) == np.float64
    dtype = ["dtype=torch.float64"] if double else []
    linear = [str(spec.seen), str(task.outputs), *dtype]
    looking = [str(model.hidden)] * 2 + ["bias=False", *dtype]
    # Backwards a sequence starts at its own last step, and not in the padding behind it.
    own_ends = model.bidirectional and task.batch(0, "probe", 0, 1).lengths is not None
    return (_ENCODED if task.encoder_steps else _SNIPPET).format(
        **(_PACKED if own_ends else _WHOLE),
        name=name,
        layer=f"torch.nn.{_CLASSES[model.cell]}({', '.join([*options, *dtype])})",
        linear=f"torch.nn.Linear({', '.join(linear)})",
        looking=f"\n        self.attention = torch.nn.Linear({', '.join(looking)})" * model.attention,
        looks=_LOOKS * model.attention,
        inputs=task.features,
        width=model.width,
        outputs=task.outputs,
        reads=task.encoder_steps,
        path=str(path),
    )


_WHOLE = {
    "arguments": "inputs):",
    "lengths": "",
    "states": "self.rnn(inputs)",
}
_PACKED = {
    "arguments": "inputs, lengths):",
    "lengths": ", [B]",
    "states": """torch.nn.utils.rnn.pad_packed_sequence(
            self.rnn(torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, enforce_sorted=False))[0],
            total_length=len(inputs),
        )""",
}

_SNIPPET = """\
# {name}
import torch
from safetensors.torch import load_file


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = {layer}
        self.readout = {linear}

    def forward(self, {arguments}  # [T, B, {inputs}]{lengths}
        states, _ = {states}  # [T, B, {width}]
        return self.readout(states)  # [T, B, {outputs}]


weights = load_file({path!r})
network = Network()
network.load_state_dict(
    {{name if name.startswith("readout.") else f"rnn.{{name}}": value for name, value in weights.items()}},
    strict=True,
)
network.eval()
"""

_ENCODED = """\
# {name}
import torch
from safetensors.torch import load_file


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = {layer}
        self.decoder = {layer}{looking}
        self.readout = {linear}

    def forward(self, inputs):  # [T, B, {inputs}]: the encoder reads the first {reads} steps
        seen, last = self.encoder(inputs[:{reads}])  # [{reads}, B, {width}]
        states, _ = self.decoder(inputs[{reads}:], last){looks}
        return self.readout(states)  # [T - {reads}, B, {outputs}]


network = Network()
network.load_state_dict(load_file({path!r}), strict=True)
network.eval()
"""

_LOOKS = """
        scores = torch.einsum("tbh,sbh->tbs", states, self.attention(seen))
        found = torch.einsum("tbs,sbh->tbh", scores.softmax(2), seen)
        states = torch.cat([states, found], 2)"""
