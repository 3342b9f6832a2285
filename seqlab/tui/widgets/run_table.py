"""The list of runs: a line each, a cursor, letters at those that are marked.

A line is sent again only when it says something else than before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from seqlab.runs.listing_row import Row
from seqlab.tui.palette import Palette
from seqlab.tui.widgets.run_rows import (
    Column,
    Part,
    columns_for,
    heading,
    mark_style,
    mark_text,
    parts_of,
)

_Line = tuple[tuple[Part, ...], bool]
"""What stands in a line, and whether the cursor is there."""


def _key(key: str, action: str, name: str, tooltip: str) -> Binding:
    return Binding(key, action, tooltip, show=False, id=f"runs.{name}", tooltip=tooltip)


class RunTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows rows; says where the cursor is, and which run was chosen by a click."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--plain", "run-table--muted", "run-table--accent", "run-table--good",
        "run-table--warning", "run-table--bad", "run-table--mark", "run-table--cursor",
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("up", "move(-1)", "up", "The run above"),
        _key("down", "move(1)", "down", "The run below"),
        _key("pageup", "page(-1)", "page_up", "A page up"),
        _key("pagedown", "page(1)", "page_down", "A page down"),
        _key("home", "end(0)", "first", "The newest run"),
        _key("end", "end(-1)", "last", "The oldest run"),
    ]

    class Moved(Message):
        """The cursor is on another run, or other runs are in sight."""

    class Chosen(Message):
        """The run under the cursor was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self.columns: tuple[Column, ...] = ()
        self._marked: tuple[Path, ...] = ()
        self._at = 0
        self._now = 0.0
        self._strips: dict[int, tuple[_Line, Strip]] = {}
        self._palette: Palette | None = None

    @property
    def current(self) -> Row | None:
        """The run under the cursor."""
        return self.rows[self._at] if self.rows else None

    @property
    def in_sight(self) -> list[Path]:
        """The folders of the lines that can be seen."""
        top = self.scroll_offset.y
        return [row.folder for row in self.rows[top : top + self.size.height]]

    @property
    def heading(self) -> str:
        """The line above."""
        return heading(self.columns)

    def show(self, rows: Sequence[Row], marked: Sequence[Path]) -> None:
        """Show these; the cursor stays on its run, or near where that was."""
        before = self.current
        self.rows, self._marked, self._now = tuple(rows), tuple(marked), time.time()
        if self.virtual_size.height != len(self.rows):
            self.virtual_size = Size(0, len(self.rows))
        place = self._place_of(before)
        moved = place is not None and place != self._at and self._at > 0
        self._at = place if place is not None else min(self._at, max(0, len(self.rows) - 1))
        self._lay_out()
        if moved:
            self._keep_in_sight()

    def action_move(self, by: int) -> None:
        """Go up or down."""
        self._go(self._at + by)

    def action_page(self, by: int) -> None:
        """Go a page up or down."""
        self._go(self._at + by * max(1, self.size.height - 1))

    def action_end(self, place: int) -> None:
        """Go to the first run or the last."""
        self._go(len(self.rows) - 1 if place else 0)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; where it is already, it chooses."""
        place = event.y + self.scroll_offset.y
        if place >= len(self.rows):
            return
        if place == self._at:
            self.post_message(self.Chosen())
        else:
            self._go(place)

    def on_resize(self) -> None:
        """Fit the columns."""
        self._lay_out()
        self._keep_in_sight()
        self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other runs are in sight."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Moved())

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        super().notify_style_update()
        self._palette = None
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """A line of the list."""
        place = y + self.scroll_offset.y
        if place >= len(self.rows):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._line(place)
        known = self._strips.get(place)
        if known is None or known[0] != line:
            known = self._strips[place] = line, self._drawn(*line, self.rows[place].folder)
        return known[1]

    def _place_of(self, row: Row | None) -> int | None:
        if row is None:
            return None
        return next((place for place, each in enumerate(self.rows) if each.folder == row.folder), None)

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self.rows) - 1))
        if place != self._at and self.rows:
            self._at = place
            self._send_changes()
            self._keep_in_sight()
            self.post_message(self.Moved())

    def _keep_in_sight(self) -> None:
        if self.size.height:
            self.scroll_to_region(Region(0, self._at, 1, 1), animate=False, force=True)

    def _lay_out(self) -> None:
        """Choose the columns, and send what changed."""
        columns = columns_for(self.rows, self.size.width, self._now)
        if columns != self.columns or len(self._strips) > 4 * max(100, self.size.height):
            self.columns = columns
            self._strips.clear()
        self._send_changes()

    def _send_changes(self) -> None:
        if not self.is_mounted or not self.screen.is_active:
            return
        top = self.scroll_offset.y
        for place in range(top, top + self.size.height):
            known = self._strips.get(place)
            line = self._line(place) if place < len(self.rows) else None
            if (known[0] if known else None) != line:
                self._strips.pop(place, None)
                self.refresh_line(place)

    def _line(self, place: int) -> _Line:
        row = self.rows[place]
        palette = self._colours()
        mark = mark_text(palette, self._marked.index(row.folder)) if row.folder in self._marked else ""
        return parts_of(row, self.columns, self._now, mark, palette.charset), place == self._at

    def _drawn(self, parts: Sequence[Part], cursor: bool, folder: Path) -> Strip:
        """A line in its colours, as wide as the list."""
        base = self.rich_style
        if cursor:
            base += self.get_component_rich_style("run-table--cursor", partial=True)
        segments = []
        for text, tone in parts:
            style = self.get_component_rich_style(f"run-table--{tone}", partial=True)
            if tone == "mark" and folder in self._marked:
                style = mark_style(self._colours(), self._marked.index(folder))
            own = Style(color=style.color, bold=style.bold, dim=style.dim)
            segments.append(Segment(text, base + own))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _colours(self) -> Palette:
        if self._palette is None:
            self._palette = Palette.detect(self.app)
        return self._palette
