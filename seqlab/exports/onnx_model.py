"""A network as an ONNX model.

One RNN, LSTM or GRU node for each layer, both directions in one, with ONNX's own order of gates: i, o, f, c,
peepholes i, o, f, and z, r, h. The two biases stay apart, as PyTorch's do. States start at zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seqlab.cells import Cell
from seqlab.cells.activations import Activation
from seqlab.cells.base import Part
from seqlab.cells.esn import ESN
from seqlab.cells.feedforward import Feedforward
from seqlab.cells.gru import GRU
from seqlab.cells.lstm import BaseLSTM
from seqlab.cells.rnn import RNN
from seqlab.exports.base import Said
from seqlab.spec import Spec

OPSET, IR_VERSION = 14, 7
"""What runtimes of the last years read."""

_EITHER = (False, True)
_LSTM: Mapping[str, Any] = {
    "peepholes": _EITHER,
    "forget": ("own", "coupled"),
    "gate_activation": ("sigmoid", "hard_sigmoid"),
    "residual": _EITHER,
}
SAID: Said = {
    "rnn": {"activation": get_args(Activation), "residual": _EITHER},
    "lstm": _LSTM,
    "peephole_lstm": _LSTM,
    "gru": {"reset": ("after", "before"), "residual": _EITHER},
    "esn": {"leak": (1.0,)},
    "feedforward": {"activation": get_args(Activation), "residual": _EITHER},
}
"""The cells and options that it has nodes for."""

_ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "sigmoid": ("Sigmoid", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "softsign": ("Softsign", {}),
    "identity": ("Affine", {"alpha": 1.0, "beta": 0.0}),
}
"""Its name of each φ inside a recurrent node, and the parameters."""

Weights = Mapping[str, NDArray[np.float32]]


def build(
    spec: Spec, weights: Weights, metadata: Mapping[str, str] | None = None, *, with_lengths: bool = False
) -> Any:
    """An `onnx.ModelProto` from `inputs` [T, B, F] to `outputs` [T, B, O], float32; T and B are open.

    With an encoder, whose steps are part of the model, the outputs are those of the decoder's steps alone.

    Args:
        spec: whose network.
        weights: by PyTorch's names.
        metadata: kept in the model.
        with_lengths: whether it has a second input, `lengths` int32 [B], behind which all is padding.
    """
    from onnx import TensorProto, checker, helper

    task, graph = spec.task, _Graph()
    if task.encoder_steps:
        x = _encoder_decoder(graph, spec, weights)
    else:
        x, _ = _stack(graph, spec, "", weights, "inputs", "lengths" if with_lengths else "")
    V = graph.hold("readout.weight", weights["readout.weight"].T)
    d = graph.hold("readout.bias", weights["readout.bias"])
    graph.add("Add", [graph.add("MatMul", [x, V], "readout"), d], "outputs")

    floats = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT)
    inputs = [floats("inputs", shape=["timesteps", "batch", task.features])]
    if with_lengths:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]))
    outputs = [floats("outputs", shape=["timesteps", "batch", task.outputs])]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "network", inputs, outputs, graph.held),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="seqlab",
    )
    helper.set_model_props(made, dict(metadata or {}))
    checker.check_model(made)
    return made


class _Graph:
    """The nodes and constants of a model that is being built."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.held: list[Any] = []

    def hold(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; returns its name."""
        from onnx import numpy_helper

        self.held.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, *more: str, **attributes: Any) -> str:
        """Add a node, named as its output is; returns that. It may have more outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output, *more], name=output, **attributes))
        return output


def _encoder_decoder(graph: _Graph, spec: Spec, weights: Weights) -> str:
    """Add both stacks and the attention between them; returns what the readout sees [T - S, B, seen]."""
    hold, add = graph.hold, graph.add
    first, handover, end, axis = (
        hold(name, np.array([value]))
        for name, value in (
            ("first", 0),
            ("handover", spec.task.encoder_steps),
            ("end", np.iinfo(np.int64).max),
            ("time", 0),
        )
    )
    read = add("Slice", ["inputs", first, handover, axis], "encoder_inputs")
    seen, last = _stack(graph, spec, "encoder.", weights, read, "")
    told = add("Slice", ["inputs", handover, end, axis], "decoder_inputs")
    states, _ = _stack(graph, spec, "decoder.", weights, told, "", last)
    if not spec.model.attention:
        return states
    A = hold("attention.weight", weights["attention.weight"])
    queries = add("Transpose", [add("MatMul", [states, A], "query")], "queries", perm=[1, 0, 2])
    keys = add("Transpose", [seen], "keys", perm=[1, 2, 0])
    shares = add("Softmax", [add("MatMul", [queries, keys], "scores")], "attention", axis=2)
    values = add("Transpose", [seen], "values", perm=[1, 0, 2])
    found = add("Transpose", [add("MatMul", [shares, values], "context")], "contexts", perm=[1, 0, 2])
    return add("Concat", [states, found], "joined", axis=2)


