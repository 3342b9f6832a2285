"""A run in a line: what stands in it, and what gives way where there is little room."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.runs.layout import STATES
from seqlab.runs.listing_files import Told
from seqlab.runs.listing_row import ILL, Row
from seqlab.runs.status import Status
from seqlab.tui.palette import Palette
from seqlab.tui.widgets.run_rows import (
    LETTERS,
    cell_of,
    columns_for,
    figures_of,
    heading,
    loss_of,
    made_ago,
    mark_style,
    mark_text,
    parts_of,
    state_of,
    steps_of,
    tone_of,
)

NOW = 1_000_000.0
TOLD = Told("adding", "lstm", 32, "LSTM learns the adding problem")


def row(state: str = "training", **more: object) -> Row:
    metrics = {"train/loss": 0.2, "eval/loss": 0.01234567}
    status = Status("training", 1240, 4000, metrics, {"step": 1200, "eval/loss": 0.0119}, heartbeat=NOW - 5)
    told, curve = TOLD, (3.0, 2.0, 1.0)
    fields = {"status": status, "told": told, "curve": curve, "made": NOW - 600, **more}
    return Row(Path("/runs/a"), str(fields.pop("name", "a")), state, **fields)  # type: ignore[arg-type]


def line(row: Row, width: int, mark: str = "") -> str:
    return "".join(text for text, _ in parts_of(row, columns_for([row], width, NOW), NOW, mark))


def test_a_wide_line_says_everything() -> None:
    shown = line(row(), 120, "A●")
    for words in ("A●", "● training", "10 min", "adding", "lstm 32", "1,240 of 4,000", "0.01235", "█", " a"):
        assert words in shown


def test_the_small_curve_is_logarithmic_where_all_of_it_is_positive() -> None:
    falling = tuple(10.0**-power for power in range(8))
    assert "█▇▆▅▄▃▂▁" in line(row(curve=falling), 84)
    assert "█▁▁▁▁▁▁▁" in line(row(curve=(*falling[:-1], 0.0)), 84)


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (0, ""),
        (16, "mark state"),
        (36, "mark state task cell"),
        (54, "mark state age task cell loss"),
        (74, "mark state age task cell step loss"),
        (84, "mark state age task cell step loss spark"),
        (140, "mark state age task cell step loss spark name"),
    ],
)
def test_what_matters_least_gives_way_first(width: int, kept: str) -> None:
    assert [column.name for column in columns_for([row(name="a" * 40)], width, NOW)] == kept.split()


def test_the_heads_stand_above_their_columns() -> None:
    columns = columns_for([row()], 100, NOW)
    shown = line(row(), 100)
    head = heading(columns)
    assert cell_len(head) == cell_len(shown)
    assert head.index("task") == shown.index("adding")
    assert head.index("loss") + 4 == shown.index("0.01235") + 7


@given(
    width=st.integers(0, 200),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=60),
    told=st.one_of(
        st.none(), st.builds(Told, st.text(max_size=30), st.text(max_size=30), st.none(), st.just(""))
    ),
    state=st.sampled_from([*sorted(STATES), "lost", *ILL]),
    step=st.integers(0, 10**12),
)
def test_no_line_is_wider_than_the_list(
    width: int, name: str, told: Told | None, state: str, step: int
) -> None:
    each = row(state, name=name, told=told, status=Status("training", step, 10**12))
    other = row()
    columns = columns_for([each, other], width, NOW)
    shown = ["".join(text for text, _ in parts_of(one, columns, NOW, "H◆")) for one in (each, other)]
    assert cell_len(shown[0]) == cell_len(shown[1]) == cell_len(heading(columns))
    assert cell_len(shown[0]) <= width


def test_letters_that_take_two_cells_are_given_two() -> None:
    shown = line(row(told=Told("長い" * 10, "lstm", 4, "")), 100)
    assert "  長い長い長い長 …  lstm 4  " in shown
    assert cell_len(shown) == 100


def test_every_state_has_a_glyph_and_a_word_of_its_own() -> None:
    for charset in ("braille", "ascii"):
        states = [state_of(row(state), charset) for state in [*STATES, "lost", *ILL]]  # type: ignore[arg-type]
        assert len(set(states)) == len(states)
        assert all(word.split(" ", 1)[1] for word in states)
        if charset == "ascii":
            assert all(word.isascii() for word in states)
    assert state_of(row("newer")) == "! newer format"
    assert (tone_of(row("finished")), tone_of(row("newer")), tone_of(row())) == ("good", "bad", "accent")


def test_what_is_not_known_is_left_blank() -> None:
    ill = row("damaged", status=None, told=None, curve=(), message="status.json cannot be read")
    assert (cell_of(ill), steps_of(ill), loss_of(ill)) == ("", "", "")
    assert figures_of(ill, NOW) == ["status.json cannot be read"]
    assert cell_of(row(told=Told("adding", "lstm", None, ""))) == "lstm"


@pytest.mark.parametrize(
    ("age", "words"), [(-5, "new"), (119, "new"), (121, "2 min"), (7200, "2 h"), (200_000, "2 days")]
)
def test_the_age_of_a_new_run_does_not_tick(age: float, words: str) -> None:
    assert made_ago(row(made=NOW - age), NOW) == words


@pytest.mark.parametrize(
    ("step", "steps", "words"),
    [(0, 40, "0 of 40"), (40, 40, "40"), (12_345_678, 100_000_000, "12,345,678")],
)
def test_steps_are_short(step: int, steps: int, words: str) -> None:
    assert steps_of(row(status=Status("training", step, steps))) == words


def test_figures_say_best_and_the_last_sign_of_a_lost_worker() -> None:
    lost = row("lost", message="out of memory")
    said = " · ".join(figures_of(lost, NOW))
    assert said == (
        "? lost at step 1,240 of 4,000 · loss 0.01235 · best 0.0119 · made 10 min ago · "
        "no sign of the worker for 5 s · out of memory"
    )


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "mono"])
def test_no_two_marked_runs_look_alike(depth: str) -> None:
    palette = Palette(depth=depth)  # type: ignore[arg-type]
    looks = {(mark_text(palette, place)[1:], mark_style(palette, place)) for place in range(len(LETTERS))}
    assert len(looks) == (len(LETTERS) if depth != "mono" else 5)
    assert len({mark_text(palette, place) for place in range(len(LETTERS))}) == len(LETTERS)
