"""The voice says what the numbers force, exactly, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.runs.metrics import Series
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.voice import voice

Moments = Callable[[str], Moment]
CONSTANT, MARKER = 1 / 6, 1 / 12


def with_losses(moment: Moment, values: list[float]) -> Moment:
    """The moment with these eval losses at steps 100, 200, …, and no frame."""
    steps = 100 * (1 + np.arange(len(values), dtype=np.int64))
    metrics = {**moment.snapshot.metrics, "eval/loss": Series(steps, np.array(values, np.float64))}
    return replace(moment, snapshot=replace(moment.snapshot, metrics=MappingProxyType(metrics), frame=None))


def with_gradients(moment: Moment, layer: int = 0, truncation: int | None = None, **arrays: Any) -> Moment:
    """The moment without losses, with these arrays in its frame: `gradient`, `gradient_full`, `credit`."""
    frame = moment.snapshot.frame
    assert frame is not None
    tensors = {**frame.tensors, **{f"layer{layer}/{k}": np.asarray(v, np.float32) for k, v in arrays.items()}}
    metadata = dict(frame.metadata) | ({} if truncation is None else {"truncation": truncation})
    frame = replace(frame, tensors=MappingProxyType(tensors), metadata=metadata)
    return replace(moment, snapshot=replace(moment.snapshot, frame=frame, metrics=MappingProxyType({})))


def said(moment: Moment, layer: int = 0) -> str:
    return " ".join(voice(moment, layer))


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([0.30, 0.14, 0.20, 0.12, 0.10], "Below the rung “constant 1” since step 400, above “one marker”."),
        ([0.14, 0.13, 0.12], "Below the rung “constant 1” since step 100, above “one marker”."),
        ([0.30, 0.10, 0.05, 0.01], "Below the rung “one marker” since step 300."),
        ([0.30, 0.168, 0.165], "On the rung “constant 1”, within 5 %, since step 200."),
        ([0.20, 0.168, 0.30, 0.17], "On the rung “constant 1”, within 5 %, since step 400."),
        ([0.90, 0.50], "Above the rung “constant 1” since step 100."),
        ([0.10, 0.90, 0.50], "Above the rung “constant 1” since step 200."),
        ([0.10, float("nan"), 0.10], "Below the rung “constant 1” since step 300, above “one marker”."),
        ([0.10, float("nan")], ""),
        ([0.10, float("inf")], ""),
        ([], ""),
    ],
)
def test_it_says_the_rung_and_since_which_step(moment: Moments, losses: list[float], words: str) -> None:
    assert said(with_losses(moment("adding"), losses)) == words


def test_without_measured_rungs_it_says_nothing_of_them(moment: Moments) -> None:
    base = with_losses(moment("adding"), [0.1])
    assert said(replace(base, snapshot=replace(base.snapshot, rungs=()))) == ""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([0.01, 0.05, 0.10, 0.12, 0.14, 0.25, 0.6]), min_size=1, max_size=12))
def test_below_since_a_step_means_below_at_every_evaluation_since(
    moment: Moments, losses: list[float]
) -> None:
    words = said(with_losses(moment("adding"), losses))
    rungs = {"Below the rung “constant 1”": CONSTANT, "Below the rung “one marker”": MARKER}
    for start, rung in rungs.items():
        if words.startswith(start):
            found = re.search(r"since step ([\d,]*\d)", words)
            assert found
            first = int(found[1].replace(",", "")) // 100 - 1
            assert all(loss < rung for loss in losses[first:])
            assert first == 0 or losses[first - 1] >= rung
            return
    assert losses[-1] >= CONSTANT


def test_a_gradient_that_ends_at_a_wall_says_where_how_many_and_what_is_lost(moment: Moments) -> None:
    full = np.full(20, 0.1)
    full[0] = 3e-7
    run = with_gradients(moment("adding"), gradient_full=full, credit=full)
    assert said(run) == (
        "The gradient ends at the wall at 15: 15 of 20 steps get none; full BPTT would send 3e-7 to step 1."
    )


def test_what_full_bptt_would_lose_as_well_is_below_float32(moment: Moments) -> None:
    full = np.full(20, 0.1)
    full[0] = 0
    run = with_gradients(moment("adding"), gradient_full=full, credit=full)
    assert said(run).endswith("15 of 20 steps get none; full BPTT to step 1 is below float32.")


def test_the_truncation_of_the_frame_counts(moment: Moments) -> None:
    assert "the wall at 10: 10 of 20" in said(with_gradients(moment("adding"), truncation=10))


def test_where_every_window_has_a_loss_walls_cut_what_the_last_one_sends(moment: Moments) -> None:
    credit = np.full(10, 0.1)
    credit[0] = 2.5e-5
    words = said(with_gradients(moment("copy"), credit=credit))
    cut, full = words.split("; ")
    assert cut == "2 walls cut the gradient: the last loss reaches back to step 9"
    assert full == "under full BPTT it would send 2.5e-5 to step 1."


def test_what_the_last_loss_would_send_and_rounds_to_0_is_below_float32(moment: Moments) -> None:
    credit = np.full(10, 0.1)
    credit[0] = 0
    words = said(with_gradients(moment("copy"), credit=credit))
    assert words.endswith("; under full BPTT what it would send to step 1 is below float32.")


def test_steps_behind_the_last_loss_are_not_said_to_be_cut_off(moment: Moments) -> None:
    credit = np.r_[np.geomspace(1e-4, 0.5, 9), np.zeros(3)]
    words = "The last loss's credit falls from 0.5 at step 9 to 0.0001 at step 1."
    assert said(with_gradients(moment("past"), credit=credit)) == words


def test_in_both_directions_credit_is_counted_from_the_loss(moment: Moments) -> None:
    credit = np.r_[np.geomspace(1e-4, 0.5, 9), np.full(3, 0.1)]
    words = "The last loss's credit falls from 0.5 at step 9 to 0.0001 at step 1."
    assert said(with_gradients(moment("ahead"), credit=credit)) == words


def test_with_several_layers_it_says_to_which_one_it_would_be_sent(moment: Moments) -> None:
    credit = np.geomspace(1e-3, 0.5, 30)
    run = with_gradients(moment("sine"), layer=1, truncation=10, credit=credit)
    assert said(run, layer=1).endswith("; under full BPTT it would send 0.001 to step 1 of layer 2.")


@pytest.mark.parametrize(
    ("credit", "words"),
    [
        (np.geomspace(1e-9, 0.5, 20), "falls from 0.5 at step 20 to 1e-9 at step 1."),
        (np.geomspace(80, 0.5, 20), "grows from 0.5 at step 20 to 80 at step 1."),
        (np.r_[np.zeros(7), np.full(13, 0.5)], "falls from 0.5 at step 20 to below float32 before step 8."),
    ],
)
def test_without_walls_it_says_what_is_left_of_the_credit(
    moment: Moments, credit: np.ndarray[Any, Any], words: str
) -> None:
    run = with_gradients(moment("adding"), truncation=0, gradient=credit, gradient_full=credit, credit=credit)
    assert said(run) == f"The last loss's credit {words}"


def test_a_gradient_that_overflows_is_said_to(moment: Moments) -> None:
    full = np.full(20, np.inf)
    run = with_gradients(moment("adding"), gradient_full=full)
    assert said(run) == "The gradient under full BPTT is not finite: it overflows float32."


def test_a_gradient_that_is_not_a_number_is_not_said_to_overflow(moment: Moments) -> None:
    run = with_gradients(moment("adding"), gradient_full=np.full(20, np.nan))
    assert said(run) == "The gradient under full BPTT is not finite."


def not_finite(steps: slice) -> np.ndarray[Any, Any]:
    """States [20, 4] of which one unit is not finite at these steps."""
    state = np.ones((20, 4), np.float32)
    state[steps, 1] = np.nan
    return state


@pytest.mark.parametrize(
    ("steps", "full", "words"),
    [
        (slice(12, None), np.nan, "from step 13 on, so the gradient is finite at no step."),
        (slice(12, None), np.inf, "from step 13 on, so the gradient is finite at no step."),
        (slice(12, None), 1.0, "from step 13 on."),
        (slice(12, 15), np.nan, "at step 13, so the gradient is finite at no step."),
    ],
)
def test_a_state_that_is_not_finite_is_named_before_the_gradient(
    moment: Moments, steps: slice, full: float, words: str
) -> None:
    arrays = {"state/h": not_finite(steps), "gradient_full": np.full(20, full)}
    assert said(with_gradients(moment("adding"), **arrays)) == f"The state is not finite {words}"


def test_a_credit_that_is_not_finite_is_not_spoken_of(moment: Moments) -> None:
    assert said(with_gradients(moment("copy"), credit=np.full(10, np.inf))) == ""


def test_with_several_layers_it_says_whose_gradient(moment: Moments) -> None:
    credit = np.geomspace(1e-3, 0.5, 30)
    run = with_gradients(moment("sine"), layer=1, credit=credit)
    assert (
        said(run, layer=1)
        == "Layer 2's credit of the last loss falls from 0.5 at step 30 to 0.001 at step 1."
    )


def test_before_anything_is_known_it_is_silent(moment: Moments) -> None:
    base = moment("adding")
    snapshot = replace(base.snapshot, metrics=MappingProxyType({}), frame=None, probe=None, rungs=())
    assert voice(replace(base, snapshot=snapshot)) == ()
