"""A line to type into, that does what keys say in the order in which they come.

Textual's own takes letters at once, and every other key only after it has gone round by the app: of keys that
come in a burst, as over a slow link, letters would overtake a backspace.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input

_NOT_FOR_EDITING = ("enter", "ctrl+c,super+c")
"""Keys of an Input that belong to the screen: start, and leaving."""


class LineInput(Input, inherit_bindings=False):
    """Textual's line, with its keys for editing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key for key in Input.BINDINGS if isinstance(key, Binding) and key.key not in _NOT_FOR_EDITING
    ]

    async def _on_key(self, event: events.Key) -> None:
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if not binding.id:  # those that have one may have been given another key
                event.stop()
                event.prevent_default()
                await self.run_action(binding.action)
