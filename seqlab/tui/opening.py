"""What the lab opens with: nothing, a spec to start, a run to watch, or the list of runs.

What these screens need takes its time to load, far longer than a person waits for a sign of life. So a line
that says what is being opened is painted first, and the rest is loaded behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen

from seqlab.runs.harmless import harmless
from seqlab.tui.widgets.keys import Keys
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine

if TYPE_CHECKING:
    from seqlab.tui.app import LabApp


class OpeningScreen(Screen[None], inherit_bindings=False):
    """A line, until what it speaks of is there. Whoever comes back to it gets to Setup.

    Args:
        what: is being opened, in words.
        begin: opens it; awaited once the line is painted.
    """

    app: LabApp
    BINDING_GROUP_TITLE = "Opening"

    def __init__(self, what: str, begin: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._what, self._begin = what, begin
        self._begun = False

    def compose(self) -> ComposeResult:
        """What is being opened, and the keys that there are always."""
        yield TopLine(f"opening {harmless(self._what)}")
        yield Keys()
        yield TooSmall()

    def on_screen_resume(self) -> None:
        """Begin; later there is nothing here to see any more."""
        if not self._begun:
            self._begun = True
            self.call_after_refresh(self._begin)
        elif self.is_active:  # not passed by on the way from one screen to another
            self.app.show_setup()
