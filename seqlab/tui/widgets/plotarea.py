"""Where the parts of a line plot lie: the plot area among its axes, from data to cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.tui.palette import Charset
from seqlab.tui.widgets import axes
from seqlab.tui.widgets.axes import Limits
from seqlab.tui.widgets.canvas import Canvas
from seqlab.tui.widgets.labels import Spot
from seqlab.tui.widgets.plotdata import PlotData, Series
from seqlab.tui.widgets.raster import DOTS, position

Floats = NDArray[np.float64]
Curves = Sequence[tuple[Floats, Floats]]


@dataclass(frozen=True)
class Area:
    """The plot area: `rows` × `columns` cells, `left` cells from the edge, with its limits and ticks."""

    left: int
    columns: int
    rows: int
    x_limits: Limits
    y_limits: Limits
    x_ticks: axes.Ticks
    y_ticks: axes.Ticks
    across: int
    down: int
    log: bool

    def column(self, x: float) -> int | None:
        """The column of cells at x, None outside."""
        place = float(position(x, self.x_limits, self.columns * self.across))
        inside = -0.5 <= place <= self.columns * self.across - 0.5
        return min(max(round(place), 0) // self.across, self.columns - 1) if inside else None

    def row(self, y: float) -> int | None:
        """The row of cells at y, None outside."""
        height = self.rows * self.down
        place = height - 1 - float(position(y, self.y_limits, height, log=self.log))
        return (
            min(max(round(place), 0) // self.down, self.rows - 1) if -0.5 <= place <= height - 0.5 else None
        )


@dataclass(frozen=True)
class Sheet:
    """A canvas with a plot area on it, and what to draw with.

    Attributes:
        canvas: what is drawn on.
        area: where the plot lies on it.
        ink: the number of a component's style.
        ascii_only: whether other glyphs than those of ASCII are out of the question.
    """

    canvas: Canvas
    area: Area
    ink: Callable[[str], int]
    ascii_only: bool = False

    def glyph(self, fine: str, plain: str) -> str:
        """The glyph, or what stands for it in ASCII."""
        return plain if self.ascii_only else fine

    def write(self, spot: Spot | None, ink: int) -> None:
        """Write a label that found room in the plot area."""
        if spot is not None:
            self.canvas.write(self.area.left + spot.column, spot.row, spot.text, ink)

    def upright(self, columns: Sequence[int], glyph: str, ink: int) -> None:
        """Draw lines from top to bottom."""
        places = [self.area.left + column for column in columns]
        self.canvas.glyphs[: self.area.rows, places] = ord(glyph)
        self.canvas.inks[: self.area.rows, places] = ink


def area_of(data: PlotData, curves: Curves, width: int, height: int, charset: Charset) -> Area:
    """The area of a plot on `width` × `height` cells; limits and ticks that were not given are worked out."""
    rows = height - 1 if height >= 4 else height
    most_y = min(6, max(2, (rows + 1) // 2))
    x_limits = data.x_limits or _x_limits(curves)
    y_limits = data.y_limits
    if y_limits is None:
        ys = np.concatenate([y[(x >= x_limits[0]) & (x <= x_limits[1])] for x, y in curves])
        values = [level.value for level in data.levels]
        y_limits = axes.log_limits(ys, values) if data.log else axes.linear_limits(ys, most_y, values)
    known = y_limits is not None
    y_limits = y_limits or ((0.1, 1.0) if data.log else (0.0, 1.0))
    y_ticks = axes.Ticks()
    if known and width >= 16 and rows >= 2:
        y_ticks = axes.log_ticks(y_limits, most_y) if data.log else axes.linear_ticks(y_limits, most_y)
    left = max(5, *(len(label) + 1 for label in y_ticks.labels)) if y_ticks.labels else 0
    columns = max(1, width - left)
    x_ticks = axes.Ticks()
    if rows < height:
        x_ticks = data.x_ticks or axes.linear_ticks(x_limits, max(2, columns // 12), whole=True)
    across, down = DOTS[charset]
    return Area(left, columns, rows, x_limits, y_limits, x_ticks, y_ticks, across, down, data.log)


def arrays(series: Series) -> tuple[Floats, Floats]:
    """X and y of a curve, of one length."""
    x, y = np.ravel(np.asarray(series.x, np.float64)), np.ravel(np.asarray(series.y, np.float64))
    count = min(x.size, y.size)
    return x[:count], y[:count]


def _x_limits(curves: Curves) -> Limits:
    """The extent of the data; one unit around a single x."""
    x = np.concatenate([x for x, _ in curves])
    x = x[np.isfinite(x)]
    if x.size == 0:
        return 0.0, 1.0
    low, high = float(x.min()), float(x.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)
