"""Steps: what truncation, windows, threads, divergence and resuming mean, to the last bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.methods.clipping import NoClip, NormClip, ValueClip
from seqlab.spec.credit import windows
from seqlab.training.network import Network, Pass
from seqlab.training.trainer import Trainer, clip_gradient
from tests.conftest import small
from tests.reference import losses as reference_losses
from tests.reference import network as reference_network
from tests.reference import optimizers as reference_optimizers

CELLS = ["rnn", "lstm", "gru"]


def weights_after(spec, steps=5, threads=1):
    trainer = Trainer(spec, threads)
    results = [trainer.advance() for _ in range(steps)]
    trainer.close()
    return trainer.network.parameters.flat.copy(), results


@pytest.mark.parametrize("update", ["sequence", "window"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("truncation", [10, 11, 1000])
def test_truncation_beyond_the_sequence_equals_full_bptt(cell, truncation, update):
    full, _ = weights_after(small(model={"cell": cell}))
    cut, _ = weights_after(small(model={"cell": cell}, truncation=truncation, update=update))
    assert cut.tobytes() == full.tobytes()


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_changes_the_gradient(cell):
    full, _ = weights_after(small(model={"cell": cell}))
    cut, _ = weights_after(small(model={"cell": cell}, truncation=5))
    assert not np.array_equal(full, cut)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("truncation", [0, 7])
def test_the_number_of_threads_changes_no_bit(cell, truncation):
    spec = small(
        {"length": 100}, {"cell": cell, "hidden": 64, "layers": 2}, batch_size=97, truncation=truncation
    )
    assert len(Trainer(spec).passes) == 3
    one, steps = weights_after(spec, 3, threads=1)
    three, others = weights_after(spec, 3, threads=3)
    assert one.tobytes() == three.tobytes()
    assert steps == others


def test_evaluation_on_threads_is_the_same():
    spec = small({"length": 100}, {"hidden": 64}, batch_size=97, eval_sequences=700)
    one, three = Trainer(spec, 1), Trainer(spec, 3)
    assert len(three.passes) == 3
    assert one.evaluate() == three.evaluate()
    three.close()


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_run_is_the_naive_one_of_the_reference(optimizer):
    spec = small(
        {"length": 5},
        {"cell": "gru", "hidden": 3},
        precision="float64",
        optimizer={"name": optimizer, "lr": 0.01},
        clip={"kind": "norm", "limit": 0.05},
    )
    trainer = Trainer(spec)
    layers, head = trainer.network.parameters.layers, trainer.network.parameters.readout
    theta, gradients = trainer.network.parameters.flat.copy(), []
    for step in range(1, 4):
        batch = spec.task.batch(0, "train", step, 4)
        x, targets = batch.inputs.astype(float), batch.targets.astype(float)
        scale = 1 / batch.mask.sum()
        y = reference_network.outputs("gru", 0, layers, head, x)
        loss, _ = reference_losses.mse(y, targets, batch.mask, scale)
        result = trainer.advance()
        assert result.loss == pytest.approx(loss, rel=1e-12)
        assert result.clipped
        gradients.append(trainer._gradients[0].flat.copy())
        assert np.linalg.norm(gradients[-1]) == pytest.approx(0.05)
    expected = getattr(reference_optimizers, optimizer)(
        theta, gradients, *trainer.optimizer.hyperparameters()
    )
    np.testing.assert_allclose(trainer.network.parameters.flat, expected[-1], rtol=1e-10, atol=1e-13)


def test_one_update_after_each_window_with_the_windows_own_loss():
    rate = 0.1
    spec = small(
        {"name": "sine", "length": 8, "horizon": 0},
        {"cell": "gru", "hidden": 3},
        truncation=3,
        update="window",
        precision="float64",
        optimizer={"name": "sgd", "lr": rate},
        clip={"kind": "none"},
    )
    trainer, naive = Trainer(spec), Network(spec)
    batch = spec.task.batch(0, "train", 1, 4)
    work = Pass(naive, 4, 3)
    for window in windows(8, 3):
        cut = slice(window.start, window.stop)
        x, targets = batch.inputs[cut].astype(float), batch.targets[cut].astype(float)
        gradients = naive.empty()
        work.take_weights()
        work.forward(x)
        work.loss(targets, np.ones((len(x), 4)), 1 / (4 * len(x)))
        work.backward(x, gradients)
        naive.parameters.flat[:] -= rate * gradients.flat
    trainer.advance()
    np.testing.assert_allclose(trainer.network.parameters.flat, naive.parameters.flat, rtol=1e-12)


def test_a_window_without_a_loss_makes_no_update():
    trainer = Trainer(small({"name": "adding", "length": 9}, truncation=3, update="window"))
    trainer.advance()
    assert int(trainer.state()["optimizer.updates"][0]) == 1


def test_a_gradient_whose_square_is_not_finite_ends_the_run():
    trainer = Trainer(small({"name": "sine", "length": 9}, clip={"kind": "none"}))
    trainer.network.parameters.readout[1][:] = 1e15
    trainer.network.parameters.readout[0][:] = 1e10
    result = trainer.advance()
    assert math.isfinite(result.grad_norm)
    assert result.diverged == "the square of the gradient is not finite"


def test_the_loss_of_windows_is_the_mean_over_the_whole_sequence():
    tiny = {"optimizer": {"name": "sgd", "lr": 1e-12}}
    whole = Trainer(small({"name": "sine", "length": 10}, **tiny)).advance()
    windows = Trainer(small({"name": "sine", "length": 10}, truncation=4, update="window", **tiny)).advance()
    assert windows.loss == pytest.approx(whole.loss, rel=1e-6)


@pytest.mark.parametrize("update", ["sequence", "window"])
@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_step_that_is_not_finite_leaves_everything_as_it_was(update, poison):
    trainer = Trainer(small({"name": "sine", "length": 9}, truncation=3, update=update))
    for _ in range(3):
        trainer.advance()
    trainer.network.parameters.named[-1]["d"][0] = poison
    before = trainer.state()
    result = trainer.advance()
    assert result.diverged
    assert (result.step, trainer.step) == (4, 3)
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_network_that_explodes_is_said_to_diverge():
    spec = small(
        {"name": "sine", "length": 60},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 100.0},
    )
    trainer = Trainer(spec)
    results = []
    while not results or not (results[-1].diverged or len(results) > 200):
        results.append(trainer.advance())
    assert results[-1].diverged in ("the loss is not finite", "the gradient is not finite")
    assert np.isfinite(trainer.network.parameters.flat).all()


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_restored_trainer_goes_on_bit_for_bit(cell, optimizer):
    spec = small(
        model={"cell": cell, "layers": 2},
        truncation=4,
        update="window",
        optimizer={"name": optimizer, "lr": 0.01, **({} if optimizer == "adam" else {"momentum": 0.5})},
    )
    straight = Trainer(spec)
    for _ in range(3):
        straight.advance()
    saved = {name: value.copy() for name, value in straight.state().items()}
    resumed = Trainer(spec)
    resumed.restore(3, saved)
    for _ in range(4):
        assert straight.advance() == resumed.advance()
    for name, value in straight.state().items():
        assert value.tobytes() == resumed.state()[name].tobytes(), name


def test_a_checkpoint_of_another_shape_is_refused():
    state = Trainer(small(model={"hidden": 5})).state()
    with pytest.raises(ValueError, match="has shape"):
        Trainer(small(model={"hidden": 4})).restore(1, state)


def test_both_precisions_start_from_the_same_weights():
    one, two = (
        Trainer(small(precision=precision)).network.parameters.flat for precision in ("float32", "float64")
    )
    np.testing.assert_array_equal(one, two.astype(np.float32))


def test_the_learning_rate_acts_from_the_next_update_on():
    trainer, other = Trainer(small()), Trainer(small(optimizer={"lr": 0.5}))
    trainer.set_learning_rate(0.5)
    trainer.advance()
    other.advance()
    np.testing.assert_array_equal(trainer.network.parameters.flat, other.network.parameters.flat)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20), st.floats(0.1, 50))
@settings(deadline=None, max_examples=50)
def test_clipping_holds_the_gradient_within_its_limit(values, limit):
    gradient = np.array(values, np.float32)
    norm = float(np.linalg.norm(gradient.astype(float)))
    by_norm, by_value, free = gradient.copy(), gradient.copy(), gradient.copy()
    assert clip_gradient(NormClip(limit=limit), by_norm, norm) == (norm > limit)
    assert np.linalg.norm(by_norm.astype(float)) == pytest.approx(min(norm, limit), rel=1e-5, abs=1e-6)
    assert clip_gradient(ValueClip(limit=limit), by_value, norm) == bool(
        np.abs(gradient).max() > np.float32(limit)
    )
    np.testing.assert_array_equal(by_value, np.clip(gradient, -np.float32(limit), np.float32(limit)))
    assert not clip_gradient(NoClip(), free, norm)
    np.testing.assert_array_equal(free, gradient)


@pytest.mark.parametrize(
    ("task", "model", "training"),
    [
        ({"length": 2}, {"hidden": 1}, {"batch_size": 1, "eval_sequences": 1}),
        ({"name": "copy", "delay": 1, "symbols": 1, "alphabet": 2}, {"hidden": 1}, {"batch_size": 1}),
        ({"name": "sine", "length": 2, "horizon": 1}, {"hidden": 1}, {"batch_size": 1, "truncation": 1}),
        ({"length": 7}, {"layers": 3}, {"truncation": 1, "update": "window"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("cell", CELLS)
def test_the_smallest_of_everything_works(cell, task, model, training):
    trainer = Trainer(small(task, {"cell": cell, **model}, **training))
    assert not trainer.advance().diverged
    assert math.isfinite(trainer.evaluate().loss)
    assert trainer.probe.look().tensors


def test_what_a_checkpoint_holds_stays_as_it_was_while_training_goes_on():
    trainer = Trainer(small({"name": "sine", "length": 6}))  # one input, one output: transposed as they are
    trainer.advance()
    state = trainer.state()
    before = {name: value.copy() for name, value in state.items()}
    trainer.advance()
    for name, value in before.items():
        np.testing.assert_array_equal(state[name], value)
