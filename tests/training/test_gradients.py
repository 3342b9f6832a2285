"""Every gradient equals central differences of an independent forward pass, full and truncated."""

from dataclasses import replace

import numpy as np
import pytest

from seqlab.spec.credit import windows
from seqlab.spec.plan import longest_window
from seqlab.training.joints import dropout_masks
from seqlab.training.network import Network, Pass
from seqlab.training.truncation import Sequences, sweep, sweep_back
from tests.conftest import small
from tests.kernels.cases import assert_derivative
from tests.reference import network as reference

TASKS = [
    {"name": "adding", "length": 7},
    {"name": "copy", "delay": 2, "symbols": 2, "alphabet": 3},
    {"name": "sine", "length": 6, "horizon": 0},
]
OTHER_SHAPES = [
    {"name": "order", "length": 12, "shortest": 10},
    {"name": "ahead", "length": 7, "alphabet": 3},
    {"name": "timing", "shortest": 1, "longest": 3, "intervals": 2},
    {"name": "generate", "length": 5, "channels": 3},
    {"name": "parity", "length": 5},
]
MODELS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "rnn", "activation": "leaky_relu"},
    {"cell": "rnn", "activation": "sigmoid"},
    {"cell": "rnn", "activation": "hard_sigmoid"},
    {"cell": "rnn", "activation": "softsign"},
    {"cell": "rnn", "activation": "identity"},
    {"cell": "feedforward"},
    {"cell": "feedforward", "activation": "softsign"},
    {"cell": "gru", "reset": "before"},
    {"cell": "mgu"},
    {"cell": "peephole_lstm"},
    {"cell": "lstm", "forget": "coupled"},
    {"cell": "peephole_lstm", "forget": "none", "gate_activation": "hard_sigmoid"},
    {"cell": "rnn", "layer_norm": True},
    {"cell": "rnn", "activation": "softsign", "layer_norm": True},
    {"cell": "gru", "layer_norm": True},
    {"cell": "lstm", "layer_norm": True},
    {"cell": "peephole_lstm", "forget": "coupled", "layer_norm": True},
]


class Case:
    """A network in float64 with random weights, a batch, and the same network as the reference sees it."""

    def __init__(self, task, model, layers, truncation, seed=0, **training):
        model = {"hidden": 3, "layers": layers, **model}
        spec = small(task, model, truncation=truncation, precision="float64", **training)
        self.network = Network(spec)
        draw = np.random.default_rng(seed)
        self.network.parameters.flat[:] = draw.standard_normal(self.network.parameters.flat.size) * 0.5
        self.batch = spec.task.batch(seed, "train", 1, 4)
        self.sequences = Sequences.of(self.network, self.batch)
        self.windows = windows(spec.task.timesteps, spec.training.cut)
        self.edges = [(window.start, window.block, window.stop) for window in self.windows]
        self.reset = spec.training.at_walls == "reset"
        self.scale = spec.loss.scale(float(self.batch.mask.sum()), spec.task.outputs)
        self.spec = spec
        self.work = Pass(self.network, 4, longest_window(spec))
        self.work.masks = dropout_masks(spec, 1)
        self.joints = {"masks": self.work.masks, "lengths": self.batch.lengths}

    def pad(self, lengths):
        """Let each sequence end at its own length."""
        mask = (np.arange(len(self.batch.mask))[:, None] < np.array(lengths)).astype(float)
        self.sequences = replace(self.sequences, mask=mask, lengths=np.array(lengths))
        self.scale = self.spec.loss.scale(float(mask.sum()), self.spec.task.outputs)
        self.joints["lengths"] = self.sequences.lengths

    def reference(self, function, *more, **named):
        parameters = self.network.parameters
        model, x = self.network.cell, self.sequences.inputs
        return function(model, parameters.layers, parameters.readout, x, *more, **named)

    def loss(self, starts):
        targets, mask = self.sequences.targets, self.sequences.mask
        arguments = (targets, mask, self.spec.task.loss, self.scale, self.edges, starts)
        return self.reference(reference.loss_with_frozen_starts, *arguments, **self.joints)

    def starts(self):
        more = {"reset": self.reset, **self.joints}
        return self.reference(reference.states_at_starts, self.edges, **more)

    def analytic(self):
        gradients = self.network.empty()
        self.work.reset()
        loss = sweep(self.work, self.sequences, self.windows, self.scale, gradients, reset=self.reset)
        return loss, gradients


def assert_gradients_are_right(case):
    loss, gradients = case.analytic()
    starts = case.starts()  # the states at every wall, held as they are
    assert loss == pytest.approx(case.loss(starts), rel=1e-12)
    for parameters, found in zip(case.network.parameters.named, gradients.named, strict=True):
        for name, block in parameters.items():
            assert_derivative(found[name], lambda: case.loss(starts), block)


