from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.tui.palette import Palette
from seqlab.tui.widgets.stretch import Line, StretchBar, describe, reach, stretch
from tests.tui.harness import lines, shown, style_at


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line)


def naive_reached(length: int, truncation: int, losses: list[int]) -> set[int]:
    """Walk back from each loss until a wall."""
    window = truncation or length
    found = set()
    for loss in losses:
        step = loss
        found.add(step)
        while step > 1 and (step - 1) % window != 0:
            step -= 1
            found.add(step)
    return found


@given(st.integers(1, 80), st.integers(0, 90), st.sets(st.integers(1, 80), max_size=12))
def test_reach_is_what_walking_back_to_the_wall_finds(length: int, truncation: int, losses: set[int]) -> None:
    inside = sorted(step for step in losses if step <= length)
    reached = reach(length, truncation, sorted(losses))
    found = {step for first, last in reached.stretches for step in range(first, last + 1)}
    assert found == naive_reached(length, truncation, inside)
    assert reached.losses.tolist() == inside


BACK = "credit ends at the wall before each, at most"


@pytest.mark.parametrize(
    ("length", "truncation", "losses", "words"),
    [
        (100, 25, [100], "loss at 100 · its credit ends at step 76"),
        (100, 0, [100], "loss at 100 · its credit reaches step 1"),
        (100, 100, [100], "loss at 100 · its credit reaches step 1"),
        (100, 25, [], "no loss on this sequence"),
        (1, 0, [1], "loss at 1 · its credit reaches step 1"),
        (30, 20, range(21, 31), "loss at 21–30 · their credit ends at step 21"),
        (30, 7, range(1, 31), f"loss at every step · {BACK} 6 steps back"),
        (30, 2, range(1, 31), f"loss at every step · {BACK} 1 step back"),
        (30, 10, [5, 15, 25], f"loss at 3 steps from 5 to 25 · {BACK} 4 steps back"),
        (20_000, 0, [20_000], "loss at 20,000 · its credit reaches step 1"),
    ],
)  # fmt: skip
def test_the_reach_in_words(length: int, truncation: int, losses: list[int], words: str) -> None:
    assert describe(reach(length, truncation, losses)) == words


def test_without_memory_credit_reaches_no_other_step() -> None:
    words = "loss at 10 · no memory: its credit reaches no other step"
    assert describe(reach(10, 0, [10], passes="nowhere")) == words
    bar, *_ = stretch(10, 0, [10], 10, passes="nowhere")
    assert [part for _, part in bar] == ["track", "loss"]


def test_in_both_directions_credit_reaches_every_step() -> None:
    words = "loss at 1–27 · their credit reaches every step"
    assert describe(reach(30, 0, range(1, 28), passes="both")) == words
    bar, *_ = stretch(30, 0, range(1, 28), 30, passes="both")
    assert [part for _, part in bar] == ["reach"]
    bar, *_ = stretch(30, 0, range(1, 28), 30)
    assert [part for _, part in bar] == ["reach", "track"]
    assert describe(reach(30, 0, [], passes="both")) == "no loss on this sequence"


def test_the_picture_shows_walls_loss_and_reach() -> None:
    bar, ticks, words = stretch(100, 25, [100], 53)
    assert text(bar) == "├────────────┼────────────┼────────────┼━━━━━━━━━━━━●"
    assert [part for _, part in bar] == ["track", "reach", "loss"]
    assert text(ticks) == "1           25           50           75          100"
    assert text(words) == "loss at 100 · its credit ends at step 76"


def test_full_backpropagation_reaches_everything() -> None:
    bar, ticks, _ = stretch(100, 0, [100], 53)
    assert text(bar) == "━" * 52 + "●"
    assert text(ticks).split() == ["1", "50", "100"]


def test_walls_denser_than_columns_are_counted_instead_of_drawn() -> None:
    picture = stretch(1_000, 2, [1_000], 60)
    assert "┼" not in text(picture[0])
    assert "╌" in text(picture[0])
    assert "499 walls" in " ".join(text(line) for line in picture[2:])


def test_losses_at_every_step_leave_the_reach_in_sight() -> None:
    bar = text(stretch(100, 25, range(1, 101), 53)[0])
    assert "●" not in bar
    assert bar.count("┼") == 3
    assert bar.count("━") == 50


def test_words_that_do_not_fit_go_on_below() -> None:
    picture = stretch(100, 25, [100], 28)
    assert [text(line) for line in picture[2:]] == ["loss at 100", "its credit ends at step 76"]


def test_ascii_is_ascii() -> None:
    bar, ticks, _ = stretch(100, 25, [100], 40, "ascii")
    assert (text(bar) + text(ticks)).isascii()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3_000),
    st.integers(0, 3_100),
    st.lists(st.integers(-5, 3_100), max_size=20),
    st.integers(1, 120),
)
def test_the_picture_always_fits_and_marks_every_loss(
    length: int, truncation: int, losses: list[int], width: int
) -> None:
    picture = stretch(length, truncation, losses, width)
    assert all(len(text(line)) <= width for line in picture)
    assert len(text(picture[0])) == width
    inside = {step for step in losses if 1 <= step <= length}
    parts = {part for _, part in picture[0]}
    assert ("loss" in parts or "reach" in parts) == bool(inside)


def test_a_hundred_thousand_losses_are_no_burden() -> None:
    assert stretch(100_000, 1, np.arange(1, 100_001), 60)


def test_no_room_no_picture() -> None:
    assert stretch(100, 25, [100], 0) == ()
    assert stretch(0, 0, [], 10) == ()


async def test_the_bar_is_drawn_anew_as_the_number_is_typed() -> None:
    bar = StretchBar(palette=Palette())
    async with shown(bar, 53, 8) as pilot:
        for truncation, words in ((2, "step 99"), (25, "step 76"), (0, "step 1")):
            bar.show(100, truncation, [100])
            await pilot.pause()
            assert words in " ".join(lines(bar))
        assert style_at(bar, 10, 0).color == Palette().accent.color
        await pilot.resize_terminal(20, 8)
        await pilot.pause()
        assert bar.size.height == len(stretch(100, 0, [100], 20)) == 4
        await pilot.resize_terminal(1, 1)
        await pilot.pause()
