"""Windows tile the sequence, and a step has a gradient if its own window holds a loss at it or later."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqlab.spec.credit import reached, stretches, walls, windows


@given(st.integers(1, 60), st.integers(0, 80))
def test_windows_tile_the_sequence(timesteps: int, truncation: int):
    cut = windows(timesteps, truncation)
    covered = [t for window in cut for t in range(window.start, window.stop)]
    assert covered == list(range(timesteps))
    if truncation:
        assert all(window.stop - window.start == truncation for window in cut[:-1])


@given(st.integers(1, 60), st.integers(0, 80), st.sets(st.integers(0, 59)))
def test_a_step_is_reached_by_losses_at_or_after_it_in_its_own_window(timesteps, truncation, steps):
    losses = np.array(sorted(step for step in steps if step < timesteps), dtype=np.int64)
    naive = [
        any(
            window.start <= t <= loss < window.stop
            for window in windows(timesteps, truncation)
            for loss in losses
        )
        for t in range(timesteps)
    ]
    assert reached(timesteps, truncation, losses).tolist() == naive


def test_without_memory_a_loss_reaches_its_own_step_alone():
    assert np.flatnonzero(reached(9, 0, np.array([2, 3, 7]), passes="nowhere")).tolist() == [2, 3, 7]
    assert stretches(9, 0, np.array([2, 3, 7]), passes="nowhere") == [(2, 3), (7, 7)]
    assert stretches(9, 0, np.array([], np.int64), passes="nowhere") == []


def test_in_both_directions_any_loss_reaches_every_step():
    assert reached(9, 0, np.array([3]), passes="both").all()
    assert not reached(9, 0, np.array([], np.int64), passes="both").any()


def test_walls_stand_after_every_window_but_the_last():
    assert walls(100, 25).tolist() == [25, 50, 75]
    assert walls(100, 40).tolist() == [40, 80]
    assert walls(100, 0).size == walls(100, 100).size == walls(100, 500).size == 0


def test_adding_under_truncation_25_reaches_the_last_quarter():
    reach = reached(100, 25, np.array([99]))
    assert np.flatnonzero(reach).tolist() == list(range(75, 100))