def _stack(
    graph: _Graph,
    spec: Spec,
    stack: str,
    weights: Weights,
    x: str,
    lengths: str,
    starts: Sequence[tuple[str, ...]] = (),
) -> tuple[str, list[tuple[str, ...]]]:
    """Add the layers of a stack; returns its output [T, B, width], and of each layer the last states."""
    model, ends = spec.model, []
    own = {name.removeprefix(stack): value for name, value in weights.items() if name.startswith(stack)}
    for layer in range(model.layers):
        parts = [part for part in model.parts() if part.layer == layer]
        name = f"{stack.replace('.', '_')}layer{layer}"
        out, last = _layer(graph, name, model, parts, own, x, lengths, starts[layer] if starts else ())
        if model.residual and model.inputs_of(layer, spec.task.features) == model.width:
            out = graph.add("Add", [out, x], f"{name}_residual")
        x = out
        ends.append(last)
    return x, ends


def _layer(
    graph: _Graph,
    name: str,
    cell: Cell,
    parts: list[Part],
    weights: Weights,
    x: str,
    lengths: str,
    starts: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Add a layer; returns the names of its output [T, B, width] and of its last states."""
    if isinstance(cell, Feedforward):
        W = graph.hold(f"{name}.W", weights[f"weight_ih_l{parts[0]}"].T)
        b = graph.hold(f"{name}.B", weights[f"bias_ih_l{parts[0]}"])
        a = graph.add("Add", [graph.add("MatMul", [x, W], f"{name}_product"), b], f"{name}_sum")
        if cell.activation == "identity":
            return graph.add("Identity", [a], name), ()
        operator, options = _ACTIVATIONS[cell.activation]
        return graph.add(operator, [a], name, **options), ()
    operator, order, attributes = _node(cell)
    blocks = partial(_blocks, cell, parts, weights, order)
    inputs = [
        x,
        graph.hold(f"{name}.W", blocks("weight_ih")),
        graph.hold(f"{name}.R", blocks("weight_hh")),
        graph.hold(f"{name}.B", np.concatenate([blocks("bias_ih"), blocks("bias_hh")], axis=1)),
        lengths,
        *starts,
    ]
    if isinstance(cell, BaseLSTM) and cell.has_peepholes:
        nothing = [""] * (2 - len(starts))
        inputs += [*nothing, graph.hold(f"{name}.P", _peepholes(cell, parts, weights))]
    both = "bidirectional" if cell.bidirectional else "forward"
    last = tuple(f"{name}_last_{state}" for state in cell.carried_names)
    states = graph.add(
        operator, inputs, f"{name}_states", *last, hidden_size=cell.hidden, direction=both, **attributes
    )
    if not cell.bidirectional:
        return graph.add("Squeeze", [states, graph.hold(f"{name}.axis", np.array([1]))], name), last
    turned = graph.add("Transpose", [states], f"{name}_turned", perm=[0, 2, 1, 3])
    shape = graph.hold(f"{name}.shape", np.array([0, 0, cell.width]))  # 0 leaves a dimension as it is
    return graph.add("Reshape", [turned, shape], name), last


def _node(cell: Cell) -> tuple[str, str, dict[str, Any]]:
    """The operator of a recurrent cell, its order of gates in our letters, and what it is told besides."""
    if isinstance(cell, GRU):
        return "GRU", "zrn", {"linear_before_reset": int(cell.reset == "after")}
    if isinstance(cell, ESN):
        return "RNN", "h", _for_each(cell, ["Tanh"], {})
    if isinstance(cell, RNN):
        name, options = _ACTIVATIONS[cell.activation]
        return "RNN", "h", _for_each(cell, [name], options)
    assert isinstance(cell, BaseLSTM)
    name, options = _ACTIVATIONS[cell.gate_activation]
    coupled = {"input_forget": 1} if cell.forget == "coupled" else {}
    return "LSTM", "iofg", {**_for_each(cell, [name, "Tanh", "Tanh"], options), **coupled}


def _for_each(cell: Cell, names: list[str], options: Mapping[str, float]) -> dict[str, Any]:
    """Activations and their parameters, once for each direction."""
    parameters = {f"activation_{name}": [value] * cell.directions for name, value in options.items()}
    return {"activations": names * cell.directions, **parameters}


def _blocks(cell: Cell, parts: list[Part], weights: Weights, order: str, name: str) -> NDArray[np.float32]:
    """A tensor of each direction with the blocks of its gates in another order, zeros where there is none."""
    found = []
    for part in parts:
        tensor = weights[f"{name}_l{part}"]
        gates = dict(zip(cell.gates, np.split(tensor, len(cell.gates)), strict=True))
        nothing = np.zeros_like(tensor[: cell.hidden])
        found.append(np.concatenate([gates.get(gate, nothing) for gate in order]))
    return np.stack(found)


def _peepholes(cell: BaseLSTM, parts: list[Part], weights: Weights) -> NDArray[np.float32]:
    """p_i, p_o, p_f of each direction; zeros for a coupled f."""
    nothing = np.zeros(cell.hidden, np.float32)
    rows = [[weights.get(f"weight_p{gate}_l{part}", nothing) for gate in "iof"] for part in parts]
    return np.stack([np.concatenate(row) for row in rows])
