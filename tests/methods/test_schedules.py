"""Schedules are PyTorch's, in closed form: what its schedulers reach by going from step to step."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.methods import SCHEDULES
from seqlab.methods.schedules import Constant, Cosine, Exponential, Schedule, Stepwise

rates = st.floats(1e-6, 10)
each_kind = pytest.mark.parametrize("kind", SCHEDULES)


def naive(schedule: Schedule, lr: float, steps: int) -> list[float]:
    """The learning rate of each step, as PyTorch's schedulers change it after each."""
    found, rate, m = [], lr, 0
    for step in range(1, steps + 1):
        if step <= schedule.warmup:
            found.append(lr * step / schedule.warmup)
            continue
        found.append(rate)
        m += 1
        if isinstance(schedule, Stepwise) and m % schedule.every == 0:
            rate *= schedule.gamma
        if isinstance(schedule, Exponential):
            rate *= schedule.gamma
        if isinstance(schedule, Cosine):
            turn = math.cos(math.pi * m / (steps - schedule.warmup))
            rate = schedule.lr_min + (lr - schedule.lr_min) * (1 + turn) / 2
    return found


@given(
    schedule=st.one_of(
        st.builds(Constant, warmup=st.integers(0, 30)),
        st.builds(Stepwise, warmup=st.integers(0, 30), every=st.integers(1, 9), gamma=st.floats(0.1, 1)),
        st.builds(Exponential, warmup=st.integers(0, 30), gamma=st.floats(0.5, 1)),
        st.builds(Cosine, warmup=st.integers(0, 30), lr_min=st.floats(0, 1e-6)),
    ),
    lr=rates,
    steps=st.integers(1, 40),
)
def test_every_step_has_the_learning_rate_of_the_naive_schedule(schedule: Schedule, lr: float, steps: int):
    found = [schedule.rate(lr, step, steps) for step in range(1, steps + 1)]
    assert found == pytest.approx(naive(schedule, lr, steps), rel=1e-9)


def test_they_are_listed_from_the_plainest():
    assert list(SCHEDULES) == ["constant", "step", "exponential", "cosine"]


@each_kind
def test_without_a_warm_up_the_first_step_has_the_full_learning_rate(kind: str):
    assert SCHEDULES[kind]().rate(0.1, 1, 100) == 0.1


@each_kind
def test_a_warm_up_rises_in_a_straight_line_to_exactly_the_full_learning_rate(kind: str):
    schedule = SCHEDULES[kind](warmup=7)
    found = [schedule.rate(0.1, step, 100) for step in range(1, 9)]
    assert found[:7] == pytest.approx([0.1 * n / 7 for n in range(1, 8)], rel=1e-15)
    assert found[6] == found[7] == 0.1


@each_kind
def test_it_never_rises_after_the_warm_up_and_lasts_for_ever(kind: str):
    schedule = SCHEDULES[kind](warmup=3)
    found = [schedule.rate(0.1, step, 50) for step in [*range(3, 200), 10**9]]
    assert all(0 <= after <= before for before, after in itertools.pairwise(found))


def test_the_cosine_comes_down_to_its_least_when_the_last_step_is_done_and_stays_there():
    schedule = Cosine(lr_min=0.01)
    assert schedule.rate(0.1, 51, 100) == pytest.approx((0.1 + 0.01) / 2)
    assert 0.01 < schedule.rate(0.1, 100, 100) < 0.0101
    assert schedule.rate(0.1, 101, 100) == schedule.rate(0.1, 5_000, 100) == 0.01


def test_a_learning_rate_below_the_least_is_the_least():
    assert {Cosine(lr_min=0.01).rate(0.001, step, 10) for step in range(1, 20)} == {0.001}


def test_a_warm_up_that_is_longer_than_the_run_is_all_of_it():
    assert Cosine(warmup=1_000).rate(1.0, 10, 10) == 0.01
