"""The last line of a screen: its keys. And how keys are ordered and named wherever there are several."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey, FooterLabel, KeyGroup

from seqlab.settings import key_name, shown_key

_SEPARATOR = " · "


class Keys(Footer):
    """Textual's footer, close set; the palette, which help names too, gives way where the line is short.

    Keys that a person has moved stand where the actions stood before.
    """

    def __init__(self) -> None:
        super().__init__(compact=True)

    def compose(self) -> ComposeResult:
        """Each action once, those of a group side by side; the palette last."""
        if not self._bindings_ready:
            return
        active, shown = self.screen.active_bindings, dict[str, ActiveBinding]()
        for each in in_order(active.values()):
            if each.binding.show:
                shown.setdefault(each.binding.action, each)
        for group, members in groupby(shown.values(), lambda each: each.binding.group):
            together = list(members)
            if group is None or len(together) == 1:
                yield from map(self._key, together)
            else:
                keys = [self._key(each, "-grouped", worded=False) for each in together]
                yield KeyGroup(*keys, classes="-compact" if group.compact else "")
                yield FooterLabel(group.description)
        palette = active.get(self.app.COMMAND_PALETTE_BINDING)
        if palette is not None:
            yield self._key(palette, "-command-palette")

    def _key(self, each: ActiveBinding, classes: str = "", worded: bool = True) -> FooterKey:
        binding = each.binding
        return FooterKey(
            binding.key,
            self.app.get_key_display(binding),
            binding.description if worded else "",
            binding.action,
            disabled=not each.enabled,
            tooltip=each.tooltip or binding.description,
            classes=classes,
        ).data_bind(compact=Footer.compact)

    def _on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < 72, "-slim")


def in_order(active: Iterable[ActiveBinding]) -> list[ActiveBinding]:
    """Active bindings in the order in which each node lists its own, whatever keys they have now."""
    active = list(active)
    nodes = list(dict.fromkeys(each.node for each in active))
    places = {
        (node, binding.id or binding.key): place
        for node in nodes
        for place, (_, binding) in reversed(list(enumerate(node._bindings)))
    }
    last = max(places.values(), default=0) + 1

    def place(each: ActiveBinding) -> tuple[int, int]:
        name = each.binding.id or each.binding.key
        return nodes.index(each.node), places.get((each.node, name), last)

    return sorted(active, key=place)


HELP_KEY = Binding(
    "question_mark",
    "app.help",
    "help",
    key_display="?",
    id="app.help",
    tooltip="Keys and words of this screen",
)
"""For dialogs, which keys of the app do not reach otherwise."""


def own_keys(screen: Screen[Any], words: str) -> str:
    """`enter change · esc leave it` with the keys that the person has given to these actions of a screen."""
    named = {binding.key_display or shown_key(key): binding.id for key, binding in screen._bindings}
    parts = (part.partition(" ") for part in words.split(_SEPARATOR))
    return _SEPARATOR.join(
        f"{key_name(screen.app, named[key] or '', key)} {rest}".strip() for key, _, rest in parts
    )
