"""The first line of a screen: what it is on the left, the worker on the right."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget


class TopLine(Widget):
    """One line with two ends; the right one gives way where there is no room for both."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._state = ""

    @property
    def state(self) -> str:
        """What stands at the right."""
        return self._state

    def show(self, state: str) -> None:
        """Show the worker's state."""
        if state != self._state:
            self._state = state
            self.refresh()

    def render(self) -> RenderResult:
        """`seqlab  new run … worker ready`."""
        left = f"seqlab  {self._title}"
        room = max(0, self.size.width - len(left) - 2)
        right = self._state if len(self._state) <= room else self._state[: max(0, room - 1)] + "…"
        gap = " " * (self.size.width - len(left) - len(right))
        return Content.assemble(("seqlab", "bold $accent"), f"  {self._title}{gap}", (right, "$muted"))
