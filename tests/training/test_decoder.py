"""An encoder hands over to a decoder, which may look back: as an independent forward pass says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqlab.cells import CELLS
from seqlab.kernels import losses
from seqlab.spec import Spec
from seqlab.spec.plan import pass_numbers
from seqlab.training.decoder import EncoderDecoder, new_pass
from seqlab.training.evaluation import Evaluator
from seqlab.training.exactness import compare, in_float64
from seqlab.training.gradients import layers_of
from seqlab.training.network import Network
from seqlab.training.probe import Probe
from seqlab.training.ridge import trainer_for
from seqlab.training.trainer import Trainer
from seqlab.training.truncation import Sequences
from tests.conftest import small
from tests.reference import attention
from tests.reference import network as reference

TASK = {"name": "reverse", "symbols": 4, "alphabet": 3}
S = 4
TRAINED = [name for name, cell in CELLS.items() if not cell.model_validate({}).closed_form]


def reversal(cell: str = "lstm", attention: bool = False, layers: int = 1, **training) -> Spec:
    """A small spec of the task."""
    return small(TASK, {"cell": cell, "attention": attention, "layers": layers}, **training)


def naive(network: Network, x):
    """Outputs [T - S, B, O]: the reference's network twice, the second from the states of the first."""
    cell, parameters = network.cell, network.parameters
    half = len(parameters.layers) // 2
    as_they_are = (np.eye(cell.hidden), np.zeros(cell.hidden))
    start = reference.start_states(cell, x.shape[1])
    seen, last, _ = reference.window_forward(cell, parameters.layers[:half], as_they_are, x[:S], start)
    after, _, _ = reference.window_forward(cell, parameters.layers[half:], as_they_are, x[S:], last)
    if cell.attention:
        after, _ = attention.forward(after, seen, parameters.named[-1]["A"])
    V, d = parameters.readout
    return after @ V + d


