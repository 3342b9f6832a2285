"""What stands there when the terminal is too small for anything else."""

from __future__ import annotations

from textual.app import RenderResult
from textual.widget import Widget

LEAST = (60, 15)
"""Columns and rows that the lab needs."""


class TooSmall(Widget):
    """Every screen has one; the stylesheet shows it alone on terminals below `LEAST`."""

    def render(self) -> RenderResult:
        """One line."""
        width, height = self.app.size
        return f"{width}×{height} is too small: {LEAST[0]}×{LEAST[1]} at least"
