"""What stands upright in a line plot: walls, marks and the cursor; and the hatched stretches between walls.

A wall belongs to the picture: it is named at its foot. A mark says what was done there, at its head, and
marks that would stand on one another's toes become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from seqlab.tui.widgets.labels import LabelSpace, Spot
from seqlab.tui.widgets.plotarea import Area, Sheet
from seqlab.tui.widgets.plotdata import Mark, PlotData

NEAR = 3
"""Columns that two marks are apart at least; nearer ones become one."""

Named = tuple[int, str]
"""A column, and the label of the line that stands there."""


def paint_uprights(sheet: Sheet, data: PlotData) -> None:
    """Paint walls, marks and hatching, under the curves."""
    area = sheet.area
    walls = _walls(area, data)
    if len(walls) <= area.columns // 4:
        sheet.upright([column for column, _ in walls], sheet.glyph("┊", ":"), sheet.ink("lineplot--wall"))
    marks = [column for column, _ in merged(data.marks, area)]
    sheet.upright(marks, sheet.glyph("╎", ":"), sheet.ink("lineplot--mark"))
    for span, (first, last) in zip(data.spans, span_columns(area, data), strict=True):
        if span.hatched:
            hatching = sheet.glyph("░", "/") * (last - first + 1)
            sheet.canvas.write(area.left + first, area.rows - 1, hatching, sheet.ink("lineplot--span"))


def paint_cursor(sheet: Sheet, data: PlotData, owner: NDArray[np.int32], space: LabelSpace) -> None:
    """Paint the cursor between the curves, which keep their cells."""
    column = None if data.cursor is None else sheet.area.column(data.cursor)
    if column is not None:
        free = np.flatnonzero(owner[:, column] < 0)
        sheet.canvas.glyphs[free, sheet.area.left + column] = ord(sheet.glyph("│", "|"))
        sheet.canvas.inks[free, sheet.area.left + column] = sheet.ink("lineplot--cursor")
        space.avoid(slice(None), column)


def label_uprights(sheet: Sheet, data: PlotData, space: LabelSpace) -> None:
    """Write the words of spans, walls and marks, as far as there is room for them.

    The words of a span touch it, or else its hatching says it alone.
    """
    area = sheet.area
    rows = [area.rows - 1, max(0, area.rows - 2)]
    for span, (first, last) in zip(data.spans, span_columns(area, data), strict=True):
        if span.label and first <= last:
            spot = space.place(f" {span.label} ", rows, (first + last) / 2, touching=(first, last))
            sheet.write(spot, sheet.ink("lineplot--span"))
    walls, upwards, downwards = _walls(area, data), range(area.rows - 1, -1, -1), range(area.rows)
    if len(walls) > area.columns // 4:
        spot = space.place(f" {len(walls):,} walls ", [area.rows - 1], area.columns)
        sheet.write(spot, sheet.ink("lineplot--wall"))
    else:
        _label(sheet, space, walls, upwards, sheet.ink("lineplot--wall"))
    _label(sheet, space, merged(data.marks, area), downwards, sheet.ink("lineplot--mark-label"))


def span_columns(area: Area, data: PlotData) -> list[tuple[int, int]]:
    """First and last column of each span; last < first where it is out of sight."""
    low, high = area.x_limits
    found = []
    for span in data.spans:
        first, last = area.column(max(span.x0, low)), area.column(min(span.x1, high))
        found.append((first, last) if first is not None and last is not None else (0, -1))
    return found


def merged(marks: Iterable[Mark], area: Area) -> list[Named]:
    """Column and label of each mark in sight. Several that are near one another stand where the last does.

    If they are of one kind its label says what came of them, else how many there are.
    """
    groups: list[tuple[int, list[Mark]]] = []
    for mark in sorted(marks, key=lambda mark: mark.x):
        column = area.column(mark.x)
        if column is None:
            continue
        if groups and column - groups[-1][0] < NEAR:
            groups[-1] = column, [*groups[-1][1], mark]
        else:
            groups.append((column, [mark]))
    return [
        (column, f"{group[-1].name} {group[-1].value}".strip() if _alike(group) else f"{len(group)} changes")
        for column, group in groups
    ]


def _alike(marks: Sequence[Mark]) -> bool:
    return len({mark.name for mark in marks}) == 1


def _walls(area: Area, data: PlotData) -> list[Named]:
    """Column and label of each wall in sight."""
    placed = ((area.column(wall.x), wall.label) for wall in data.walls)
    return [(column, label) for column, label in placed if column is not None]


def _label(sheet: Sheet, space: LabelSpace, named: Sequence[Named], rows: Iterable[int], ink: int) -> None:
    """Write labels right of their lines, else left of them, in the first row that has room."""
    columns, rows = {column for column, _ in named}, list(rows)
    for column, label in named:
        right, left = (column + 1, f" {label}"), (column - len(label) - 2, f" {label} ")
        for row, (start, text) in product(rows if label else (), (right, left)):
            crosses = any(start <= other < start + len(text) for other in columns)
            if not crosses and space.take(row, start, len(text)):
                sheet.write(Spot(row, start, text), ink)
                break
