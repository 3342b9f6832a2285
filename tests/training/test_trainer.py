"""Steps: what truncation, windows, threads, divergence and resuming mean, to the last bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.methods.clipping import LayerClip, NoClip, NormClip, ValueClip
from seqlab.methods.noise import gradient_noise
from seqlab.spec.credit import windows
from seqlab.spec.steerable import changed
from seqlab.training.gradients import clip_gradient, layers_of
from seqlab.training.network import Network, Pass
from seqlab.training.trainer import Trainer
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


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
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
        y = reference_network.outputs(spec.model, layers, head, x)
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


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_a_run_under_another_loss_reports_and_follows_that_loss(name):
    spec = small(
        {"name": "sine", "length": 6},
        {"cell": "rnn", "hidden": 3},
        precision="float64",
        loss=name,
        optimizer={"name": "sgd", "lr": 0.5},
        clip={"kind": "none"},
        eval_sequences=5,
    )
    trainer = Trainer(spec)
    weights = trainer.network.parameters
    batch, held_out = spec.task.batch(0, "train", 1, 4), spec.task.batch(0, "eval", 0, 5)

    def loss(batch):
        x = batch.inputs.astype(float)
        y = reference_network.outputs(spec.model, weights.layers, weights.readout, x)
        scale = 1 / float(batch.mask.sum())
        return getattr(reference_losses, name)(y, batch.targets.astype(float), batch.mask, scale)[0]

    before, expected, flat = loss(batch), loss(held_out), weights.flat.copy()
    assert trainer.evaluate().loss == pytest.approx(expected, rel=1e-12)
    assert trainer.advance().loss == pytest.approx(before, rel=1e-12)
    assert loss(batch) < before
    gradient = (flat - weights.flat) / 0.5
    weights.flat[:] = flat + 1e-6 * gradient
    above = loss(batch)
    weights.flat[:] = flat - 1e-6 * gradient
    assert (above - loss(batch)) / 2e-6 == pytest.approx(gradient @ gradient, rel=1e-5)


def test_the_rungs_are_measured_under_the_chosen_loss():
    spec = small(loss="mae")
    measured = {found.rung.name: found.measured for found in Trainer(spec).evaluator.rungs()}
    batch = spec.task.batch(0, "eval", 0, 8)
    assert measured["constant"] == pytest.approx(np.abs(batch.targets[-1] - 1).mean(), rel=1e-6)
    assert measured["exact"] == 0


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


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "sgd", "momentum": 0.5},
        {"name": "sgd", "momentum": 0.5, "nesterov": True},
        {"name": "rmsprop", "momentum": 0.5},
        {"name": "adam"},
        {"name": "adamw"},
    ],
    ids=["sgd", "nesterov", "rmsprop", "adam", "adamw"],
)
@pytest.mark.parametrize("cell", CELLS)
def test_a_restored_trainer_goes_on_bit_for_bit(cell, optimizer):
    spec = small(
        model={"cell": cell, "layers": 2},
        truncation=4,
        update="window",
        optimizer={"lr": 0.01, **optimizer},
        schedule={"kind": "cosine", "warmup": 2},
        clip={"kind": "layer", "limit": 0.1},
        l1=1e-3,
        l2=1e-2,
        gradient_noise=0.01,
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
    trainer.change(other.spec)
    trainer.advance()
    other.advance()
    np.testing.assert_array_equal(trainer.network.parameters.flat, other.network.parameters.flat)


def test_a_step_has_the_learning_rate_of_its_schedule_and_says_so():
    spec = small(
        {"name": "adding", "length": 6},
        optimizer={"name": "sgd", "lr": 0.1},
        schedule={"kind": "exponential", "gamma": 0.5, "warmup": 2},
        clip={"kind": "none"},
        precision="float64",
    )
    trainer = Trainer(spec)
    for expected in (0.05, 0.1, 0.1, 0.05, 0.025):
        before = trainer.network.parameters.flat.copy()
        assert trainer.learning_rate == expected
        result = trainer.advance()
        assert result.lr == expected
        moved = np.linalg.norm(trainer.network.parameters.flat - before)
        assert moved == pytest.approx(expected * result.grad_norm, rel=1e-12)
    trainer.change(changed(spec, "training.optimizer.lr", 0.8))
    assert trainer.advance().lr == 0.8 * 0.5**3


def test_every_window_of_a_step_has_the_same_learning_rate():
    rates = {"optimizer": {"name": "sgd", "lr": 0.1}, "schedule": {"kind": "exponential", "gamma": 0.5}}
    trainer = Trainer(small({"name": "sine", "length": 9}, truncation=3, update="window", **rates))
    assert [trainer.advance().lr for _ in range(3)] == [0.1, 0.05, 0.025]


@pytest.mark.parametrize("clip", [{"kind": "none"}, {"kind": "norm", "limit": 0.01}], ids=["free", "clipped"])
def test_penalties_and_noise_come_after_the_norm_and_the_clipping_and_the_loss_is_of_the_data(clip):
    def trained(**training):
        spec = small(optimizer={"name": "sgd", "lr": 0.1}, clip=clip, precision="float64", seed=3, **training)
        trainer = Trainer(spec)
        before = trainer.network.parameters.flat.copy()
        before[: before.size // 2] *= -1
        trainer.network.parameters.flat[:] = before
        return before, trainer.advance(), trainer.network.parameters.flat.copy()

    theta, plain, after = trained()
    _, result, moved = trained(l1=0.25, l2=0.5, gradient_noise=2.0)
    assert result == plain
    assert result.clipped == (clip["kind"] == "norm")
    added = 0.5 * theta + 0.25 * np.sign(theta) + gradient_noise(2.0, 3, 1, theta.size)
    np.testing.assert_allclose(moved, after - 0.1 * added, rtol=1e-12, atol=1e-14)


def test_penalties_are_on_every_parameter_biases_too():
    spec = small(l2=1.0, optimizer={"name": "sgd", "lr": 0.5}, precision="float64", clip={"kind": "none"})
    trainer, plain = Trainer(spec), Trainer(small(**{**spec.training.model_dump(), "l2": 0.0}))
    bias, other = (each.network.parameters.named[0]["b"] for each in (trainer, plain))
    before = bias.copy()
    assert before.any()
    trainer.advance()
    plain.advance()
    np.testing.assert_allclose(bias, other - 0.5 * before, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weight", [1e15, 1e35])
def test_what_is_added_and_cannot_be_squared_ends_the_run(weight):
    trainer = Trainer(small(clip={"kind": "norm", "limit": 1.0}, l2=1e6))
    trainer.network.parameters.named[0]["U"][:] = weight
    trainer._gradients[0].flat[:] = 1e-3
    before = trainer.state()
    assert trainer.apply(1.0).diverged == "the square of the gradient is not finite"
    for name, value in trainer.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_clipping_by_layer_holds_each_layer_by_its_own_norm():
    spec = small(model={"layers": 2, "hidden": 3}, clip={"kind": "layer", "limit": 0.5})
    trainer = Trainer(spec)
    layers = trainer.network.parameters.named
    gradient = np.random.default_rng(0).standard_normal(trainer.network.parameters.flat.size)
    parts = layers_of(spec, gradient)
    assert [part.size for part in parts] == [sum(v.size for v in layer.values()) for layer in layers]
    parts[1] *= 1e-3
    before = [part.copy() for part in parts]
    assert clip_gradient(LayerClip(limit=0.5), gradient, float(np.linalg.norm(gradient)), parts)
    assert np.linalg.norm(parts[0]) == pytest.approx(0.5)
    np.testing.assert_allclose(parts[0], before[0] * 0.5 / np.linalg.norm(before[0]))
    np.testing.assert_array_equal(parts[1], before[1])
    assert np.linalg.norm(parts[2]) == pytest.approx(0.5)
    assert not clip_gradient(LayerClip(limit=0.6), gradient, 0.0, parts)


def test_clipping_by_layer_takes_both_directions_of_a_layer_together():
    spec = small(model={"layers": 2, "hidden": 3, "bidirectional": True})
    parts = layers_of(spec, Trainer(spec).network.parameters.flat)
    sizes = [sum(map(math.prod, shapes.values())) for shapes in spec.parameter_shapes()]
    assert [part.size for part in parts] == [sizes[0] + sizes[1], sizes[2] + sizes[3], sizes[4]]


def test_a_step_clipped_by_layer_says_so():
    results = {
        limit: Trainer(small(clip={"kind": "layer", "limit": limit})).advance() for limit in (1e-6, 1e6)
    }
    assert results[1e-6].clipped
    assert not results[1e6].clipped
    assert results[1e-6].grad_norm == results[1e6].grad_norm


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


@pytest.mark.parametrize("update", ["sequence", "window"])
@pytest.mark.parametrize("cuts", [(0, 4), (4, 0), (3, 7)])
def test_a_changed_truncation_gives_exactly_the_gradient_of_a_run_of_that_truncation(cuts, update):
    before, after = (small(truncation=cut, update=update) for cut in cuts)
    trainer, other = Trainer(before), Trainer(after)
    for _ in range(3):
        trainer.advance()
    other.restore(3, trainer.state())
    trainer.change(after)
    _, gradient = trainer.backpropagate(trainer.draw())
    _, expected = other.backpropagate(other.draw())
    assert gradient.flat.tobytes() == expected.flat.tobytes()
    assert [trainer.advance() for _ in range(2)] == [other.advance() for _ in range(2)]
    assert trainer.network.parameters.flat.tobytes() == other.network.parameters.flat.tobytes()
    for name, seen in trainer.probe.look().tensors.items():
        np.testing.assert_array_equal(seen, other.probe.look().tensors[name])


def test_all_that_can_be_changed_acts_as_in_a_run_that_began_so():
    before = small()
    after = small(optimizer={"lr": 0.3}, clip={"kind": "norm", "limit": 1e-3}, eval_sequences=11)
    trainer, other = Trainer(before, 2), Trainer(after, 2)
    trainer.change(after)
    assert trainer.advance() == other.advance()
    assert trainer.evaluate() == other.evaluate() != Trainer(before).evaluate()
    assert trainer.evaluator.rungs() == other.evaluator.rungs()


def test_who_looks_through_the_probe_while_the_truncation_changes_sees_what_was():
    trainer = Trainer(small())
    probe, weights = trainer.probe, trainer.network.parameters.flat.copy()
    seen = probe.look(weights).tensors
    trainer.change(small(truncation=2))
    trainer.advance()
    for name, value in probe.look(weights).tensors.items():
        np.testing.assert_array_equal(value, seen[name])
    assert not np.array_equal(trainer.probe.look(weights).tensors["layer0/gradient"], seen["layer0/gradient"])


def test_a_change_for_which_there_is_no_memory_changes_nothing(monkeypatch):
    def none(*arguments):
        raise MemoryError

    trainer, other = Trainer(small()), Trainer(small())
    with monkeypatch.context() as patch:
        patch.setattr("seqlab.training.trainer.Probe", none)
        with pytest.raises(MemoryError):
            trainer.change(small(truncation=2, optimizer={"lr": 0.5}))
    assert trainer.advance() == other.advance()


def test_an_optimiser_of_another_kind_begins_afresh_with_the_weights_of_the_first():
    first, second = Trainer(small()), Trainer(small(optimizer={"name": "sgd"}))
    for _ in range(3):
        first.advance()
    second.restore(3, first.state(), optimizer=False)
    fresh = Trainer(small(optimizer={"name": "sgd"}))
    fresh.network.parameters.flat[:] = first.network.parameters.flat
    fresh.step = 3
    assert second.advance() == fresh.advance()
    assert second.state().keys() == fresh.state().keys()
    for name, value in second.state().items():
        np.testing.assert_array_equal(value, fresh.state()[name])
