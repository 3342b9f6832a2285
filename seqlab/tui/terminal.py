"""The terminal that the lab is drawn on, which may vanish at any moment.

Textual writes from a thread of its own, fed by a queue of bounded length. A write to a terminal that is gone
fails; the thread would die of it, the queue fill up, and the next to write, be it only to say goodbye, wait
for ever. So writes to a vanished terminal are dropped here instead.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

BACKLOG = 2
"""Writes that may wait for the terminal; beyond that it does not keep up."""


class Terminal(LinuxDriver):
    """Textual's driver, made to outlive its terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file: Any = Vanishing(self._file)

    @property
    def keeps_up(self) -> bool:
        """Whether the terminal takes what is written to it. Thirty waiting writes would block the lab."""
        return self._writer_thread is None or self._writer_thread._queue.qsize() <= BACKLOG


class Vanishing:
    """A text file whose writes may come to nothing."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> None:
        """Write, if there is anything to write to."""
        with suppress(OSError, ValueError):  # gone, or closed
            self._file.write(text)

    def flush(self) -> None:
        """Send what was written."""
        with suppress(OSError, ValueError):
            self._file.flush()
