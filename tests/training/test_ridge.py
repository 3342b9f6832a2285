"""The readout of an echo state network is the solution of the least squares problem, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest

from seqlab.spec import SpecError
from seqlab.training.network import Pass
from seqlab.training.ridge import RidgeTrainer, trainer_for
from seqlab.training.trainer import Trainer
from tests.conftest import small

SINE = {"name": "sine", "length": 12, "horizon": 3}


def esn(task=None, model=None, **training):
    return small(task or SINE, {"cell": "esn", "hidden": 10, "density": 0.5, **(model or {})}, **training)


def rows_of(trainer, steps, washout):
    """States, ones and targets of all unmasked steps of some batches, run whole."""
    spec, states, targets = trainer.spec, [], []
    for step in range(1, steps + 1):
        batch = spec.task.batch(spec.training.seed, "train", step, spec.training.batch_size)
        work = Pass(trainer.network, spec.training.batch_size, len(batch.inputs))
        work.forward(batch.inputs.astype(trainer.network.dtype))
        fitted = batch.mask > 0
        fitted[:washout] = False
        states.append(work.top()[fitted].astype(float))
        targets.append(batch.targets[fitted].astype(float))
    h = np.concatenate(states)
    return np.concatenate([h, np.ones((len(h), 1))], axis=1), np.concatenate(targets)


@pytest.mark.parametrize("truncation", [0, 5])
@pytest.mark.parametrize("washout", [0, 4])
@pytest.mark.parametrize("ridge", [1e-4, 0.1])
def test_the_readout_solves_the_normal_equations_of_all_batches(ridge, washout, truncation):
    spec = esn(model={"ridge": ridge, "washout": washout}, truncation=truncation, precision="float64")
    trainer = trainer_for(spec)
    for _ in range(3):
        trainer.advance()
    X, Y = rows_of(trainer, 3, washout)
    cost = ridge * len(X) * np.diag([1.0] * 10 + [0.0])
    expected = np.linalg.solve(X.T @ X + cost, X.T @ Y)
    V, d = trainer.network.parameters.readout
    np.testing.assert_allclose(np.concatenate([V, d[None]]), expected, rtol=1e-7, atol=1e-9)


def test_without_a_ridge_more_units_than_steps_fit_a_batch_exactly():
    spec = esn({"name": "adding", "length": 6}, {"ridge": 0.0, "hidden": 30}, precision="float64")
    trainer = trainer_for(spec)
    parts = trainer.draw()
    before = trainer.learn(parts).loss
    after, _ = trainer.backpropagate(parts)
    assert after < 1e-20 < before


def test_the_reservoir_is_not_trained_and_has_the_radius_asked_for():
    trainer = trainer_for(esn(model={"spectral_radius": 0.7}))
    W, U, b, leak = (array.copy() for array in trainer.network.parameters.layers[0])
    trainer.advance()
    for before, after in zip((W, U, b, leak), trainer.network.parameters.layers[0], strict=True):
        assert (before == after).all()
    assert np.abs(np.linalg.eigvals(U.astype(float))).max() == pytest.approx(0.7, rel=1e-5)


def test_a_reservoir_too_sparse_to_have_a_radius_still_gets_one():
    trainer = trainer_for(esn(model={"hidden": 1, "density": 1e-9, "spectral_radius": 0.5}))
    assert trainer.network.parameters.layers[0][1] == pytest.approx(0.5)


def test_a_resumed_run_is_the_one_never_stopped_and_threads_change_no_bit():
    spec = esn({**SINE, "length": 100}, {"hidden": 150}, batch_size=16)
    whole = trainer_for(spec)
    assert len(whole.passes) == 2
    whole.advance()
    state = {name: value.copy() for name, value in whole.state().items()}
    rest = whole.advance()
    again = trainer_for(spec, threads=2)
    again.restore(1, state)
    assert again.advance() == rest
    assert (again.network.parameters.flat == whole.network.parameters.flat).all()
    again.close()


def test_a_forecast_of_a_clean_sine_runs_free_below_the_rung_of_repeating():
    task = {"name": "sine", "length": 60, "horizon": 20, "sines": 1, "noise": 0.0}
    spec = esn(task, {"hidden": 60}, precision="float64", batch_size=16)
    trainer = trainer_for(spec)
    for _ in range(5):
        trainer.advance()
    repeat = next(rung for rung in spec.rungs("eval/forecast") if rung.name == "repeat")
    assert trainer.evaluate().forecast < 0.3 * repeat.value


def test_every_other_cell_is_trained_by_gradients():
    assert type(trainer_for(small())) is Trainer
    assert type(trainer_for(esn())) is RidgeTrainer


@pytest.mark.parametrize(
    ("task", "model", "training", "words"),
    [
        (
            {"name": "copy", "delay": 3},
            {},
            {},
            "fitted to values by least squares, but the loss here is cross_",
        ),
        (SINE, {}, {"update": "window", "truncation": 3}, "solves for its readout once for each batch"),
        (SINE, {"spectral_radius": 0.0}, {}, "spectral_radius: 0.0 is out of bounds: it must be above 0"),
        (SINE, {"ridge": -1.0}, {}, "ridge: -1.0 is out of bounds: it must be at least 0"),
        (SINE, {"layers": 2}, {}, "model.layers: 2"),
        (SINE, {"residual": True}, {}, "a reservoir does not"),
    ],
    ids=["classes", "window", "radius", "ridge", "layers", "residual"],
)
def test_what_cannot_be_is_refused(task, model, training, words):
    with pytest.raises(SpecError, match=words.replace(".", r"\.")):
        esn(task, model, **training)
