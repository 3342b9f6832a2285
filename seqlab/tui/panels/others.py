"""Runs that lie over the one that is shown: their letters and names, and the legend that says which is which.

The run that is shown is A. Each of the others has a letter of its own, on its curves and in the legend, and a
hue besides: nothing depends on telling colours apart. A name is what the run has that A has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from textual.content import Content

from seqlab.runs.compare import Difference
from seqlab.runs.harmless import harmless
from seqlab.spec.schema import Spec
from seqlab.spec.steerable import STEERABLE, TRUNCATION
from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import Line, tinted
from seqlab.tui.widgets.lineplot import Series
from seqlab.tui.widgets.run_rows import LETTERS
from seqlab.tui.wording import label_of, shown

MOST = len(LETTERS)
"""Runs that can lie over one another."""
_MOST_WORDS = 3
"""Differences that a name tells; it says how many more there are."""
_SEPARATOR = " · "
_LEAST_ROWS = 6
"""Rows of a panel for each line of its legend."""
_MOST_LINES = 3
_IN_EVERY_NAME = frozenset(
    {"task.name", "model.cell", "model.hidden", "model.bidirectional", "fork.run", "fork.step"}
)
_BESIDE_THE_POINT = frozenset(f"training.{what}_every" for what in ("log", "eval", "frame", "checkpoint"))


def letter(place: int) -> str:
    """What run number `place` is called."""
    return LETTERS[place]


def lettered(curves: Sequence[Series], place: int) -> list[Series]:
    """The curves of run number `place` in its hue, with its letter on them, at their end at any rate."""
    found = [replace(curve, hue=place, mark=letter(place)) for curve in curves]
    for curve in reversed(found):
        x, y = np.asarray(curve.x), np.asarray(curve.y)
        drawn = np.flatnonzero(np.isfinite(y) & (y > 0))
        if drawn.size:
            return [*found, replace(curve, x=x[drawn[-1:]], y=y[drawn[-1:]], label="")]
    return found


# Names


def names_of(specs: Sequence[Spec], differing: Sequence[Difference]) -> tuple[str, ...]:
    """What to call these runs: `lstm 32`, `gru 32`, `lr 0.01 seed 3`.

    The first is called by its cell, every other by what it has that the first has not.

    Args:
        specs: of the runs.
        differing: the fields in which they differ, in the order in which they are told.
    """
    first, names = specs[0], []
    for place, spec in enumerate(specs):
        words = [] if spec.task.name == first.task.name else [spec.task.name]
        words += [_cell_of(spec)] if place == 0 or _cell_of(spec) != _cell_of(first) else []
        words += [f"fork at {spec.fork.step:,}"] if spec.fork is not None else []
        told = [_told(each.field, each.values[place]) for each in differing if _counts(each, place)]
        more = [f"+{len(told) - _MOST_WORDS}"] if len(told) > _MOST_WORDS else []
        names.append(" ".join([*words, *told[:_MOST_WORDS], *more] or [_cell_of(spec)]))
    return tuple(map(harmless, names))


def not_comparable(spec: Spec, other: Spec) -> str:
    """What makes the loss of another run one that cannot be drawn beside this one's; "" if it can."""
    if other.loss_name != spec.loss_name:
        return other.loss.label
    return "" if other.task.name == spec.task.name else other.task.name


def _cell_of(spec: Spec) -> str:
    return f"{'bi' * spec.model.bidirectional}{spec.model.cell} {spec.model.hidden:,}"


def _counts(difference: Difference, place: int) -> bool:
    """Whether it is told of a run: fields that only some have follow from others that are told."""
    first, value = difference.values[0], difference.values[place]
    told = difference.field in _IN_EVERY_NAME or difference.field in _BESIDE_THE_POINT
    return not told and first is not None and value is not None and value != first


def _told(field: str, value: Any) -> str:
    """`lr 0.01`, `full BPTT`, `sgd`, `clip none`, `no attention`, `seed 3`."""
    *_, table, last = field.split(".")
    known = STEERABLE.get(field)
    name = label_of(last) if known is None else known.short
    if field == TRUNCATION.field and not value:
        return "full BPTT"
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if last == "name":
        return str(value)
    return f"{label_of(table) if last == 'kind' else name} {shown(value) or 'default'}"


# The legend


class Entry(NamedTuple):
    """A run in the legend.

    Attributes:
        place: its number.
        name: what stands behind its letter; shortened where there is no room.
        more: what stands behind that at any rate.
        drawn: whether it has a curve.
    """

    place: int
    name: str
    more: str = ""
    drawn: bool = True

    def text(self, cells: int) -> str:
        """Letter, name in at most so many cells, and the rest."""
        name = self.name if len(self.name) <= cells else self.name[: max(0, cells - 1)] + "…" * (cells > 0)
        return f"{letter(self.place)}{name}{self.more}"


class Legend(Line):
    """Which run is which: a line under a plot, or two or three where there is room for them.

    Out of sight while there is one run alone.
    """

    DEFAULT_CSS = """
    Legend { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._height = 0

    def tell(self, entries: Sequence[Entry], palette: Palette, width: int, height: int) -> None:
        """Show these in a panel of so many cells and rows."""
        lines = legend_lines(entries, width, min(_MOST_LINES, max(1, height // _LEAST_ROWS)))
        looks = {entry.place: entry.drawn for entry in entries}
        rows = []
        for line in lines:
            parts = [
                tinted(text, palette.line(place, "plain" if place else "bold"))
                if looks[place]
                else Content.styled(text, "$muted")
                for place, text in line
            ]
            rows.append(Content(_SEPARATOR).join(parts))
        if len(lines) != self._height:
            self._height = self.styles.height = len(lines)
            self.display = bool(lines)
        self.show(Content("\n").join(rows))


def legend_lines(entries: Sequence[Entry], width: int, most: int) -> list[list[tuple[int, str]]]:
    """Place and text of the entries in lines of `width` cells, at most `most` of them.

    Names are cut as far as they must be, all at the same length; if that is not enough letters stand alone.
    """
    for cells in range(max((len(entry.name) for entry in entries), default=0), -1, -1):
        lines = _filled([(entry.place, entry.text(cells)) for entry in entries], width)
        if len(lines) <= most and all(_cells(line) <= width for line in lines):
            return lines
    return _filled([(entry.place, letter(entry.place)) for entry in entries], width)[:most]


def _cells(line: Sequence[tuple[int, str]]) -> int:
    return len(_SEPARATOR.join(text for _, text in line))


def _filled(texts: Sequence[tuple[int, str]], width: int) -> list[list[tuple[int, str]]]:
    lines: list[list[tuple[int, str]]] = []
    used = width
    for place, text in texts:
        wanted = len(_SEPARATOR) + len(text)
        if not lines or used + wanted > width:
            lines.append([])
            used = -len(_SEPARATOR)
        lines[-1].append((place, text))
        used += wanted
    return lines
