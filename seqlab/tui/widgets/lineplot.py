"""A live line plot: curves, named reference levels, walls, marks and hatched spans over one x axis.

The widget takes a plain frozen `PlotData` and paints it. What is on the picture besides the curves says
itself in words: a level carries its name and value in its line, a span its words in its hatching, a wall its
label at its foot, a mark its at its head. Non-finite samples are marked × on the top row; on a log axis
samples ≤ 0 lie on the floor, and the axis says ≤0.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.content import Content
from textual.style import Style as ContentStyle

from seqlab.tui.palette import Palette
from seqlab.tui.widgets import axes
from seqlab.tui.widgets.canvas import Canvas, CanvasWidget
from seqlab.tui.widgets.labels import LabelSpace, Wanted
from seqlab.tui.widgets.plotarea import Curves, Sheet, area_of, arrays
from seqlab.tui.widgets.plotdata import Level, Mark, PlotData, Series, Span, Wall
from seqlab.tui.widgets.raster import Raster, rasterise
from seqlab.tui.widgets.uprights import label_uprights, paint_cursor, paint_uprights, span_columns

__all__ = ["Level", "LinePlot", "Mark", "PlotData", "Series", "Span", "Wall"]


class LinePlot(CanvasWidget):
    """Curves on a terminal. Title, legend and units belong to the border, which the panel sets."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lineplot--axis",
        "lineplot--level",
        "lineplot--level-label",
        "lineplot--wall",
        "lineplot--mark",
        "lineplot--mark-label",
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
        & > .lineplot--mark { color: $foreground 35%; }
        & > .lineplot--mark-label { color: $foreground 70%; }
        & > .lineplot--span { color: $foreground 45%; }
        & > .lineplot--gap { color: $error; text-style: bold; }
        & > .lineplot--cursor { color: $foreground 75%; }
        & > .lineplot--empty { color: $foreground 60%; }
        /* The terminal's own colours cannot be mixed. */
        &:ansi > .lineplot--level, &:ansi > .lineplot--wall, &:ansi > .lineplot--mark,
        &:ansi > .lineplot--span { text-style: dim; }
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
        self._spots: dict[str, tuple[int, int]] = {}

    def show(self, data: PlotData) -> None:
        """Draw this; only rows that differ from what stands there are sent to the terminal."""
        self._data = data
        self.redraw()

    @property
    def data(self) -> PlotData:
        """What is shown."""
        return self._data

    def values_at(self, x: float) -> tuple[tuple[str, float, float], ...]:
        """(label, x, y) of each curve's last sample at or before x; curves that have none are left out."""
        found = []
        for series in self._data.series:
            xs, ys = arrays(series)
            count = int(np.searchsorted(xs, x, "right"))
            if count:
                found.append((series.label, float(xs[count - 1]), float(ys[count - 1])))
        return tuple(found)

    def legend(self) -> Content:
        """The labels of the curves in their colours, with their marks: `● train · eval`.

        With a cursor also the values there; where a curve has none, its last one before: `eval 0.08 at 400`.
        """
        cursor, parts = self._data.cursor, list[Content]()
        values = {} if cursor is None else {label: found for label, *found in self.values_at(cursor)}
        for series in self._data.series:
            if series.label:
                words = f"{series.mark} {series.label}".strip()
                if series.label in values:
                    x, y = values[series.label]
                    words += f" {axes.number(y)}" + (f" at {x:,.0f}" if x != cursor else "")
                style = ContentStyle.from_rich_style(self.palette.line(series.hue, series.role))
                parts.append(Content.styled(words, style))
        return Content(" · ").join(parts)

    def paint(self, canvas: Canvas) -> None:
        """Paint the plot into a canvas of any size."""
        data = self._data
        curves = [arrays(series) for series in data.series]
        message = _nothing_to_draw(data, curves)
        if message is not None:
            canvas.centre((canvas.height - 1) // 2, message, self.component_ink("lineplot--empty"))
            return
        charset = self.palette.charset
        area = area_of(data, curves, canvas.width, canvas.height, charset)
        sheet = Sheet(canvas, area, self.component_ink, charset == "ascii")
        raster = rasterise(
            curves,
            area.columns,
            area.rows,
            area.x_limits,
            area.y_limits,
            log=data.log,
            charset=charset,
            # Two dots of a coarser charset would be half a cell.
            thick=[series.role == "bold" and area.down == 4 for series in data.series],
        )
        inks = [self.ink(self.palette.line(series.hue, series.role)) for series in data.series]
        self._paint_axes(sheet)
        paint_uprights(sheet, data)
        levels = self._paint_levels(sheet)
        self._paint_curves(sheet, raster, inks)
        space = LabelSpace(raster.owner >= 0, self._spots)
        self._paint_marks(sheet, raster, curves, inks, space)
        paint_cursor(sheet, data, raster.owner, space)
        self._label_levels(sheet, space, levels)
        label_uprights(sheet, data, space)

    def _paint_axes(self, sheet: Sheet) -> None:
        canvas, area, ink = sheet.canvas, sheet.area, self.component_ink("lineplot--axis")
        for value, label in zip(area.y_ticks.values, area.y_ticks.labels, strict=True):
            row = area.row(value)
            if row is not None:
                canvas.write(area.left - 1 - len(label), row, label, ink)
        if area.rows == canvas.height:
            return
        free = np.ones(canvas.width + 2, np.bool_)
        below = any(bool(np.any(arrays(series)[1] <= 0)) for series in self._data.series)
        if area.log and below and area.left:
            canvas.write(area.left - 3, area.rows, "≤0", ink)
            free[: area.left - 1] = False
        ticks = list(zip(area.x_ticks.values, area.x_ticks.labels, strict=True))
        # The ends first: they matter more than what lies between.
        for value, label in ticks[:1] + ticks[-1:] + ticks[1:-1]:
            column = area.column(value)
            if column is None:
                continue
            start = min(max(area.left + column - len(label) // 2, 0), max(0, canvas.width - len(label)))
            if free[max(0, start - 1) : start + len(label) + 1].all():
                canvas.write(start, area.rows, label, ink)
                free[max(0, start - 1) : start + len(label) + 1] = False

    def _paint_levels(self, sheet: Sheet) -> list[tuple[int, str, bool]]:
        """Draw the lines of the levels; (row, label, whether it is in sight) of each, highest first."""
        area, labels = sheet.area, []
        for level in sorted(self._data.levels, key=lambda level: -level.value):
            text = _level_text(level)
            row = area.row(level.value)
            if row is not None:
                ink = self._level_ink(level, "lineplot--level")
                dash = sheet.glyph("┄", "-") if level.hue is None else sheet.glyph("╍", "=")
                sheet.canvas.write(area.left, row, dash * area.columns, ink)
                labels.append((row, text, True))
            elif level.value > area.y_limits[1]:
                labels.append((0, f"{sheet.glyph('↑', '^')} {text}", False))
            else:
                labels.append((area.rows - 1, f"{sheet.glyph('↓', 'v')} {text}", False))
        return labels

    def _paint_curves(self, sheet: Sheet, raster: Raster, inks: list[int]) -> None:
        canvas, area = sheet.canvas, sheet.area
        cells = np.s_[: area.rows, area.left : area.left + area.columns]
        floor_ink = canvas.inks[area.rows - 1]
        on_span = np.zeros(canvas.width, np.bool_)
        for span, (first, last) in zip(self._data.spans, span_columns(area, self._data), strict=True):
            on_span[area.left + first : area.left + last + 1] |= span.hatched
        for number, columns in enumerate(raster.nonpositive):
            shown = columns[~on_span[columns + area.left]] + area.left
            canvas.glyphs[area.rows - 1, shown] = ord(sheet.glyph("▁", "_"))
            floor_ink[shown] = inks[number]
        drawn = raster.owner >= 0
        canvas.glyphs[cells][drawn] = raster.glyphs[drawn]
        canvas.inks[cells][drawn] = np.asarray(inks, np.int32)[raster.owner[drawn]]

    def _paint_marks(
        self, sheet: Sheet, raster: Raster, curves: Curves, inks: list[int], space: LabelSpace
    ) -> None:
        canvas, area = sheet.canvas, sheet.area
        gap_ink = self.component_ink("lineplot--gap")
        for number, (series, (x, y)) in enumerate(zip(self._data.series, curves, strict=True)):
            mark = series.mark
            if mark:
                for third in range(3):
                    column = int((third + 0.5 + 0.12 * (number % 4)) / 3.4 * area.columns)
                    rows = np.flatnonzero(raster.owner[:, column] == number)
                    if rows.size:
                        canvas.write(area.left + column, int(rows[rows.size // 2]), mark[0], inks[number])
            alone = np.flatnonzero(np.isfinite(y) & ((y > 0) | (not area.log)))
            if alone.size == 1:
                column_of, row_of = area.column(float(x[alone[0]])), area.row(float(y[alone[0]]))
                if column_of is not None and row_of is not None:
                    canvas.write(
                        area.left + column_of, row_of, mark[:1] or sheet.glyph("•", "*"), inks[number]
                    )
            for column in raster.gaps[number]:
                canvas.write(area.left + int(column), 0, sheet.glyph("×", "x"), gap_ink)
                space.block(0, int(column))

    def _label_levels(self, sheet: Sheet, space: LabelSpace, labels: list[tuple[int, str, bool]]) -> None:
        ink = self.component_ink("lineplot--level-label")
        own = {
            _level_text(level): self._level_ink(level, "lineplot--level-label") for level in self._data.levels
        }
        columns = sheet.area.columns
        wanted = [Wanted(row, text, columns * (0.62 if inside else 1)) for row, text, inside in labels]
        for spot in space.stack(wanted):
            sheet.write(spot, own.get(spot.text.strip(), ink))

    def _level_ink(self, level: Level, component: str) -> int:
        return self.component_ink(component) if level.hue is None else self.ink(self.palette.line(level.hue))


def _level_text(level: Level) -> str:
    return f"{level.label} {axes.number(level.value)}".strip()


def _nothing_to_draw(data: PlotData, curves: Curves) -> str | None:
    """Why there is no picture, None if there is one."""
    if not any(y.size for _, y in curves):
        return data.empty
    if data.log and not any(bool(np.any((y > 0) | ~np.isfinite(y))) for _, y in curves):
        return "every value is ≤ 0: none has a place on a log axis"
    return None
