"""Waiting for something to become true on a screen, without a clock of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot


async def until(pilot: Pilot[Any], holds: Callable[[], object], timeout: float = 180.0) -> None:
    """Let the app go on until `holds` is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        await pilot.pause(0.02)
    await pilot.pause()


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Press the keys of a text, one after the other."""
    await pilot.press(*({"-": "minus", ".": "full_stop", " ": "space", ",": "comma"}.get(c, c) for c in text))
    await pilot.pause()