@pytest.mark.parametrize("looks", [False, True], ids=["states", "attention"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_decoder_starts_where_the_encoder_ends(cell, layers, looks):
    network = Network(reversal(cell, looks, layers, precision="float64"))
    batch = Sequences.of(network, network.spec.task.batch(0, "train", 1, 4))
    work = new_pass(network, 4, 2 * S)
    found = work.forward(batch.inputs)
    np.testing.assert_allclose(found[S:], naive(network, batch.inputs), rtol=0, atol=1e-12)
    assert not found[:S].any()


@pytest.mark.parametrize("looks", [False, True], ids=["states", "attention"])
@pytest.mark.parametrize("cell", TRAINED)
def test_every_cell_has_the_right_gradient_as_encoder_and_decoder(cell, looks):
    for block in compare(in_float64(reversal(cell, looks)), entries=30):
        assert block.right, block


def test_layers_with_joints_have_the_right_gradient():
    model = {"cell": "gru", "layers": 3, "dropout": 0.4, "residual": True, "attention": True}
    blocks = list(compare(in_float64(small(TASK, model)), entries=30))
    assert all(block.right for block in blocks)
    readout = {"readout: V", "readout: d", "readout: A"}
    assert {block.name.split(",")[0] for block in blocks} == {"encoder", "decoder", *readout}


def test_left_to_itself_the_decoder_reads_what_it_said():
    network = Network(reversal("gru", attention=True))
    network.parameters.flat[:] *= 3
    x = network.spec.task.batch(0, "train", 1, 4).inputs
    work = new_pass(network, 4, 2 * S)
    assert isinstance(work, EncoderDecoder)
    free = work.run_free(x)
    told = x.copy()
    for step in range(S, 2 * S - 1):
        # What it says at a step depends on nothing that comes after.
        said = work.forward(told)[step].argmax(axis=1)
        told[step + 1] = np.eye(4)[said + 1]
    np.testing.assert_allclose(free, work.forward(told), rtol=0, atol=1e-5)
    blind = x.copy()
    blind[S + 1 :] = 0
    np.testing.assert_array_equal(work.run_free(blind), free)


def test_an_evaluation_counts_right_answers_with_and_without_help():
    network = Network(reversal("gru", eval_sequences=20))
    found = Evaluator(network, lambda one, items: [one(item) for item in items]).evaluate()
    batch = network.spec.task.batch(0, "eval", 0, 20)
    work = new_pass(network, 20, 2 * S)
    assert isinstance(work, EncoderDecoder)
    wanted = batch.targets[S:]
    assert found.accuracy == (work.forward(batch.inputs)[S:].argmax(axis=2) == wanted).mean()
    assert found.free_accuracy == (work.run_free(batch.inputs)[S:].argmax(axis=2) == wanted).mean()
    scores = naive(network, batch.inputs).astype(np.float64)
    dy = np.empty_like(scores)
    loss = losses.cross_entropy(scores, wanted, np.ones(wanted.shape), 0, 1 / wanted.size, dy)
    assert found.loss == pytest.approx(loss, rel=1e-5)


def test_a_rung_of_chance_is_what_a_network_without_weights_loses():
    network = Network(reversal("gru"))
    network.parameters.flat[:] = 0
    found = Evaluator(network, lambda one, items: [one(item) for item in items])
    assert found.evaluate().loss == pytest.approx(math.log(3), rel=1e-6)
    rungs = {each.rung.name: each for each in found.rungs()}
    assert rungs["chance"].measured == pytest.approx(rungs["chance"].rung.value)
    assert rungs["first"].measured == pytest.approx(rungs["first"].rung.value)


def test_the_gradient_goes_back_through_the_decoder_into_the_encoder():
    probe = Probe(Network(reversal("lstm", layers=2)))
    look = probe.look()
    for layer in range(2):
        assert look.tensors[f"layer{layer}/gradient"].shape == (2 * S,)
        assert (look.tensors[f"layer{layer}/gradient"] > 0).all()
    assert look.tensors["free"].shape == look.tensors["outputs"].shape == (2 * S, 3)


def test_the_top_layer_shows_where_attention_looks():
    spec = reversal("lstm", attention=True, layers=2)
    tensors = Probe(Network(spec)).look().tensors
    assert [state.name for state in spec.model.shown(1)][-1] == "attention"
    assert "attention" not in [state.name for state in spec.model.shown(0)]
    for layer in range(2):
        for state in spec.model.shown(layer):
            assert tensors[f"layer{layer}/state/{state.name}"].shape == (2 * S, 4)
    shares = tensors["layer1/state/attention"]
    assert not shares[:S].any()
    np.testing.assert_allclose(shares[S:].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("looks", [False, True], ids=["states", "attention"])
def test_threads_change_no_bit(looks):
    # Large enough for two slices.
    task, model = {"name": "reverse", "symbols": 20}, {"cell": "gru", "hidden": 48, "attention": looks}
    spec = small(task, model, batch_size=64)
    one, two = Trainer(spec, 1), Trainer(spec, 2)
    assert len(one.passes) == 2
    for _ in range(2):
        assert one.advance() == two.advance()
    one.close()
    two.close()
    assert (one.network.parameters.flat == two.network.parameters.flat).all()


def test_a_resumed_run_is_the_one_never_stopped():
    model = {"cell": "lstm", "layers": 2, "dropout": 0.2, "attention": True}
    spec = small(TASK, model, clip={"kind": "layer", "limit": 0.1})
    whole = trainer_for(spec)
    whole.advance()
    state = {name: value.copy() for name, value in whole.state().items()}
    assert {name.split(".")[1] for name in state} >= {"encoder", "decoder", "attention", "readout"}
    rest = [whole.advance() for _ in range(2)]
    again = trainer_for(spec)
    again.restore(1, state)
    assert [again.advance() for _ in range(2)] == rest
    for name, value in whole.state().items():
        assert (again.state()[name] == value).all(), name


def test_each_stack_and_layer_is_clipped_by_itself():
    spec = reversal("gru", attention=True, layers=2)
    flat = Network(spec).parameters.flat
    sizes = [sum(map(math.prod, shapes.values())) for shapes in spec.parameter_shapes()]
    assert [len(layer) for layer in layers_of(spec, flat)] == sizes
    assert len(sizes) == 5


@pytest.mark.parametrize("looks", [False, True], ids=["states", "attention"])
def test_the_memory_of_its_buffers_is_known_before(looks):
    network = Network(reversal("lstm", looks))
    wanted = pass_numbers(network.spec, 3, 2 * S)
    assert new_pass(network, 3, 2 * S).nbytes == 4 * wanted
