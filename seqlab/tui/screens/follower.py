"""Following a run: look at its folder, in a thread, as often as there may be something new.

The lab's only clock. A look hands back a frozen `Moment`, or why there is none; between looks it rests, for
longer where nothing changes by itself or where pictures are dear, and not at all once a key wants something.
What was wanted while a look was under way is seen by the next: wishes that were overtaken cost nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs import control
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader
from seqlab.settings import Settings
from seqlab.spec.rival import has_rival
from seqlab.tui.panels.loss import LOSS
from seqlab.tui.panels.moment import Hearsay, Moment, Wanted, look
from seqlab.tui.panels.overlay import Overlay
from seqlab.tui.panels.travel import Travel

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker

TICK_FIRST = 0.1
"""Seconds between looks until there is a first point."""
TICK_IDLE = 0.5
"""The same while nothing changes by itself."""
HURRY, HURRY_FOR = 0.05, 2.0
"""Seconds between looks, and for how long at most, while the worker has not done yet what a key wanted."""
SHARE = 0.075
"""Of a processor for the lab: after a picture that took long it rests for longer."""
TICK_LONGEST = 1.0
"""Seconds that it rests at most for that."""
TOUCH = 2.0
"""Seconds between signs to the worker that somebody is looking."""


class Follower:
    """Looks at a run until it is told that nobody is there any more.

    Args:
        folder: the run folder.
        worker: the worker that trains it, if this program started it.
        waiting: whether something was asked of the worker that it has not done yet.
        unseen: whether nobody could see what a look finds: then it is left out.
        others: folders of runs to lay over it.

    Attributes:
        travel: which step the person wants to see.
        pause: seconds between looks at a run that is training.
        share: of a processor that looking at it may take; 1 for no such limit.
    """

    def __init__(
        self,
        folder: Path,
        worker: Worker | None,
        waiting: Callable[[], bool],
        unseen: Callable[[], bool],
        others: Sequence[Path] = (),
    ) -> None:
        self.folder = folder
        self.travel = Travel()
        self.pause, self.share = Settings().pause, SHARE
        self._worker = worker
        self._waiting, self._unseen = waiting, unseen
        self._overlay = Overlay(folder, others)
        self._heard: tuple[tuple[str, str], float] = (("", ""), time.monotonic())
        self._viewer = f"lab-{os.getpid()}-{secrets.token_hex(4)}"
        self._touched = -TOUCH
        self._challenged = False
        self._hurry_until = 0.0
        self._used = time.process_time()
        self._awake = asyncio.Event()

    async def follow(self, show: Callable[[Moment | RunError], None], wanted: Callable[[], bool]) -> None:
        """Look, show, rest.

        Args:
            show: is given what each look found.
            wanted: whether there still is a screen to show it on.
        """
        reader: RunReader | None = None
        found: Moment | RunError | None = None
        while True:
            self._awake.clear()
            if not self._unseen():
                hearsay, wish = self._hearsay(), self.travel.wanted
                try:
                    if reader is None:
                        reader = await asyncio.to_thread(RunReader, self.folder)
                    found = await asyncio.to_thread(self._look, reader, hearsay, wish)
                    self.travel.landed(wish, found)
                except RunError as error:
                    found = error
                # The screen may have been left in the meantime, and its parts with it.
                if not wanted():
                    return
                show(found)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self._rest(found))

    def hurry(self) -> None:
        """Look again at once, and often until the worker has done what it was asked for."""
        self._hurry_until = time.monotonic() + HURRY_FOR
        self._awake.set()

    def look(self) -> None:
        """Look again at once."""
        self._awake.set()

    def leave(self) -> None:
        """Nobody is looking any more. It writes a file: not for the event loop."""
        control.forget_viewer(self.folder, self._viewer)

    @property
    def worker_is_dead(self) -> bool:
        """Whether this program's own worker has ended."""
        return self._worker is not None and self._worker.exit_code is not None

    def _look(self, reader: RunReader, hearsay: Hearsay | None, wish: Wanted | None) -> Moment:
        """Runs in a thread: the disk may be slow."""
        now = time.monotonic()
        if now - self._touched >= TOUCH:
            self._touched = now
            control.touch_viewer(self.folder, self._viewer)
        moment = self._overlay.over(look(reader, hearsay, self._worker, wish))
        live = moment.state in ("training", "paused")
        # Beside what the network evaluates to: before that there is nothing to rival.
        if not self._challenged and live and len(moment.snapshot.metrics.get(LOSS, ())):
            self._challenged = True
            if moment.snapshot.rival is None and has_rival(moment.snapshot.spec):
                with contextlib.suppress(RunError):  # a folder that one may only look at
                    control.send(self.folder, "rival")
        return moment

    def _rest(self, found: Moment | RunError | None) -> float:
        """Seconds until the next look."""
        before, self._used = self._used, time.process_time()
        if not isinstance(found, Moment) or found.over:
            return TICK_IDLE
        idle = found.state == "paused"
        if time.monotonic() < self._hurry_until and (idle or self._waiting()):
            return HURRY
        if idle:
            return TICK_IDLE
        if not found.snapshot.metrics:
            return TICK_FIRST
        # What the picture before cost, drawing and sending included.
        return max(self.pause, min((self._used - before) / self.share, TICK_LONGEST))

    def _hearsay(self) -> Hearsay | None:
        """Ask after the worker, before the folder is read."""
        worker = self._worker
        if worker is None:
            return None
        said = (str(worker.latest.get("state", "")), str(worker.latest.get("cell", "")))
        if said != self._heard[0]:
            self._heard = said, time.monotonic()
        return Hearsay(worker.exit_code, *said, time.monotonic() - self._heard[1])
