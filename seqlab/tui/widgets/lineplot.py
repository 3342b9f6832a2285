"""A live line plot: curves, named reference levels, walls and hatched spans over one x axis.

The widget takes a plain frozen `PlotData` and paints it. What is on the picture besides the curves says
itself in words: a level carries its name and value in its line, a span its words in its hatching, a wall its
label at its foot. Non-finite samples are marked × on the top row; on a log axis samples ≤ 0 lie on the floor,
and the axis says ≤0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.content import Content
from textual.style import Style as ContentStyle

from seqlab.tui.palette import Palette
from seqlab.tui.widgets import axes
from seqlab.tui.widgets.canvas import Canvas, CanvasWidget
from seqlab.tui.widgets.labels import LabelSpace, Spot, Wanted
from seqlab.tui.widgets.plotdata import Level, PlotData, Series, Span, Wall
from seqlab.tui.widgets.raster import DOTS, Raster, position, rasterise

__all__ = ["Level", "LinePlot", "PlotData", "Series", "Span", "Wall"]

Limits = axes.Limits
Floats = NDArray[np.float64]
Curves = list[tuple[Floats, Floats]]


@dataclass(frozen=True)
class _Frame:
    """Where the parts of one picture lie: the plot area and its two axes."""

    left: int
    columns: int
    rows: int
    x_limits: Limits
    y_limits: Limits
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

    def write(self, canvas: Canvas, spot: Spot | None, ink: int) -> None:
        """Write a label that found room."""
        if spot is not None:
            canvas.write(self.left + spot.column, spot.row, spot.text, ink)


class LinePlot(CanvasWidget):
    """Curves on a terminal. Title, legend and units belong to the border, which the panel sets.

    `show` gives it what to draw; `cursor` sets a vertical marker.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lineplot--axis",
        "lineplot--level",
        "lineplot--level-label",
        "lineplot--wall",
        "lineplot--span",
        "lineplot--gap",
        "lineplot--cursor",
        "lineplot--empty",
    }
    DEFAULT_CSS = """
    LinePlot {
        width: 1fr;
        height: 1fr;
        & > .lineplot--axis { color: $foreground 60%; }
        & > .lineplot--level { color: $foreground 35%; }
        & > .lineplot--level-label { color: $foreground 85%; }
        & > .lineplot--wall { color: $foreground 45%; }
        & > .lineplot--span { color: $foreground 45%; }
        & > .lineplot--gap { color: $error; text-style: bold; }
        & > .lineplot--cursor { color: $foreground 75%; }
        & > .lineplot--empty { color: $foreground 60%; }
        /* The terminal's own colours cannot be mixed. */
        &:ansi > .lineplot--level, &:ansi > .lineplot--wall, &:ansi > .lineplot--span { text-style: dim; }
    }
    """

    def __init__(
        self,
        data: PlotData | None = None,
        *,
        palette: Palette | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(palette=palette, name=name, id=id, classes=classes)
        self._data = data or PlotData()
        self._cursor: float | None = None
        self._spots: dict[str, tuple[int, int]] = {}

    def show(self, data: PlotData) -> None:
        """Draw this; only rows that differ from what stands there are sent to the terminal."""
        self._data = data
        self.redraw()

    @property
    def data(self) -> PlotData:
        """What is shown."""
        return self._data

    @property
    def cursor(self) -> float | None:
        """The x of the vertical marker, None for none."""
        return self._cursor

    @cursor.setter
    def cursor(self, x: float | None) -> None:
        if x != self._cursor:
            self._cursor = x
            self.redraw()

    def values_at(self, x: float) -> tuple[tuple[str, float, float], ...]:
        """(label, x, y) of each curve's sample nearest to x; curves without samples are left out."""
        found = []
        for series in self._data.series:
            xs, ys = _arrays(series)
            if xs.size:
                nearest = int(np.argmin(np.abs(xs - x)))
                found.append((series.label, float(xs[nearest]), float(ys[nearest])))
        return tuple(found)

    def legend(self) -> Content:
        """The labels of the curves in their colours, with their marks: `● train · eval`."""
        parts: list[Content] = []
        for series in self._data.series:
            if series.label:
                style = ContentStyle.from_rich_style(self.palette.line(series.hue, series.role))
                parts.append(Content.styled(f"{series.mark} {series.label}".strip(), style))
        return Content(" · ").join(parts)

    def paint(self, canvas: Canvas) -> None:
        """Paint the plot into a canvas of any size."""
        data = self._data
        curves = [_arrays(series) for series in data.series]
        message = _nothing_to_draw(data, curves)
        if message is not None:
            canvas.centre((canvas.height - 1) // 2, message, self.component_ink("lineplot--empty"))
            return
        frame, y_ticks, x_ticks = self._layout(canvas, curves)
        raster = rasterise(
            curves,
            frame.columns,
            frame.rows,
            frame.x_limits,
            frame.y_limits,
            log=data.log,
            charset=self.palette.charset,
            # Two dots of a coarser charset would be half a cell.
            thick=[series.role == "bold" and frame.down == 4 for series in data.series],
        )
        inks = [self.ink(self.palette.line(series.hue, series.role)) for series in data.series]
        self._paint_axes(canvas, frame, y_ticks, x_ticks)
        self._paint_walls_and_spans(canvas, frame)
        levels = self._paint_levels(canvas, frame)
        self._paint_curves(canvas, frame, raster, inks)
        space = LabelSpace(raster.owner >= 0, self._spots)
        self._paint_marks(canvas, frame, raster, curves, inks, space)
        self._paint_cursor(canvas, frame, raster, space)
        self._label_levels(canvas, frame, space, levels)
        self._label_spans(canvas, frame, space)
        self._label_walls(canvas, frame, space)

    def _layout(self, canvas: Canvas, curves: Curves) -> tuple[_Frame, axes.Ticks, axes.Ticks]:
        data = self._data
        rows = canvas.height - 1 if canvas.height >= 4 else canvas.height
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
        if known and canvas.width >= 16 and rows >= 2:
            y_ticks = axes.log_ticks(y_limits, most_y) if data.log else axes.linear_ticks(y_limits, most_y)
        left = max(5, *(len(label) + 1 for label in y_ticks.labels)) if y_ticks.labels else 0
        columns = max(1, canvas.width - left)
        x_ticks = axes.Ticks()
        if rows < canvas.height:
            x_ticks = data.x_ticks or axes.linear_ticks(x_limits, max(2, columns // 12), whole=True)
        across, down = DOTS[self.palette.charset]
        return _Frame(left, columns, rows, x_limits, y_limits, across, down, data.log), y_ticks, x_ticks

    def _paint_axes(self, canvas: Canvas, frame: _Frame, y_ticks: axes.Ticks, x_ticks: axes.Ticks) -> None:
        ink = self.component_ink("lineplot--axis")
        for value, label in zip(y_ticks.values, y_ticks.labels, strict=True):
            row = frame.row(value)
            if row is not None:
                canvas.write(frame.left - 1 - len(label), row, label, ink)
        if frame.rows == canvas.height:
            return
        free = np.ones(canvas.width + 2, np.bool_)
        below = any(bool(np.any(_arrays(series)[1] <= 0)) for series in self._data.series)
        if frame.log and below and frame.left:
            canvas.write(frame.left - 3, frame.rows, "≤0", ink)
            free[: frame.left - 1] = False
        ticks = list(zip(x_ticks.values, x_ticks.labels, strict=True))
        # The ends first: they matter more than what lies between.
        for value, label in ticks[:1] + ticks[-1:] + ticks[1:-1]:
            column = frame.column(value)
            if column is None:
                continue
            start = min(max(frame.left + column - len(label) // 2, 0), max(0, canvas.width - len(label)))
            if free[max(0, start - 1) : start + len(label) + 1].all():
                canvas.write(start, frame.rows, label, ink)
                free[max(0, start - 1) : start + len(label) + 1] = False

    def _paint_walls_and_spans(self, canvas: Canvas, frame: _Frame) -> None:
        walls = self._walls(frame)
        if len(walls) <= frame.columns // 4:
            columns = [frame.left + column for column, _ in walls]
            canvas.glyphs[: frame.rows, columns] = ord(self._glyph("┊", ":"))
            canvas.inks[: frame.rows, columns] = self.component_ink("lineplot--wall")
        ink = self.component_ink("lineplot--span")
        for span, (first, last) in zip(self._data.spans, self._span_columns(frame), strict=True):
            if span.hatched:
                hatching = self._glyph("░", "/") * (last - first + 1)
                canvas.write(frame.left + first, frame.rows - 1, hatching, ink)

    def _walls(self, frame: _Frame) -> list[tuple[int, str]]:
        """Column and label of each wall that is in sight."""
        placed = ((frame.column(wall.x), wall.label) for wall in self._data.walls)
        return [(column, label) for column, label in placed if column is not None]

    def _span_columns(self, frame: _Frame) -> list[tuple[int, int]]:
        """First and last column of each span; last < first where it is out of sight."""
        low, high = frame.x_limits
        found = []
        for span in self._data.spans:
            first, last = frame.column(max(span.x0, low)), frame.column(min(span.x1, high))
            found.append((first, last) if first is not None and last is not None else (0, -1))
        return found

    def _paint_levels(self, canvas: Canvas, frame: _Frame) -> list[tuple[int, str, bool]]:
        """Draw the lines of the levels; (row, label, whether it is in sight) of each, highest first."""
        labels = []
        for level in sorted(self._data.levels, key=lambda level: -level.value):
            text = _level_text(level)
            row = frame.row(level.value)
            if row is not None:
                ink = self._level_ink(level, "lineplot--level")
                dash = self._glyph("┄", "-") if level.hue is None else self._glyph("╍", "=")
                canvas.write(frame.left, row, dash * frame.columns, ink)
                labels.append((row, text, True))
            elif level.value > frame.y_limits[1]:
                labels.append((0, f"{self._glyph('↑', '^')} {text}", False))
            else:
                labels.append((frame.rows - 1, f"{self._glyph('↓', 'v')} {text}", False))
        return labels

    def _paint_curves(self, canvas: Canvas, frame: _Frame, raster: Raster, inks: list[int]) -> None:
        area = np.s_[: frame.rows, frame.left : frame.left + frame.columns]
        floor_ink = canvas.inks[frame.rows - 1]
        on_span = np.zeros(canvas.width, np.bool_)
        for span, (first, last) in zip(self._data.spans, self._span_columns(frame), strict=True):
            on_span[frame.left + first : frame.left + last + 1] |= span.hatched
        for number, columns in enumerate(raster.nonpositive):
            shown = columns[~on_span[columns + frame.left]] + frame.left
            canvas.glyphs[frame.rows - 1, shown] = ord(self._glyph("▁", "_"))
            floor_ink[shown] = inks[number]
        drawn = raster.owner >= 0
        canvas.glyphs[area][drawn] = raster.glyphs[drawn]
        canvas.inks[area][drawn] = np.asarray(inks, np.int32)[raster.owner[drawn]]

    def _paint_marks(
        self,
        canvas: Canvas,
        frame: _Frame,
        raster: Raster,
        curves: Curves,
        inks: list[int],
        space: LabelSpace,
    ) -> None:
        gap_ink = self.component_ink("lineplot--gap")
        for number, (series, (x, y)) in enumerate(zip(self._data.series, curves, strict=True)):
            mark = series.mark
            if mark:
                for third in range(3):
                    column = int((third + 0.5 + 0.12 * (number % 4)) / 3.4 * frame.columns)
                    rows = np.flatnonzero(raster.owner[:, column] == number)
                    if rows.size:
                        canvas.write(frame.left + column, int(rows[rows.size // 2]), mark[0], inks[number])
            alone = np.flatnonzero(np.isfinite(y) & ((y > 0) | (not frame.log)))
            if alone.size == 1:
                column_of, row_of = frame.column(float(x[alone[0]])), frame.row(float(y[alone[0]]))
                if column_of is not None and row_of is not None:
                    canvas.write(
                        frame.left + column_of, row_of, mark[:1] or self._glyph("•", "*"), inks[number]
                    )
            for column in raster.gaps[number]:
                canvas.write(frame.left + int(column), 0, self._glyph("×", "x"), gap_ink)
                space.block(0, int(column))

    def _paint_cursor(self, canvas: Canvas, frame: _Frame, raster: Raster, space: LabelSpace) -> None:
        column = None if self._cursor is None else frame.column(self._cursor)
        if column is not None:
            free = np.flatnonzero(raster.owner[:, column] < 0)
            canvas.glyphs[free, frame.left + column] = ord(self._glyph("│", "|"))
            canvas.inks[free, frame.left + column] = self.component_ink("lineplot--cursor")
            space.block(slice(None), column)

    def _label_levels(
        self, canvas: Canvas, frame: _Frame, space: LabelSpace, labels: list[tuple[int, str, bool]]
    ) -> None:
        ink = self.component_ink("lineplot--level-label")
        own = {
            _level_text(level): self._level_ink(level, "lineplot--level-label") for level in self._data.levels
        }
        wanted = [Wanted(row, text, frame.columns * (0.62 if inside else 1)) for row, text, inside in labels]
        for spot in space.stack(wanted):
            frame.write(canvas, spot, own.get(spot.text.strip(), ink))

    def _level_ink(self, level: Level, component: str) -> int:
        return self.component_ink(component) if level.hue is None else self.ink(self.palette.line(level.hue))

    def _label_spans(self, canvas: Canvas, frame: _Frame, space: LabelSpace) -> None:
        ink = self.component_ink("lineplot--span")
        rows = [frame.rows - 1, max(0, frame.rows - 2)]
        for span, (first, last) in zip(self._data.spans, self._span_columns(frame), strict=True):
            if span.label and first <= last:
                frame.write(canvas, space.place(f" {span.label} ", rows, (first + last) / 2), ink)

    def _label_walls(self, canvas: Canvas, frame: _Frame, space: LabelSpace) -> None:
        ink = self.component_ink("lineplot--wall")
        walls = self._walls(frame)
        if len(walls) > frame.columns // 4:
            spot = space.place(f" {len(walls):,} walls ", [frame.rows - 1], frame.columns)
            frame.write(canvas, spot, ink)
            return
        columns = {column for column, _ in walls}
        for column, label in walls:
            if not label:
                continue
            # Right of its wall, else left of it; as far down as there is room.
            right, left = (column + 1, f" {label}"), (column - len(label) - 2, f" {label} ")
            for row, (start, text) in product(range(frame.rows - 1, -1, -1), (right, left)):
                crosses = any(start <= other < start + len(text) for other in columns)
                if not crosses and space.take(row, start, len(text)):
                    frame.write(canvas, Spot(row, start, text), ink)
                    break

    def _glyph(self, fine: str, plain: str) -> str:
        return plain if self.palette.charset == "ascii" else fine


def _arrays(series: Series) -> tuple[Floats, Floats]:
    x, y = np.ravel(np.asarray(series.x, np.float64)), np.ravel(np.asarray(series.y, np.float64))
    count = min(x.size, y.size)
    return x[:count], y[:count]


def _level_text(level: Level) -> str:
    return f"{level.label} {axes.number(level.value)}".strip()


def _nothing_to_draw(data: PlotData, curves: Curves) -> str | None:
    """Why there is no picture, None if there is one."""
    if not any(y.size for _, y in curves):
        return data.empty
    if data.log and not any(bool(np.any((y > 0) | ~np.isfinite(y))) for _, y in curves):
        return "every value is ≤ 0: none has a place on a log axis"
    return None


def _x_limits(curves: Curves) -> Limits:
    """The extent of the data; one unit around a single x."""
    x = np.concatenate([x for x, _ in curves])
    x = x[np.isfinite(x)]
    if x.size == 0:
        return 0.0, 1.0
    low, high = float(x.min()), float(x.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)
