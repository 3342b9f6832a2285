"""A heatmap of units against time: time runs along x, units run down.

A cell shows one value as the colour behind it; where there are more units than rows, and levels are flat
colours, two units share a cell as the halves of ▀. If there are still more units or timesteps than places, a
place shows the value of its share that is farthest from the middle of the scale (around 0: the one of largest
magnitude), so that saturation never averages out; `Heatmap.cover` says how many units and timesteps a place
stands for.

Values beyond the scale stand on its end colour with ▲ or ▼ over them; NaN is hatched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from seqlab.tui.palette import Palette
from seqlab.tui.widgets.canvas import Canvas, CanvasWidget
from seqlab.tui.widgets.grid import Grid
from seqlab.tui.widgets.raster import extremes
from seqlab.tui.widgets.scale import Scale, colour_bar, quantise


def _key(key: str, action: str, description: str, name: str, tooltip: str) -> Binding:
    return Binding(key, action, description, id=f"heatmap.{name}", show=False, tooltip=tooltip)


class Cover(NamedTuple):
    """The most units and timesteps that one place of a heatmap stands for."""

    units: int
    timesteps: int


class Heatmap(CanvasWidget, can_focus=True):
    """Values [units, time] as colours, with a cursor when it has the focus.

    Arrow keys move the cursor by a place (to the very value which that place shows), with shift by one unit
    or timestep; a click sets it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        _key("left", "move(0,-1)", "time", "left", "cursor to an earlier timestep"),
        _key("right", "move(0,1)", "time", "right", "cursor to a later timestep"),
        _key("up", "move(-1,0)", "unit", "up", "cursor to the unit above"),
        _key("down", "move(1,0)", "unit", "down", "cursor to the unit below"),
        _key("shift+left", "step(0,-1)", "time", "step_left", "one timestep back"),
        _key("shift+right", "step(0,1)", "time", "step_right", "one timestep on"),
        _key("shift+up", "step(-1,0)", "unit", "step_up", "one unit up"),
        _key("shift+down", "step(1,0)", "unit", "step_down", "one unit down"),
        _key("home", "ends(0)", "first", "first", "cursor to the first timestep"),
        _key("end", "ends(1)", "last", "last", "cursor to the last timestep"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"heatmap--empty", "heatmap--nan"}
    DEFAULT_CSS = """
    Heatmap {
        width: 1fr;
        height: 1fr;
        & > .heatmap--empty { color: $foreground 60%; }
        & > .heatmap--nan { color: $foreground 45%; }
    }
    """

    @dataclass
    class CursorMoved(Message):
        """The cursor stands on another value, or the value under it changed.

        Attributes:
            unit: row of the matrix.
            timestep: column of the matrix (a message's `time` is when it was sent).
            value: what stands there.
        """

        heatmap: Heatmap
        unit: int
        timestep: int
        value: float

        @property
        def control(self) -> Heatmap:
            """The heatmap."""
            return self.heatmap

    def __init__(
        self,
        *,
        empty: str = "",
        palette: Palette | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(palette=palette, name=name, id=id, classes=classes)
        self._values: NDArray[np.float64] = np.empty((0, 0))
        self._scale = Scale(0.0, 1.0)
        self._empty = empty
        self._cursor: tuple[int, int] | None = None
        self._said: tuple[int, int, float] | None = None

    def show(self, values: ArrayLike | None, scale: Scale, empty: str = "") -> None:
        """Draw values [units, time] on a scale; None, or no values, shows the words `empty`.

        Raises:
            ValueError: values are not of two dimensions.
        """
        matrix = np.empty((0, 0)) if values is None else np.asarray(values, np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"heatmap of shape {matrix.shape}: it takes [units, time]")
        self._values, self._scale, self._empty = matrix, scale, empty or self._empty
        if self._cursor is not None or self.has_focus:
            self.move_cursor(*(self._cursor or (0, 0)))
        self.redraw()

    @property
    def values(self) -> NDArray[np.float64]:
        """What is shown: [units, time]."""
        return self._values

    @property
    def scale(self) -> Scale:
        """The scale in force."""
        return self._scale

    @property
    def cover(self) -> Cover:
        """The most units and timesteps that one place stands for: (1, 1) if every value has its own."""
        if not self._values.size or not self.size:
            return Cover(1, 1)
        grid = self._grid(*self.size)
        return Cover(-(-grid.units // grid.places), max(1, -(-grid.timesteps // grid.columns)))

    @property
    def cursor(self) -> tuple[int, int] | None:
        """(unit, time) of the cursor, None before it was ever set."""
        return self._cursor

    @property
    def cursor_value(self) -> float | None:
        """The value under the cursor."""
        return None if self._cursor is None or not self._values.size else float(self._values[self._cursor])

    def move_cursor(self, unit: int, time: int) -> None:
        """Set the cursor, moved to the nearest value if it lies outside."""
        if not self._values.size:
            return
        units, timesteps = self._values.shape
        self._cursor = min(max(unit, 0), units - 1), min(max(time, 0), timesteps - 1)
        said = (*self._cursor, float(self._values[self._cursor]))
        if repr(said) != repr(self._said):
            self._said = said
            self.post_message(self.CursorMoved(self, *said))
            self.redraw()

    def colour_bar(self, width: int) -> Content:
        """The legend of the scale in force, see `colour_bar`."""
        return colour_bar(self._scale, self.palette, width)

    def paint(self, canvas: Canvas) -> None:
        """Paint the map into a canvas of any size."""
        if not self._values.size:
            canvas.centre((canvas.height - 1) // 2, self._empty, self.component_ink("heatmap--empty"))
            return
        grid = self._grid(canvas.width, canvas.height)
        middle = self._scale.middle
        places = extremes(extremes(self._values, grid.places, middle, axis=0), grid.columns, middle, axis=1)
        shades = self.palette.ramp(self._scale.kind)
        blank = len(shades) + 3
        codes = np.full((grid.slots, grid.columns), blank, np.int64)
        used = grid.places * grid.height
        codes[:used] = np.repeat(quantise(places, self._scale, len(shades)), grid.height, axis=0)
        if grid.half:
            top, bottom = codes[0::2], codes[1::2]
        else:
            top = bottom = codes
        self._paint_pairs(canvas, top, bottom, blank + 1)
        if self._cursor is not None and self.has_focus:
            self._paint_cursor(canvas, grid, codes)

    def _paint_pairs(
        self, canvas: Canvas, top: NDArray[np.int64], bottom: NDArray[np.int64], codes: int
    ) -> None:
        """Paint cells whose halves have these codes; equal halves make one flat cell."""
        pairs, where = np.unique(top * codes + bottom, return_inverse=True)
        drawn = [self._cell(int(pair) // codes, int(pair) % codes) for pair in pairs]
        canvas.glyphs[:] = np.array([ord(glyph) for glyph, _ in drawn], np.uint32)[where].reshape(top.shape)
        canvas.inks[:] = np.array([self.ink(style) for _, style in drawn], np.int32)[where].reshape(top.shape)

    def _cell(self, top: int, bottom: int) -> tuple[str, Style]:
        """Glyph and style of a cell with these codes; a value out of scale or NaN takes the whole cell."""
        shades = self.palette.ramp(self._scale.kind)
        below, above, nan, blank = range(len(shades), len(shades) + 4)
        ascii_only = self.palette.charset == "ascii"
        for code in (top, bottom):
            if code in (below, above):
                shade = shades[0 if code == below else -1]
                glyph = ("v^" if ascii_only else "▼▲")[code == above]
                return glyph, Style(color=shade.contrast or None, bgcolor=shade.background or None, bold=True)
        if nan in (top, bottom):
            return ("/" if ascii_only else "╱"), self.get_component_rich_style("heatmap--nan")
        if top == bottom:
            return (" ", Style.null()) if top == blank else (shades[top].glyph, shades[top].style)
        if bottom == blank:
            return "▀", Style(color=shades[top].background)
        return "▀", Style(color=shades[top].background, bgcolor=shades[bottom].background)

    def _paint_cursor(self, canvas: Canvas, grid: Grid, codes: NDArray[np.int64]) -> None:
        """The place of the cursor in black or white, whichever stands out; reversed without colour."""
        assert self._cursor is not None
        down, across = grid.spot(*self._cursor)
        row = down // 2 if grid.half else down
        shades = self.palette.ramp(self._scale.kind)
        code = int(codes[down, across])
        shade = shades[code] if code < len(shades) else shades[-1 if code == len(shades) + 1 else 0]
        contrast = shade.contrast
        if not contrast:
            canvas.write(
                across, row, chr(canvas.glyphs[row, across]), self.ink(Style(reverse=True, bold=True))
            )
        elif not grid.half:
            canvas.write(across, row, " ", self.ink(Style(bgcolor=contrast)))
        else:
            other = int(codes[down ^ 1, across])
            behind = Style(bgcolor=shades[other].background) if other < len(shades) else Style.null()
            canvas.write(across, row, "▄" if down % 2 else "▀", self.ink(behind + Style(color=contrast)))

    def _grid(self, width: int, height: int) -> Grid:
        units, timesteps = self._values.shape
        return Grid(units, timesteps, height, width, self.palette.half_blocks and units > height)

    def _go_to(self, share: tuple[slice, slice]) -> None:
        """Set the cursor on the value that a place shows: of its share, the one farthest from the middle."""
        part = self._values[share]
        distance = np.where(np.isnan(part), np.inf, np.abs(part - self._scale.middle))
        unit, time = np.unravel_index(int(np.argmax(distance)), part.shape)
        self.move_cursor(share[0].start + int(unit), share[1].start + int(time))

    def action_move(self, down: int, across: int) -> None:
        """Move the cursor by places."""
        if not self._values.size or not self.size:
            return
        unit, time = self._cursor or (0, 0)
        grid = self._grid(*self.size)
        if (down and grid.units <= grid.slots) or (across and grid.timesteps <= grid.columns):
            self.move_cursor(unit + down, time + across)
            return
        row, column = grid.spot(unit, time)
        share = grid.share(row + down, column + across)
        if share is not None:
            # Only the axis that moves may change: the other keeps its exact unit or timestep.
            units, times = share
            self._go_to(
                (units if down else slice(unit, unit + 1), times if across else slice(time, time + 1))
            )

    def action_step(self, units: int, timesteps: int) -> None:
        """Move the cursor by units and timesteps."""
        unit, time = self._cursor or (0, 0)
        self.move_cursor(unit + units, time + timesteps)

    def action_ends(self, last: int) -> None:
        """Move the cursor to the first or last timestep."""
        self.move_cursor((self._cursor or (0, 0))[0], self._values.shape[1] if last else 0)

    def on_focus(self) -> None:
        """Show the cursor."""
        if self._cursor is None:
            self.move_cursor(0, 0)
        self.redraw()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Set the cursor on the value that the place under the mouse shows."""
        spot = event.get_content_offset(self)
        if spot is None or not self._values.size:
            return
        grid = self._grid(*self.size)
        share = grid.share(spot.y * 2 if grid.half else spot.y, spot.x)
        if share is not None:
            self._go_to(share)
