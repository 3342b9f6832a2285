"""Room for labels on a picture: clear of what is drawn if possible, and of one another always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.tui.widgets.canvas import shorten


class Spot(NamedTuple):
    """Where a label stands, and as much of it as fits the width of the picture."""

    row: int
    column: int
    text: str


class Wanted(NamedTuple):
    """A label that should stand in or near a row, its middle near column `goal`."""

    row: int
    text: str
    goal: float


class LabelSpace:
    """The cells of a picture that labels may take.

    Args:
        drawn: [rows, columns] cells with something that a label should not cover.
        remembered: where labels with a name stood, relative to the row they wanted; kept from picture to
            picture, so that they do not jump about.
    """

    def __init__(
        self, drawn: NDArray[np.bool_], remembered: dict[str, tuple[int, int]] | None = None
    ) -> None:
        self._drawn = drawn
        self._remembered = {} if remembered is None else remembered
        self._taken = np.zeros_like(drawn)

    def block(self, rows: int | slice, columns: int | slice) -> None:
        """Keep all labels out of these cells."""
        self._taken[rows, columns] = True

    def avoid(self, rows: int | slice, columns: int | slice) -> None:
        """Let labels cover these cells only if there is no other room."""
        self._drawn[rows, columns] = True

    def take(self, row: int, column: int, width: int) -> bool:
        """Take exactly these cells, if they are on the picture and clear."""
        cells = np.s_[row, column : column + width]
        inside = column >= 0 and column + width <= self._drawn.shape[1]
        if not inside or self._drawn[cells].any() or self._taken[cells].any():
            return False
        self._taken[cells] = True
        return True

    def stack(self, labels: Sequence[Wanted]) -> list[Spot]:
        """Place labels in this order, as one reads: each in a row below the one before or right of it.

        Each stands in its row or beside it if possible. Those that find no room in order become one label.
        """
        labels = list(labels)
        while labels:
            for down in (True, False):
                trial = LabelSpace(self._drawn, dict(self._remembered))
                trial._taken = self._taken.copy()
                spots = trial._stack(labels, down)
                if len(spots) == len(labels):
                    self._remembered |= trial._remembered
                    for spot in spots:
                        self.block(spot.row, slice(spot.column, spot.column + len(spot.text)))
                    return spots
            if len(labels) == 1:
                break
            # From below upwards, the first of these found no room above the second.
            second = min(len(labels) - 1, len(labels) - len(spots))
            first = labels[second - 1]
            labels[second - 1 : second + 1] = [first._replace(text=f"{first.text}, {labels[second].text}")]
        return []

    def _stack(self, labels: Sequence[Wanted], down: bool) -> list[Spot]:
        """Place labels from the first down or from the last up, as far as there is room in order."""
        spots: list[Spot] = []
        rows = range(self._drawn.shape[0])
        for row, text, goal in labels if down else reversed(labels):
            # Beside its row at the farthest; elsewhere only if it would be lost.
            near = [r for r in (row, row - 1, row + 1) if r in rows]
            far = [r for step in rows for r in (row - step, row + step) if r in rows]
            if spots:
                edge = spots[-1]
                near = [r for r in near if (r >= edge.row if down else r <= edge.row)]
                far = [r for r in far if (r >= edge.row if down else r <= edge.row)]
                self.block(edge.row, slice(0, edge.column) if down else slice(edge.column, None))
            spot = self.place(f" {text} ", near, goal, text) or self.place(f" {text} ", far, goal, text)
            if spot is None:
                break
            spots.append(spot)
        return spots if down else spots[::-1]

    def place(
        self,
        text: str,
        rows: Sequence[int],
        goal: float,
        name: str = "",
        touching: tuple[int, int] | None = None,
    ) -> Spot | None:
        """Take room for a label in the first of `rows` that has any, as near to column `goal` as can be.

        If no row is clear the label covers the drawing, never another label; None if that is impossible too.

        Args:
            text: the label; shortened to the width of the picture.
            rows: in the order of preference.
            goal: wanted column of its middle.
            name: where the label of this name stood last time it stays as long as that place is clear.
            touching: first and last column of what it speaks of; it stands there, or nowhere.
        """
        text = shorten(text, self._drawn.shape[1])
        width = len(text)
        if not rows:
            return None
        offset, start = self._remembered.get(name, (0, -1))
        if rows[0] + offset in rows and self.take(rows[0] + offset, start, width):
            return Spot(rows[0] + offset, start, text)
        for blocked in (self._drawn | self._taken, self._taken):
            for row in rows:
                before = np.concatenate([[0], np.cumsum(blocked[row])])
                clear = np.flatnonzero(before[width:] == before[: before.size - width])
                if touching is not None:
                    clear = clear[(clear <= touching[1]) & (clear + width > touching[0])]
                if clear.size:
                    start = int(clear[np.argmin(np.abs(clear + width / 2 - goal))])
                    self._taken[row, start : start + width] = True
                    if name:
                        self._remembered[name] = (row - rows[0], start)
                    return Spot(row, start, text)
        return None
