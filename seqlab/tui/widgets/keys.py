"""The last line of a screen: its keys."""

from __future__ import annotations

from textual import events
from textual.widgets import Footer


class Keys(Footer):
    """Textual's footer, close set; the palette, which help names too, gives way where the line is short."""

    def __init__(self) -> None:
        super().__init__(compact=True)

    def _on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < 72, "-slim")
