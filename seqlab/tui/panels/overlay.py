"""Reading the runs that lie over the one that is shown: as seldom as will do, whatever becomes of them.

A run that is under way is looked at once a second; one that is over, only when its files have changed. What
cannot be read is left out, in words, and tried again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seqlab.runs import layout
from seqlab.runs.compare import Difference, differences
from seqlab.runs.frames import Frame, KeptFrames
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader
from seqlab.tui.panels.fitting import fitted
from seqlab.tui.panels.moment import Moment, Other, gone_back, observe
from seqlab.tui.panels.others import MOST, letter, names_of

EVERY = 1.0
"""Seconds between two looks at a run."""
_CHANGING = (layout.STATUS, layout.METRICS, layout.LIVE, layout.FRAMES)
"""What does not change any more in the folder of a run that is over, unless it is resumed or still copied."""


class Overlay:
    """The runs to lay over another one.

    Args:
        shown: the folder of the run that is shown.
        folders: those of the others, in the order of their letters; those beyond the letters are not read.
    """

    def __init__(self, shown: Path, folders: Sequence[Path]) -> None:
        self._shown = shown
        self._runs = [_Run(place, folder) for place, folder in enumerate(folders[: MOST - 1], 1)]
        self._compared: tuple[Path, ...] = ()
        self._differing: list[Difference] = []

    def over(self, moment: Moment) -> Moment:
        """The moment with the others over it. It reads files: not for the event loop."""
        if not self._runs:
            return moment
        step = None if moment.chosen is None else moment.chosen.step
        here: list[tuple[_Run, Moment]] = []
        left_out = []
        for run in self._runs:
            found = run.look(step)
            if isinstance(found, Moment):
                here.append((run, found))
            else:
                left_out.append(f"{letter(run.place)}: {harmless(str(found))}")
        specs = [moment.snapshot.spec, *(found.snapshot.spec for _, found in here)]
        name, *names = names_of(specs, self._compare([run for run, _ in here]))
        others = (Other(run.place, name, found) for (run, found), name in zip(here, names, strict=True))
        return replace(moment, others=tuple(others), name=name, left_out=tuple(left_out))

    def _compare(self, runs: Sequence[_Run]) -> list[Difference]:
        """How the specs of the shown run and these differ. Specs never change: they are read once."""
        folders = (self._shown, *(run.folder for run in runs))
        if folders != self._compared:
            try:
                self._differing = differences(folders)
            except RunError:  # gone since it was read: the next look says so
                return []
            self._compared = folders
        return self._differing


class _Run:
    """One of them."""

    def __init__(self, place: int, folder: Path) -> None:
        self.place, self.folder = place, folder
        self._reader: RunReader | None = None
        # Of large networks frames are large: one at a time is kept in memory.
        self._kept = KeptFrames(folder / layout.FRAMES, most_bytes=0)
        self._found: Moment | RunError = RunError("not read yet")
        self._seen: object = None
        self._next = -EVERY
        self._gone_back: tuple[int, Moment, Moment] | None = None

    def look(self, step: int | None) -> Moment | RunError:
        """The run as it was seen last, at its kept frame nearest to `step`; or why it cannot be read."""
        if time.monotonic() >= self._next:
            self._poll()
            self._next = time.monotonic() + EVERY
        found = self._found
        if step is None or isinstance(found, RunError):
            return found
        if self._gone_back is None or self._gone_back[0] != step or self._gone_back[1] is not found:
            self._gone_back = step, found, gone_back(found, self._frame_near(step))
        return self._gone_back[2]

    def _poll(self) -> None:
        """Read it, if there may be anything new."""
        seen = [_stamp(self.folder / name) for name in _CHANGING]
        if isinstance(self._found, Moment) and self._found.over and seen == self._seen:
            return
        try:
            if self._reader is None:
                self._reader = RunReader(self.folder)
            self._found = observe(fitted(self._reader.poll()))
        except RunError as error:
            self._found, self._reader = error, None
        self._seen = seen

    def _frame_near(self, step: int) -> Frame | None:
        nearest = min(self._kept.look(), key=lambda each: (abs(each - step), each), default=None)
        return None if nearest is None else self._kept.near(nearest, -1)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Another one means other content."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
