"""The network as an ONNX model, readout included, that is checked before it is written.

It is run in `onnx.reference`, as far as that knows what is in it, and in onnxruntime, if that is there, and
what it says must be what we say. What neither of them can run is not written. Weights are float32, as
runtimes have no recurrent layers of float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.exports.base import RECURRENT, Export, Format, Outputs, place, refuse, require, unsaid, weights
from seqlab.runs.layout import RunError

if TYPE_CHECKING:
    from seqlab.cells import Cell
    from seqlab.runs.run import Run
    from seqlab.spec import Spec

TOLERANCE = 1e-5
"""How far outputs may lie apart: absolutely, or relative to the largest one where that is above 1."""

_SEQUENCES, _TIMESTEPS = 8, 500
"""How much of the probe is run through the model, at most."""
_MOST_BYTES = 2_000_000_000
"""What a model can hold."""

Lengths = NDArray[np.int64] | None
Runner = Callable[[Any, NDArray[np.float32], Lengths], NDArray[np.float32]]
"""(model, inputs [T, B, F], lengths [B] or None) -> outputs [T, B, O]."""


class ONNX(Format):
    """See `onnx_model.build` for what it takes and gives."""

    summary: ClassVar[str] = "the network with its readout as an ONNX model, checked against its own outputs"
    rank: ClassVar[int] = 2
    extra: ClassVar[str] = "onnx"
    libraries: ClassVar[tuple[str, ...]] = ("onnx",)

    to: Literal["onnx"] = "onnx"

    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """A checkpoint's network, checked on the probe sequences."""
        from seqlab.exports.onnx_model import SAID, build

        spec = run.spec
        refuse("ONNX", unsaid(spec.model, SAID))
        runners = dict(self._runners(spec))
        step, kept = weights(run, step, rf"{RECURRENT}|((en|de)coder\.)?weight_p[iof]_l\d+(_reverse)?")
        tensors = {name: value.astype(np.float32) for name, value in kept.items()}
        if sum(value.nbytes for value in tensors.values()) > _MOST_BYTES:
            raise RunError("ONNX cannot say this: the weights take more than the 2 GB that a model may have")
        inputs, lengths = _probe(spec)
        metadata = {"run": run.name, "step": str(step)}
        model = build(spec, tensors, metadata, with_lengths=lengths is not None)
        ours = outputs(spec, tensors, inputs, lengths)[spec.task.encoder_steps :]
        rounded = ", its weights rounded to float32" if spec.training.precision == "float64" else ""
        notes = [f"the network after step {step:,}{rounded}"]
        for name, runner in runners.items():
            error = compare(name, _ran(name, runner, model, inputs, lengths), ours, lengths)
            notes.append(f"{name} says what we say, within {error:.1e}")
        content: bytes = model.SerializeToString(deterministic=True)
        return Export({place(run, out, ".onnx"): content}, tuple(notes))

    def _runners(self, spec: Spec) -> Iterator[tuple[str, Runner]]:
        """What can run the model, by name: at least one."""
        known = _reference_knows(spec.model) and _probe(spec)[1] is None
        if known:
            yield "onnx.reference", in_reference
        else:
            require(self, "onnxruntime")
        if find_spec("onnxruntime") is not None:
            yield "onnxruntime", in_runtime


def compare(
    name: str, theirs: NDArray[np.float32], ours: NDArray[np.float32], lengths: Lengths = None
) -> float:
    """How far outputs [T, B, O] lie apart, padding left out.

    Raises:
        RunError: too far, or they are not finite.
    """
    if lengths is not None:
        valid = np.arange(len(ours))[:, None] < lengths
        theirs, ours = theirs[valid], ours[valid]
    if not np.isfinite(ours).all():
        raise RunError("the network's outputs are not all finite, so the model cannot be checked")
    error = float(np.abs(theirs - ours).max() / max(1.0, float(np.abs(ours).max())))
    if not error <= TOLERANCE:
        raise RunError(
            f"the model is not right: {name} says something else than the network, by {error:.1e}, "
            f"and {TOLERANCE:g} is allowed"
        )
    return error


def in_reference(model: Any, inputs: NDArray[np.float32], lengths: Lengths = None) -> NDArray[np.float32]:
    """Run a model in `onnx.reference`."""
    from onnx.reference import ReferenceEvaluator

    outputs: NDArray[np.float32] = ReferenceEvaluator(model).run(None, _fed(inputs, lengths))[0]
    return outputs


def in_runtime(model: Any, inputs: NDArray[np.float32], lengths: Lengths = None) -> NDArray[np.float32]:
    """Run a model in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs: NDArray[np.float32] = session.run(None, _fed(inputs, lengths))[0]
    return outputs


def _fed(inputs: NDArray[np.float32], lengths: Lengths) -> dict[str, NDArray[Any]]:
    return {"inputs": inputs} if lengths is None else {"inputs": inputs, "lengths": lengths.astype(np.int32)}


def _ran(
    name: str, runner: Runner, model: Any, inputs: NDArray[np.float32], lengths: Lengths
) -> NDArray[np.float32]:
    """Run a model; what a runner says of one that it cannot run is a line."""
    try:
        return runner(model, inputs, lengths)
    except Exception as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise RunError(f"{name} cannot run the model: {words[0]}") from error


def _probe(spec: Spec) -> tuple[NDArray[np.float32], Lengths]:
    """The inputs that are run through the model, and their lengths if these matter to it."""
    batch = spec.task.batch(0, "probe", 0, _SEQUENCES)
    inputs = np.ascontiguousarray(batch.inputs[:_TIMESTEPS], np.float32)
    if batch.lengths is None or not spec.model.bidirectional:
        return inputs, None
    return inputs, np.minimum(batch.lengths, len(inputs))


def _reference_knows(cell: Cell) -> bool:
    """Whether `onnx.reference` runs all that sets a cell's node apart; what it does not know it ignores."""
    from seqlab.cells.lstm import BaseLSTM
    from seqlab.cells.rnn import RNN

    if isinstance(cell, BaseLSTM):
        return cell.forget == "own" and cell.gate_activation == "sigmoid"
    return cell.activation in ("tanh", "identity") if isinstance(cell, RNN) else True