each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task["name"])
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(map(str, model.values())))
# The first four on every task; of what tasks do differently the others need not be asked each time.
each_on_its_task = pytest.mark.parametrize(
    ("task", "model"),
    [(task, model) for n, model in enumerate(MODELS) for task in (TASKS if n < 4 else [TASKS[n % 3]])],
    ids=lambda value: "-".join(map(str, value.values())),
)


@pytest.mark.parametrize("truncation", [0, 3])
@pytest.mark.parametrize("layers", [1, 2])
@each_on_its_task
def test_gradients_equal_central_differences(task, model, layers, truncation):
    assert_gradients_are_right(Case(task, model, layers, truncation))


@pytest.mark.parametrize(("model", "truncation"), [({}, 0), ({}, 3), ({"bidirectional": True}, 0)], ids=str)
@pytest.mark.parametrize("task", OTHER_SHAPES, ids=lambda task: task["name"])
def test_gradients_on_tasks_of_other_shapes_equal_central_differences(task, model, truncation):
    assert_gradients_are_right(Case(task, {"cell": "lstm", **model}, 2, truncation))


@pytest.mark.parametrize("at_walls", ["carry", "reset"])
@pytest.mark.parametrize(("stride", "window"), [(1, 4), (2, 3), (3, 50)])
@pytest.mark.parametrize(("task", "cell"), [(TASKS[0], "lstm"), (TASKS[2], "rnn")], ids=["lstm", "rnn"])
def test_gradients_of_overlapping_windows_equal_central_differences(task, cell, stride, window, at_walls):
    more = {"stride": stride, "window": window, "at_walls": at_walls}
    assert_gradients_are_right(Case(task, {"cell": cell}, 2, 0, **more))


JOINTS = [
    {"bidirectional": True},
    {"residual": True},
    {"dropout": 0.4},
    {"bidirectional": True, "residual": True, "dropout": 0.3},
]


@pytest.mark.parametrize("joints", JOINTS, ids=lambda joints: "-".join(joints))
@pytest.mark.parametrize(
    ("task", "cell", "layers"),
    [(TASKS[1], "rnn", 2), (TASKS[0], "rnn", 3), (TASKS[0], "lstm", 2), (TASKS[2], "gru", 2)],
    ids=["rnn-2", "rnn-3", "lstm-2", "gru-2"],
)
def test_gradients_through_what_is_between_layers_equal_central_differences(task, cell, layers, joints):
    assert_gradients_are_right(Case(task, {"cell": cell, **joints}, layers, 0))


@pytest.mark.parametrize(
    "joints", [{"residual": True}, {"dropout": 0.4}], ids=lambda joints: "-".join(joints)
)
@each_task
def test_so_do_those_under_truncation(task, joints):
    assert_gradients_are_right(Case(task, {"cell": "gru", **joints}, 2, 3))


@pytest.mark.parametrize("joints", [{}, *JOINTS], ids=lambda joints: "-".join(joints) or "none")
def test_gradients_of_sequences_of_unequal_length_equal_central_differences(joints):
    case = Case(TASKS[2], {"cell": "lstm", **joints}, 2, 0)
    case.pad([6, 1, 3, 4])
    assert_gradients_are_right(case)


@each_on_its_task
def test_sweeping_back_through_windows_is_full_backpropagation(task, model):
    whole, cut = Case(task, model, 2, 0), Case(task, model, 2, 3)
    _, full = whole.analytic()
    gradients = cut.network.empty()
    totals: dict[int, list[np.ndarray]] = {}

    def keep(window, work):
        totals[window.start] = [derivative.copy() for derivative in work.derivatives()]

    sweep_back(cut.work, cut.sequences, cut.windows, cut.scale, gradients, keep)
    np.testing.assert_allclose(gradients.flat, full.flat, rtol=1e-10, atol=1e-14)
    arguments = (cut.sequences.targets, cut.sequences.mask, cut.spec.task.loss, cut.scale)
    expected = cut.reference(reference.state_gradients, *arguments)
    for layer in range(2):
        found = np.concatenate([totals[start][layer] for start in sorted(totals)])
        np.testing.assert_allclose(found, expected[layer], rtol=1e-9, atol=1e-14)


@each_model
def test_outputs_are_those_of_the_reference(model):
    for precision, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        spec = small({"name": "copy", "delay": 3}, {**model, "hidden": 5, "layers": 2}, precision=precision)
        network = Network(spec)
        batch = spec.task.batch(0, "train", 1, 4)
        x = batch.inputs.astype(precision)
        found = Pass(network, 4, len(x)).forward(x)
        wide = [tuple(array.astype(np.float64) for array in layer) for layer in network.parameters.layers]
        head = tuple(array.astype(np.float64) for array in network.parameters.readout)
        expected = reference.outputs(network.cell, wide, head, x.astype(np.float64))
        assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected)
