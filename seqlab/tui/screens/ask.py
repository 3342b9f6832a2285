"""A question before something that cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from seqlab.tui.widgets.keys import HELP_KEY, own_keys


class AskScreen(ModalScreen[bool]):
    """Asks; true only if `y` is pressed. Enter answers nothing: it is pressed too easily.

    Args:
        title: what it is about, in the border.
        lines: what will happen.
        yes: what the key `y` does, in a word.
    """

    HELP = "What is asked here cannot be undone. Only one key says yes; every way out says no."

    CSS_PATH: ClassVar[str] = "ask.tcss"
    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "yes", id="ask.yes"),
        Binding("n,escape,q", "dismiss(False)", "no", key_display="n", id="ask.no"),
        HELP_KEY,
    ]

    def __init__(self, title: str, lines: Sequence[str], yes: str) -> None:
        super().__init__()
        self._title, self._lines, self._yes = title, lines, yes

    def compose(self) -> ComposeResult:
        """The question in a box."""
        box = Vertical(id="ask-box")
        box.border_title = self._title
        box.border_subtitle = own_keys(self, f"y {self._yes} · n leave it")
        with box:
            for line in self._lines:
                yield Static(line, markup=False)
