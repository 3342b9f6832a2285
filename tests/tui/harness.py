"""A tiny app around one widget, and ways to read back what stands on its screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region, Size
from textual.pilot import Pilot
from textual.widget import Widget


class Harness(App[None]):
    """One widget that fills the screen, without the focus."""

    AUTO_FOCUS = None

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


@asynccontextmanager
async def shown(widget: Widget, width: int = 60, height: int = 12) -> AsyncIterator[Pilot[None]]:
    """Run the widget on a screen of this size."""
    async with Harness(widget).run_test(size=(width, height)) as pilot:
        await pilot.pause()
        yield pilot


def lines(widget: Widget) -> list[str]:
    """The text of each row, as the compositor draws it."""
    return [strip.text for strip in widget.render_lines(Size(*widget.size).region)]


def style_at(widget: Widget, x: int, y: int) -> Style:
    """The style of one cell."""
    [strip] = widget.render_lines(Region(0, y, widget.size.width, 1))
    for segment in strip.crop(x, x + 1):
        assert segment.style is not None
        return segment.style
    raise AssertionError(f"no cell ({x}, {y})")


def refreshed_rows(widget: Widget) -> set[int]:
    """The rows that wait to be sent to the terminal."""
    return {row for region in widget._repaint_regions for row in region.line_range}
