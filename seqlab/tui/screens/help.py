"""Help, made from the bindings of the screen beneath and its own few lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from seqlab.tui.widgets.keys import HELP_KEY, in_order, own_keys

if TYPE_CHECKING:
    from textual.app import App


class HelpScreen(ModalScreen[None]):
    """Keys and words of another screen.

    Args:
        of: the screen to explain.
    """

    CSS_PATH: ClassVar[str] = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", key_display="esc", id="help.close"),
        replace(HELP_KEY, action="dismiss"),
    ]

    def __init__(self, of: Screen[Any]) -> None:
        super().__init__()
        self._of = of

    def compose(self) -> ComposeResult:
        """Keys, then text."""
        box = VerticalScroll(id="help-box")
        box.border_title = f"Help · {self._of.BINDING_GROUP_TITLE or 'keys'}"
        box.border_subtitle = own_keys(self, "esc closes")
        with box:
            yield Static(_table(self.app, keys_of(self._of, self.app)), id="help-keys")
            for paragraph in (self._of.HELP or "").split("\n"):
                yield Static(paragraph, markup=False)

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#help-box").focus()


def keys_of(screen: Screen[Any], app: App[Any]) -> list[Binding]:
    """The bindings that mean something now, those of the field with the focus first, each action once."""
    found: dict[str, Binding] = {}
    for active in in_order(screen.active_bindings.values()):
        if active.binding.id or active.binding.key == app.COMMAND_PALETTE_BINDING:
            found.setdefault(active.binding.action, active.binding)
    return list(found.values())


def _table(app: App[Any], bindings: list[Binding]) -> Content:
    lines = []
    for binding in bindings:
        words = binding.tooltip or binding.description
        words = words[:1].upper() + words[1:]
        lines.append(Content.assemble((f"{app.get_key_display(binding):>10}", "$accent"), "  ", words))
    return Content("\n").join(lines)
