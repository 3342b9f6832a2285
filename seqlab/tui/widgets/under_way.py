"""A line that says how many runs are under way; it is not there if none is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.widgets import Static

from seqlab.settings import key_name

if TYPE_CHECKING:
    from seqlab.tui.app import LabApp


class UnderWay(Static):
    """Says what it found at the last look."""

    if TYPE_CHECKING:
        app: LabApp

    def __init__(self) -> None:
        super().__init__("", markup=False)

    @work(exclusive=True)
    async def look(self) -> None:
        """Count in a thread; what cannot be listed is not under way."""
        from seqlab.runs.layout import RunError

        if not self.screen.is_active:
            return
        try:
            found = len(await asyncio.to_thread(lambda: self.app.listing.under_way()))
        except RunError:
            found = 0
        key = key_name(self.app, "app.runs", "r")
        words = (
            f"{found} runs under way · {key} shows them" if found > 1 else f"1 run under way · {key} shows it"
        )
        if self.is_attached and (self.display != bool(found) or self.content != words):
            self.update(words)
            self.display = bool(found)
