"""Every gradient equals central differences of an independent forward pass, full and truncated."""

import numpy as np
import pytest

from seqlab.spec.credit import windows
from seqlab.training.network import Network, Pass
from seqlab.training.truncation import Sequences, sweep, sweep_back
from tests.conftest import small
from tests.reference import network as reference

STEP = 1e-5
ENTRIES = 200
TASKS = [
    {"name": "adding", "length": 7},
    {"name": "copy", "delay": 2, "symbols": 2, "alphabet": 3},
    {"name": "sine", "length": 6, "horizon": 0},
]
MODELS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm"},
    {"cell": "gru"},
]


class Case:
    """A network in float64 with random weights, a batch, and the same network as the reference sees it."""

    def __init__(self, task, model, layers, truncation, seed=0):
        spec = small(
            task, {**model, "hidden": 3, "layers": layers}, truncation=truncation, precision="float64"
        )
        self.network = Network(spec)
        draw = np.random.default_rng(seed)
        self.network.parameters.flat[:] = draw.standard_normal(self.network.parameters.flat.size) * 0.5
        self.batch = spec.task.batch(seed, "train", 1, 4)
        self.sequences = Sequences.of(self.network, self.batch)
        self.windows = windows(spec.task.timesteps, truncation)
        self.edges = [(window.start, window.stop) for window in self.windows]
        self.scale = spec.loss.scale(float(self.batch.mask.sum()), spec.task.outputs)
        self.spec = spec
        self.work = Pass(self.network, 4, self.windows[0].stop)

    def reference(self, function, *more):
        parameters = self.network.parameters
        cell = self.network.cell
        x = self.sequences.inputs
        return function(cell.cell, cell.variant, parameters.layers, parameters.readout, x, *more)

    def loss(self, starts):
        targets, mask = self.sequences.targets, self.sequences.mask
        arguments = (targets, mask, self.spec.task.loss, self.scale, self.edges, starts)
        return self.reference(reference.loss_with_frozen_walls, *arguments)

    def analytic(self):
        gradients = self.network.empty()
        self.work.reset()
        loss = sweep(self.work, self.sequences, self.windows, self.scale, gradients)
        return loss, gradients


def central_differences(case, block, entries):
    """dL/dθ of some entries of a parameter, the states at every wall held as they are."""
    starts = case.reference(reference.wall_states, case.edges)
    found = []
    for entry in entries:
        before = block.flat[entry]
        block.flat[entry] = before + STEP
        above = case.loss(starts)
        block.flat[entry] = before - STEP
        below = case.loss(starts)
        block.flat[entry] = before
        found.append((above - below) / (2 * STEP))
    return np.array(found)


@pytest.mark.parametrize("truncation", [0, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(model.values()))
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["name"])
def test_gradients_equal_central_differences(task, model, layers, truncation):
    case = Case(task, model, layers, truncation)
    loss, gradients = case.analytic()
    assert loss == pytest.approx(case.loss(case.reference(reference.wall_states, case.edges)), rel=1e-12)
    draw = np.random.default_rng(1)
    for layer, (parameters, found) in enumerate(
        zip(case.network.parameters.named, gradients.named, strict=True)
    ):
        for name, block in parameters.items():
            entries = draw.permutation(block.size)[:ENTRIES]
            numeric = central_differences(case, block, entries)
            analytic = found[name].flat[entries]
            largest = max(np.linalg.norm(analytic), np.linalg.norm(numeric), 1e-12)
            assert np.linalg.norm(analytic - numeric) / largest <= 1e-6, (layer, name)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(model.values()))
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["name"])
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


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(model.values()))
def test_outputs_are_those_of_the_reference(model):
    for precision, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        spec = small({"name": "copy", "delay": 3}, {**model, "hidden": 5, "layers": 2}, precision=precision)
        network = Network(spec)
        batch = spec.task.batch(0, "train", 1, 4)
        x = batch.inputs.astype(precision)
        found = Pass(network, 4, len(x)).forward(x)
        wide = [tuple(array.astype(np.float64) for array in layer) for layer in network.parameters.layers]
        head = tuple(array.astype(np.float64) for array in network.parameters.readout)
        cell = network.cell
        expected = reference.outputs(cell.cell, cell.variant, wide, head, x.astype(np.float64))
        assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected)
