"""A run in a line of a list: which columns have room, and what stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from seqlab.runs.listing_row import ILL, Row
from seqlab.tui.palette import MARKS, Charset, Palette
from seqlab.tui.panels.status import ago
from seqlab.tui.states import look_of
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.spark import spark

LETTERS = "ABCDEFGH"
"""What the marked runs are called; no more than these can be marked."""
NEW = 120.0
"""Seconds for which a run is simply new."""
_LEAST_SPARK, _MOST_SPARK = 8, 32
_GAP = 2
_LONG = 16

Part = tuple[str, str]
"""A text and its tone: "plain", "muted", "accent", "good", "warning", "bad", or "mark"."""


@dataclass(frozen=True)
class Column:
    """A column of the list.

    Attributes:
        name: which one.
        head: what stands above it.
        width: cells.
        right: whether its texts stand at the right.
    """

    name: str
    head: str
    width: int
    right: bool = False


_HEADS = {
    "mark": "", "state": "state", "age": "made", "task": "task", "cell": "cell", "step": "step",
    "loss": "loss", "spark": "", "name": "name",
}  # fmt: skip
_RIGHT = frozenset({"age", "step", "loss"})
_WIDEST = {"task": 16, "cell": 20, "step": 16, "name": 44}
_FIRST = ("mark", "state", "task", "cell", "loss", "age", "step", "spark", "name")
"""Which columns are kept where there is no room for all."""


def state_of(row: Row, charset: Charset = "braille") -> str:
    """A glyph and a word: `● training`."""
    return f"{look_of(row.state).glyph(charset)} {ILL.get(row.state, row.state)}"


def tone_of(row: Row) -> str:
    """The tone of a state."""
    return look_of(row.state).tone


def made_ago(row: Row, now: float) -> str:
    """How long ago it was made; `new` at first, so that a list of new runs stands still."""
    age = row.age(now)
    return "new" if age < NEW else ago(age)


def cell_of(row: Row) -> str:
    """`lstm 32`, or "" while it is not known."""
    if row.told is None:
        return ""
    return row.told.cell if row.told.hidden is None else f"{row.told.cell} {row.told.hidden:,}"


def steps_of(row: Row) -> str:
    """`1,240 of 4,000`; its steps alone where all are made, or where both would be long."""
    if row.status is None:
        return ""
    both = f"{row.step:,} of {row.steps:,}"
    return f"{row.step:,}" if row.step == row.steps or len(both) > _LONG else both


def loss_of(row: Row) -> str:
    """The latest loss, or "" before there is one."""
    return "" if row.loss is None else number(row.loss)


def figures_of(row: Row, now: float) -> list[str]:
    """What is known of a run, in a few words each; of a folder that is ill, what is wrong."""
    if row.ill:
        return [row.message]
    words = [f"{state_of(row)} at step {row.step:,} of {row.steps:,}"]
    if loss := loss_of(row):
        words.append(f"loss {loss}")
    if row.best is not None:
        words.append(f"best {number(row.best)}")
    made = made_ago(row, now)
    words.append("made just now" if made == "new" else f"made {made} ago")
    if row.state == "lost" and math.isfinite(row.silence(now)):
        words.append(f"no sign of the worker for {ago(row.silence(now))}")
    return [*words, row.message] if row.message else words


def columns_for(rows: Sequence[Row], width: int, now: float) -> tuple[Column, ...]:
    """The columns that fit into `width` cells, each as wide as its widest text, in the order of the line."""
    widths = {name: _width(name, rows, now) for name in _FIRST}
    kept: list[str] = []
    used = -_GAP
    for name in _FIRST:
        if used + _GAP + widths[name] <= width:
            kept.append(name)
            used += _GAP + widths[name]
    if "spark" in kept:
        widths["spark"] = min(_MOST_SPARK, widths["spark"] + width - used)
    return tuple(Column(name, _HEADS[name], widths[name], name in _RIGHT) for name in _HEADS if name in kept)


def heading(columns: Sequence[Column]) -> str:
    """The line above the list."""
    return (" " * _GAP).join(_fit(column.head, column) for column in columns)


def parts_of(
    row: Row, columns: Sequence[Column], now: float, mark: str, charset: Charset = "braille"
) -> tuple[Part, ...]:
    """What stands in the line of a run, gaps included.

    Args:
        row: the run.
        columns: see `columns_for`.
        now: Unix time.
        mark: see `mark_text`; "" if it is not marked.
        charset: what the terminal can show.
    """
    parts: list[Part] = []
    for column in columns:
        if parts:
            parts.append((" " * _GAP, "plain"))
        if column.name == "mark":
            parts.append((_fit(mark, column), "mark"))
        elif column.name == "state":
            parts.append((_fit(state_of(row, charset), column), tone_of(row)))
        elif column.name == "spark":
            parts.append((_fit(_spark(row.curve, column.width, charset), column), "accent"))
        else:
            tone = "muted" if column.name in _MUTED else "plain"
            parts.append((_fit(_TEXTS[column.name](row, now), column), tone))
    return tuple(parts)


_TEXTS: Mapping[str, Callable[[Row, float], str]] = {
    "age": made_ago,
    "task": lambda row, now: row.told.task if row.told else "",
    "cell": lambda row, now: cell_of(row),
    "step": lambda row, now: steps_of(row),
    "loss": lambda row, now: loss_of(row),
    "name": lambda row, now: row.name,
}
_MUTED = frozenset({"age", "name"})


def mark_text(palette: Palette, place: int) -> str:
    """The letter of the marked run number `place`, and its mark: `A●`. No two have the same hue and mark."""
    return LETTERS[place] + palette.mark(place + place // len(MARKS))


def mark_style(palette: Palette, place: int) -> Style:
    """The style of that: a hue for each of eight runs, taken round where there are more."""
    return palette.line(place, "bold")


def _width(name: str, rows: Sequence[Row], now: float) -> int:
    if name == "mark":
        return 2
    if name == "spark":
        return _LEAST_SPARK
    if name == "state":
        texts = {state_of(row) for row in rows}
    elif name == "loss":
        texts = {"-1.234e-5"}  # losses come and go: the columns stay where they are
    else:
        texts = {_TEXTS[name](row, now) for row in rows}
    widest = max(map(cell_len, texts), default=0)
    return max(len(_HEADS[name]), min(widest, _WIDEST.get(name, widest)))


def _fit(text: str, column: Column) -> str:
    """The text in as many cells as the column has."""
    if cell_len(text) > column.width:
        return set_cell_size(text, max(0, column.width - 1)) + "…"[: column.width]
    gap = " " * (column.width - cell_len(text))
    return gap + text if column.right else text + gap


@lru_cache(maxsize=512)
def _spark(curve: tuple[float, ...], width: int, charset: Charset) -> str:
    positive = all(value > 0 for value in curve if math.isfinite(value))
    return spark(curve, min(width, max(len(curve), 1)), log=positive, charset=charset) if curve else ""
