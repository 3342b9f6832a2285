"""The keys of the lab in one line; where there is no room for all, those that matter least give way."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.widget import Widget
from textual.widgets._footer import FooterKey, FooterLabel, KeyGroup

from seqlab.tui.widgets.keys import Keys

_ORDER = (
    *("pause", "help", "quit", "step", "rate", "steer", "fork"),
    *("log", "gate", "stop", "runs", "new", "layer", "maximise"),
)


class LabKeys(Keys):
    """The footer of the lab. It never scrolls: help names every key."""

    async def recompose(self) -> None:
        """Make the keys anew, and fit them."""
        await super().recompose()
        self._fit()

    def _on_resize(self, event: events.Resize) -> None:
        super()._on_resize(event)
        self._fit()

    def _fit(self) -> None:
        blocks = list(self._blocks())
        room = self.size.width - self.styles.padding.left - 1
        shown = 0
        for _, widgets, width in sorted(blocks, key=lambda block: block[0]):
            shown += width
            for widget in widgets:
                widget.display = shown <= room

    def _blocks(self) -> list[tuple[tuple[bool, int], list[Widget], int]]:
        """(rank, widgets, cells) of each key, or of each group of keys with its words."""
        blocks: list[tuple[tuple[bool, int], list[Widget], int]] = []
        for child in self.children:
            if isinstance(child, FooterKey):
                width = len(child.key_display) + len(child.description) + 2
                blocks.append((_rank([child]), [child], width))
            elif isinstance(child, KeyGroup):
                keys = list(child.query(FooterKey))
                width = sum(len(key.key_display) + 1 for key in keys)
                blocks.append((_rank(keys), [child], width))
            elif isinstance(child, FooterLabel) and blocks:  # the words of the group before
                rank, widgets, width = blocks.pop()
                blocks.append((rank, [*widgets, child], width + len(str(child.content)) + 2))
        return blocks


def _rank(keys: Sequence[FooterKey]) -> tuple[bool, int]:
    """Whether none of these keys does anything now, and the place of their action in the order."""
    name = keys[0].action.rpartition(".")[2].partition("(")[0] if keys else ""
    idle = all(key.has_class("-disabled") for key in keys)
    return idle, _ORDER.index(name) if name in _ORDER else len(_ORDER)
