"""What every frame shows: gradients by definition, gates of the first sequence, credit."""

import numpy as np
import pytest

from seqlab.spec.credit import windows
from seqlab.training.network import Network, Pass
from seqlab.training.probe import Probe
from seqlab.training.truncation import Sequences
from tests.conftest import small
from tests.reference import network as reference


def norms(derivatives):
    return [np.sqrt((layer**2).sum(axis=(1, 2))) for layer in derivatives]


def probed(task, truncation, cell="lstm", layers=2):
    spec = small(task, {"cell": cell, "layers": layers}, truncation=truncation, precision="float64")
    network = Network(spec)
    return network, Probe(network)


def full_gradient(network, probe, mask):
    spec = network.spec
    targets = probe.batch.targets if spec.task.loss == "cross_entropy" else probe.batch.targets.astype(float)
    scale = spec.loss.scale(float(mask.sum()), spec.task.outputs)
    parameters = network.parameters
    arguments = (probe.batch.inputs.astype(float), targets, mask, spec.task.loss, scale)
    return norms(reference.state_gradients(spec.model, parameters.layers, parameters.readout, *arguments))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("truncation", [0, 4])
@pytest.mark.parametrize("task", [{"name": "adding", "length": 10}, {"name": "copy", "delay": 3}], ids=str)
def test_full_gradient_and_credit_are_those_of_the_reference(task, truncation, cell):
    network, probe = probed(task, truncation, cell)
    tensors = probe.look().tensors
    mask = probe.batch.mask.astype(float)
    last = np.zeros_like(mask)
    last[-1] = 1
    for name, weights in (("gradient_full", mask), ("credit", last)):
        for layer, expected in enumerate(full_gradient(network, probe, weights)):
            np.testing.assert_allclose(tensors[f"layer{layer}/{name}"], expected, rtol=1e-5)


def test_the_truncated_gradient_is_that_of_each_window_by_itself():
    network, probe = probed({"name": "copy", "delay": 3}, 6)
    spec, batch = network.spec, probe.batch
    tensors = probe.look().tensors
    work, unused = Pass(network, 8, 6), network.empty()
    scale = spec.loss.scale(float(batch.mask.sum()), spec.task.outputs)
    sequences = Sequences.of(network, batch)
    for window in windows(spec.task.timesteps, 6):
        cut = slice(window.start, window.stop)
        work.forward(sequences.inputs[cut])
        work.loss(sequences.targets[cut], sequences.mask[cut], scale)
        work.backward(sequences.inputs[cut], unused)
        for layer, expected in enumerate(norms(work.derivatives())):
            np.testing.assert_allclose(tensors[f"layer{layer}/gradient"][cut], expected, rtol=1e-6)


def test_without_truncation_all_of_the_gradient_is_there():
    _, probe = probed({"name": "copy", "delay": 3}, 0)
    tensors = probe.look().tensors
    np.testing.assert_array_equal(tensors["layer0/gradient"], tensors["layer0/gradient_full"])


def test_beyond_a_wall_there_is_no_gradient_and_rows_do_not_speak_of_one():
    _, probe = probed({"name": "adding", "length": 10}, 4)
    look = probe.look()
    assert not look.tensors["layer0/gradient"][:8].any()
    assert look.tensors["layer0/gradient"][8:].all()
    assert look.tensors["layer0/gradient_full"].all()
    assert "probe/gradient_first" not in look.metrics
    assert look.metrics["probe/credit_ratio"] > 0


def test_figures_of_a_row_are_first_and_last_of_the_top_layer():
    _, probe = probed({"name": "adding", "length": 10}, 0)
    look = probe.look()
    gradient = look.tensors["layer1/gradient"]
    assert look.metrics["probe/gradient_first"] == pytest.approx(gradient[0], rel=1e-6)
    assert look.metrics["probe/gradient_last"] == pytest.approx(gradient[-1], rel=1e-6)
    assert look.metrics["probe/gradient_ratio"] == pytest.approx(gradient[0] / gradient[-1], rel=1e-5)
    assert look.metrics["probe/credit_ratio"] == look.metrics["probe/gradient_ratio"]


def test_states_and_outputs_are_those_of_the_first_sequence():
    network, probe = probed({"name": "sine", "length": 9, "horizon": 3}, 4, "gru", 1)
    tensors = probe.look().tensors
    x = probe.batch.inputs.astype(float)
    parameters = network.parameters
    model = network.spec.model
    starts = reference.start_states(model, 8)
    y, _, passes = reference.window_forward(model, parameters.layers, parameters.readout, x, starts)
    _, (h,), (gates, _) = passes[0]
    np.testing.assert_allclose(tensors["outputs"], y[:, 0], rtol=1e-5)
    np.testing.assert_allclose(tensors["layer0/state/h"], h[1:, 0], rtol=1e-5)
    for gate, name in enumerate("rzn"):
        expected = gates[gate, :, 0]
        np.testing.assert_allclose(tensors[f"layer0/state/{name}"], expected, rtol=1e-5)
    assert tensors["forecast"].shape == (3, 1)
    assert all(value.dtype == np.float32 for value in tensors.values())


def test_a_forecast_rests_on_carried_states_however_walls_are_trained():
    task = {"name": "sine", "length": 12, "horizon": 4}
    found = [
        Probe(Network(small(task, truncation=5, at_walls=at_walls))).look().tensors["forecast"]
        for at_walls in ("carry", "reset")
    ]
    np.testing.assert_allclose(*found, rtol=1e-5)
