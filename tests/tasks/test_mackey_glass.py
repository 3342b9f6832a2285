"""The series solves its delay equation, and its rungs are what simulation finds."""

from __future__ import annotations

import numpy as np
import pytest

from seqlab.methods import LOSSES
from seqlab.tasks.mackey_glass import SUBSTEPS, MackeyGlass, delays, measured, series

TAU = 17


def solution(
    substeps, steps, history=lambda t: 0.9 + 0.3 * np.sin(t / 8), rise=lambda t: 0.3 / 8 * np.cos(t / 8)
):
    """x at whole steps 1..steps, from a smooth history."""
    t = np.arange(-TAU * substeps, 1)[:, None] / substeps
    parts = []
    for x, _ in delays(history(t), rise(t), TAU):
        parts.append(x[substeps::substeps, 0])
        if len(parts) * TAU >= steps:
            return np.concatenate(parts)[:steps]


def by_small_steps(substeps, steps):
    """The same by Euler's method, a step at a time, straight from the equation; improved by Richardson."""

    def euler(n):
        lag = TAU * n
        x = list(0.9 + 0.3 * np.sin(np.arange(-lag, 1) / n / 8))
        for _ in range(steps * n):
            late = x[-1 - lag]
            x.append(x[-1] + (0.2 * late / (1 + late**10) - 0.1 * x[-1]) / n)
        return np.array(x[lag + n :: n])

    return 2 * euler(2 * substeps) - euler(substeps)


def test_the_method_of_delays_solves_the_equation():
    np.testing.assert_allclose(solution(SUBSTEPS, 60), by_small_steps(200, 60), atol=2e-5)


def test_sampled_values_are_those_of_steps_ten_times_finer():
    error = np.abs(solution(SUBSTEPS, 200) - solution(10 * SUBSTEPS, 200))
    assert 0 < error[:100].max() < 1e-6


def test_half_the_step_makes_a_sixteenth_of_the_error():
    fine = solution(64, 40)
    coarse, half = (np.abs(solution(n, 40) - fine).max() for n in (2, 4))
    assert coarse / half == pytest.approx(16, rel=0.25)


def test_a_step_is_that_of_runge_kutta():
    """A delay of one step: the classical scheme by hand, with the delayed value from Hermite's cubic."""
    x, slope, h = np.array([[0.7], [0.9]]), np.array([[0.3], [0.1]]), 0.5

    def fed(value):
        return 0.2 * value / (1 + value**10)

    late = [0.7, (0.7 + 0.9) / 2 + h / 8 * (0.3 - 0.1), 0.9]
    k1 = fed(late[0]) - 0.1 * 0.9
    k2 = fed(late[1]) - 0.1 * (0.9 + h / 2 * k1)
    k3 = fed(late[1]) - 0.1 * (0.9 + h / 2 * k2)
    k4 = fed(late[2]) - 0.1 * (0.9 + h * k3)
    after, rise = next(delays(x, slope, h))
    np.testing.assert_allclose(after[:, 0], [0.9, 0.9 + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)], rtol=1e-14)
    np.testing.assert_allclose(rise, fed(x) - 0.1 * after, rtol=1e-14)


@pytest.mark.parametrize("tau", [5, 17, 100])
def test_values_are_squashed_and_every_sequence_is_another(tau):
    drawn = series(np.random.default_rng(0), 40, 300, tau)
    assert drawn.shape == (300, 40)
    assert np.abs(drawn).max() < 1
    assert (drawn.std(axis=0) > 0.01).all()
    assert len({column.tobytes() for column in drawn.T}) == 40


def test_a_sequence_does_not_depend_on_how_many_are_drawn_beside_it():
    """A batch of 3 and a batch of 3 · 1: the numbers drawn are the same."""
    task = MackeyGlass(length=20)
    many = task.draw(np.random.default_rng(3), 3, 2, 0)
    one = task.draw(np.random.default_rng(3), 1, 6, 0)[0]
    np.testing.assert_array_equal(np.concatenate([batch.inputs for batch in many], axis=1), one.inputs)


def test_targets_are_the_next_inputs_and_the_future_goes_on_from_them():
    batch = MackeyGlass(length=30, horizon=50).batch(0, "eval", 1, 5)
    np.testing.assert_array_equal(batch.targets[:-1], batch.inputs[1:])
    assert batch.future is not None
    whole = np.concatenate([batch.inputs[:1], batch.targets, batch.future])[:, :, 0]
    assert whole.shape == (81, 5)
    assert np.abs(np.diff(whole, axis=0)).max() < 0.15


def test_sequences_start_on_the_attractor_and_out_of_step():
    """Over all sequences, each step has the variance of a long series."""
    drawn = series(np.random.default_rng(0), 4_000, 100, TAU)
    assert drawn.var() == pytest.approx(0.0467, rel=0.01)
    np.testing.assert_allclose(drawn.var(axis=1), 0.0467, rtol=0.07)


@pytest.mark.parametrize(
    "task",
    [
        MackeyGlass(),
        MackeyGlass(length=50, horizon=5),
        MackeyGlass(length=20, tau=30),
        MackeyGlass(horizon=0),
    ],
    ids=str,
)
def test_rungs_are_what_simulation_finds(task):
    batch = task.batch(0, "eval", 0, 300_000 // task.length)
    guesses = task.guesses(batch)
    assert set(guesses) == {(rung.metric, rung.name) for rung in task.rungs()}
    for rung in task.rungs():
        guess = guesses[rung.metric, rung.name]
        free = rung.metric == "eval/forecast"
        targets = batch.future if free else batch.targets
        assert LOSSES["mse"].value(guess, targets, np.ones(guess.shape[:2])) == pytest.approx(
            rung.value, rel=0.03
        )


def test_rungs_are_measured_within_a_hundredth_of_a_series_ten_times_as_long():
    found = measured(TAU, 84)
    values = series(np.random.default_rng(5), 300, 10_000, TAU)
    assert found.mean == pytest.approx(values.mean(), abs=0.01)
    assert found.variance == pytest.approx(values.var(), rel=0.01)
    lags = range(2, 86)
    correlated = np.mean([np.mean((values[d:] - values[:-d]) ** 2) for d in lags])
    assert found.free == pytest.approx(correlated, rel=0.02)
    assert found.repeat == pytest.approx(np.mean(np.diff(values, axis=0) ** 2), rel=0.02)
    assert found.line == pytest.approx(np.mean(np.diff(values, 2, axis=0) ** 2), rel=0.02)


def test_the_rungs_of_each_metric_stand_highest_first():
    for task in (MackeyGlass(), MackeyGlass(horizon=2)):
        for metric in ("eval/loss", "eval/forecast"):
            values = [rung.value for rung in task.rungs() if rung.metric == metric]
            assert values == sorted(values, reverse=True)
