"""A rival's spec follows from the run's, is small enough for an instant, or is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.spec import load_spec, presets
from seqlab.spec.rival import UNITS, has_rival, rival_of
from tests.conftest import small

SINE = {"name": "sine", "length": 20, "horizon": 5}


def test_it_is_a_reservoir_on_the_runs_own_task_data_and_split():
    spec = small(SINE, steps=50_000, seed=7, batch_size=16, precision="float64", eval_sequences=33)
    rival = rival_of(spec)
    assert (rival.model.cell, rival.model.hidden) == ("esn", 200)
    assert rival.task == spec.task
    for name in ("seed", "batch_size", "precision", "eval_sequences"):
        assert getattr(rival.training, name) == getattr(spec.training, name)
    assert load_spec(rival.model_dump(mode="json", exclude_none=True)) == rival


@pytest.mark.parametrize(
    ("task", "training", "steps"),
    [
        (SINE, {"steps": 50_000, "batch_size": 32}, 47),
        (SINE, {"steps": 3, "batch_size": 32}, 3),
        ({"length": 100}, {"steps": 50_000, "batch_size": 64}, 31),
        (SINE, {"steps": 50_000, "batch_size": 4}, 50),
        ({"length": 10_000}, {"steps": 50_000, "batch_size": 32}, 1),
    ],
    ids=["rows", "the run is shorter", "timesteps", "batches", "one batch is more"],
)
def test_it_is_fitted_to_the_first_batches_until_they_are_enough(task, training, steps):
    assert rival_of(small(task, **training)).training.steps == steps


def test_long_tasks_get_a_smaller_reservoir_and_at_last_none():
    found = []
    for count in (10, 1_000, 10_000, 100_000):
        spec = small({"name": "generate", "length": 1_000}, eval_sequences=count)
        found.append(rival_of(spec).model.hidden if has_rival(spec) else None)
    assert found == [200, 100, 50, None]
    words = "batches of 4 and an eval split of 100,000 sequences, 1,000 steps each, are too much for a rival"
    with pytest.raises(ValueError, match=words):
        rival_of(spec)


@pytest.mark.parametrize(
    ("task", "model", "training", "why"),
    [
        ({"name": "copy", "delay": 3}, {}, {}, "but the loss here is cross_entropy"),
        (SINE, {}, {"loss": "mae"}, "but the loss here is mae"),
        (SINE, {"cell": "esn"}, {}, "the readout of esn is fitted at once itself"),
    ],
    ids=["classes", "mae", "esn"],
)
def test_where_there_is_none_it_says_why(task, model, training, why):
    spec = small(task, model, **training)
    assert not has_rival(spec)
    with pytest.raises(ValueError, match=why):
        rival_of(spec)


def test_every_preset_of_values_under_mse_has_one():
    for name in presets():
        spec = load_spec(name)
        assert has_rival(spec) == (spec.loss_name == "mse" and not spec.model.closed_form), name


@given(
    st.integers(1, 100_000),
    st.integers(1, 65_536),
    st.integers(2, 100_000),
    st.integers(1, 1_000_000),
    st.sampled_from(["generate", "adding", "sine"]),
)
def test_whatever_the_run_a_rival_is_small(steps, batch, length, split, task):
    spec = small(
        {"name": task, "length": length}, steps=steps, batch_size=batch, eval_sequences=split, eval_every=1
    )
    if not has_rival(spec):
        return
    rival = rival_of(spec)
    assert rival.training.steps <= steps
    assert rival.model.hidden in UNITS
    timesteps = (rival.training.steps * batch + split) * length
    assert timesteps * rival.model.hidden**2 <= 4e10
