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

    def take(self, row: int, column: int, width: int) -> bool:
        """Take exactly these cells, if they are on the picture and clear."""
        cells = np.s_[row, column : column + width]
        inside = column >= 0 and column + width <= self._drawn.shape[1]
        if not inside or self._drawn[cells].any() or self._taken[cells].any():
            return False
        self._taken[cells] = True
        return True

    def place(self, text: str, rows: Sequence[int], goal: float, name: str = "") -> Spot | None:
        """Take room for a label in the first of `rows` that has any, as near to column `goal` as can be.

        If no row is clear the label covers the drawing, never another label; None if that is impossible too.

        Args:
            text: the label; shortened to the width of the picture.
            rows: in the order of preference.
            goal: wanted column of its middle.
            name: where the label of this name stood last time it stays as long as that place is clear.
        """
        text = shorten(text, self._drawn.shape[1])
        width = len(text)
        offset, start = self._remembered.get(name, (0, -1))
        if rows[0] + offset in rows and self.take(rows[0] + offset, start, width):
            return Spot(rows[0] + offset, start, text)
        for blocked in (self._drawn | self._taken, self._taken):
            for row in rows:
                before = np.concatenate([[0], np.cumsum(blocked[row])])
                clear = np.flatnonzero(before[width:] == before[: before.size - width])
                if clear.size:
                    start = int(clear[np.argmin(np.abs(clear + width / 2 - goal))])
                    self._taken[row, start : start + width] = True
                    if name:
                        self._remembered[name] = (row - rows[0], start)
                    return Spot(row, start, text)
        return None
