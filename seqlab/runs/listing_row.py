"""A run as a row of a list: frozen, with what lists show of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqlab.runs import layout
from seqlab.runs.listing_files import Told
from seqlab.runs.status import Status

LOST = "lost"
ILL = {"damaged": "damaged", "newer": "newer format", "unreadable": "unreadable"}
"""States of folders whose status means nothing to us, and the words for them."""
_LOSSES = ("eval/loss", "train/loss")


@dataclass(frozen=True)
class Row:
    """A run as a list shows it. Texts are fit for a terminal.

    Attributes:
        folder: the run folder.
        name: its name.
        state: the state to show: one of `layout.STATES`, "lost", or a key of `ILL`.
        made: when it was made, Unix time.
        status: status.json; None of a folder that is ill.
        told: what its spec says; None until that was read.
        curve: its loss from the first step to the last, at most 32 points; () until that was read.
        message: one line: what is wrong with the folder, or the worker's own words, or that the folder is a
            link; or "".
    """

    folder: Path
    name: str
    state: str
    made: float
    status: Status | None = None
    told: Told | None = None
    curve: tuple[float, ...] = ()
    message: str = ""

    @property
    def ill(self) -> bool:
        """Whether the folder cannot be opened as a run."""
        return self.state in ILL

    @property
    def under_way(self) -> bool:
        """Whether a worker is at it."""
        return not self.ill and self.state != LOST and self.state not in layout.FINAL_STATES

    @property
    def step(self) -> int:
        """The last step made."""
        return self.status.step if self.status else 0

    @property
    def steps(self) -> int:
        """The step at which training ends."""
        return self.status.steps if self.status else 0

    @property
    def loss(self) -> float | None:
        """The latest loss: on the eval split where it is known, else on a batch; None before either."""
        found = self.status.metrics if self.status else {}
        return next((found[name] for name in _LOSSES if name in found), None)

    @property
    def best(self) -> float | None:
        """The lowest eval loss so far; None before there is one."""
        found = self.status.best if self.status else None
        return None if found is None else found["eval/loss"]

    def age(self, now: float) -> float:
        """Seconds since it was made."""
        return max(0.0, now - self.made)

    def silence(self, now: float) -> float:
        """Seconds since the worker's last sign of life."""
        heartbeat = self.status.heartbeat if self.status else math.nan
        return max(0.0, now - heartbeat) if math.isfinite(heartbeat) else math.inf


def matching(rows: Sequence[Row], words: str) -> list[Row]:
    """The rows that hold every one of these words in name, task, cell, state or title."""
    sought = words.casefold().split()
    return [row for row in rows if all(word in _text(row) for word in sought)]


def _text(row: Row) -> str:
    told = row.told
    words = (told.task, told.cell, told.title) if told else ()
    return " ".join((row.name, row.state, ILL.get(row.state, ""), *words)).casefold()
