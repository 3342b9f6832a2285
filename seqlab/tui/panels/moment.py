"""A moment of a run, as the lab shows it: the reader's snapshot, and what only the lab itself knows.

The lab may hold the worker's process, and then sees its death at once, long before the folder gives it
away; and it hears what a worker is doing that has not come to its run yet. And the person may have gone back
to an earlier frame: then `frame`, `metric` and whatever was in force are those of that step, while `snapshot`
and `state` go on with the run. Everything here is worked out from plain values.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.runs.frames import Frame
from seqlab.runs.launch import worker_log_tail
from seqlab.runs.layout import FINAL_STATES
from seqlab.runs.metrics import Series
from seqlab.runs.reader import RunReader, Snapshot
from seqlab.spec.steerable import LEARNING_RATE, TRUNCATION
from seqlab.tui.panels.fitting import emptied, fitted, misfit

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker

_LOG_LINES = 6
"""Of a dead worker's last words."""
_LARGEST = 1e300
"""What no change comes near; NaN and infinity are none either."""


@dataclass(frozen=True)
class Moment:
    """What the panels are given at each tick.

    Attributes:
        snapshot: the run as its folder has it.
        state: the state to show: the snapshot's, or "lost" as soon as the lab's own worker is seen dead.
        doing: what the worker does until it trains, with its time: `compiling lstm 2.1 s`; after that "".
        exit_code: of the lab's own worker, once it has ended.
        stderr: the last lines that the lab's own worker wrote before it had a run; of a dead one only.
        log: the last lines of worker.log that are not blank; of a run that was lost or failed only.
        chosen: the kept frame that the person went back to; None for the newest.
        others: runs that lie over this one.
        name: what this one is called among them; "" if there are none.
        left_out: why others are not among them, a line each.
    """

    snapshot: Snapshot
    state: str
    doing: str = ""
    exit_code: int | None = None
    stderr: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    chosen: Frame | None = None
    others: tuple[Other, ...] = ()
    name: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """The last step known of, whichever is shown: rows come faster than the status."""
        losses = self.snapshot.metrics.get("train/loss")
        newest = int(losses.steps[-1]) if losses is not None and len(losses) else 0
        return max(self.snapshot.status.step, newest)

    @property
    def live(self) -> Moment:
        """The same, with the newest frame to show."""
        return self if self.chosen is None else replace(self, chosen=None)

    @property
    def frame(self) -> Frame | None:
        """The frame to show: the chosen one, or else the newest."""
        return self.chosen or self.snapshot.frame

    @property
    def frame_step(self) -> int | None:
        """Of the frame. Frames of one step hold the same: another step means something to draw."""
        return None if self.frame is None else self.frame.step

    @property
    def at(self) -> int:
        """The step to show: that of the chosen frame, or else the last one."""
        return self.step if self.chosen is None else self.chosen.step

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in FINAL_STATES or self.state == "lost"

    @property
    def learning_rate(self) -> float:
        """The learning rate in force at the step to show."""
        return float(self.in_force(LEARNING_RATE.field, self.snapshot.spec.training.optimizer.lr))

    @property
    def truncation(self) -> int:
        """The truncation in force at the step to show."""
        return int(self.in_force(TRUNCATION.field, self.snapshot.spec.training.truncation))

    def in_force(self, field: str, planned: float) -> float:
        """The value of a field at the step to show: the spec's, or what it was last changed to."""
        # The last on record counts, as for the worker: see `spec.steerable.acting`. What was changed since
        # the run went on last is in force now, even if no row tells of its step yet.
        events, live = self.snapshot.events, self.chosen is None
        went_on = max((n for n, each in enumerate(events) if each["event"] == "resumed"), default=-1)
        for n, event in reversed(list(enumerate(events))):
            acts = _is_change(event) and event["field"] == field
            if acts and (event["step"] <= self.at + live or (live and n > went_on)):
                return float(event["value"])
        return planned

    def metric(self, name: str) -> Series | None:
        """A metric up to the step to show; None if it has no value yet."""
        found = self.snapshot.metrics.get(name)
        if found is not None and self.chosen is not None:
            count = int(np.searchsorted(found.steps, self.at, "right"))
            found = Series(found.steps[:count], found.values[:count])
        return found if found is not None and len(found) else None

    def tensor(self, name: str) -> NDArray[Any] | None:
        """An array of the frame, None if there is none."""
        return None if self.frame is None else self.frame.tensors.get(name)

    def waiting_for(self, what: str) -> str:
        """Words for a panel that has nothing to show: what goes on, and what comes then."""
        if self.over:
            ended = {"lost": "was lost", "stopped": "was stopped"}.get(self.state, self.state)
            return f"the run {ended} before there was anything to show"
        return f"{self.doing or self.state} · then {what}"

    def waiting_for_probe(self, what: str) -> str:
        """The same for a panel that needs the probe sequences: their file may have been left behind."""
        under_way = self.frame is not None or (self.over and self.step > 0)
        if self.snapshot.probe is None and under_way:
            return "probe.safetensors is missing or damaged"
        return self.waiting_for(what)


@dataclass(frozen=True, eq=False)
class Other:
    """A run that lies over the one that is shown.

    Attributes:
        place: which it is among them, from 1: the one that is shown is number 0.
        name: what it is, in a few words.
        moment: it, as it was seen last; who has gone back sees its kept frame nearest to that step.
    """

    place: int
    name: str
    moment: Moment


class Wanted(NamedTuple):
    """A kept frame that the person wants to see.

    Attributes:
        step: of the frame.
        towards: where to look on if it cannot be read: below 0 for earlier ones, else later ones.
    """

    step: int
    towards: int


@dataclass(frozen=True)
class Hearsay:
    """What the lab knows of a worker that it holds.

    Attributes:
        exit_code: None while its process runs, -n if signal n ended it.
        state: what it said it does, before it came to its run: "importing", "compiling", "ready", or "".
        cell: what it compiles.
        seconds: since when, as the lab saw it.
    """

    exit_code: int | None = None
    state: str = ""
    cell: str = ""
    seconds: float = 0.0


def observe(snapshot: Snapshot, worker: Hearsay | None = None, now: float | None = None) -> Moment:
    """Join a snapshot with what is known of the worker.

    Args:
        snapshot: taken after `worker` was asked, so that a worker seen dead has written its last state.
        worker: None when another program started it.
        now: Unix time, seconds.
    """
    state = snapshot.state
    if worker is not None and worker.exit_code is not None and state not in FINAL_STATES:
        state = "lost"
    doing = _doing(snapshot, state, worker, time.time() if now is None else now)
    return Moment(snapshot, state, doing, None if worker is None else worker.exit_code)


def look(
    reader: RunReader, hearsay: Hearsay | None, worker: Worker | None, wanted: Wanted | None = None
) -> Moment:
    """Poll a run, and read the frame that is wanted, and the last words of a worker that died.

    It reads files: not for the event loop.

    Raises:
        RunError: the folder is gone, or holds a newer format.
    """
    moment = observe(fitted(reader.poll()), hearsay)
    if wanted is not None:
        moment = gone_back(moment, reader.frame_near(*wanted))
    if moment.state not in ("lost", "failed"):
        return moment
    stderr = worker.stderr_tail().splitlines() if worker is not None else []
    log = [line for line in worker_log_tail(reader.folder, _LOG_LINES) if line.strip()]
    return replace(moment, stderr=tuple(stderr[-_LOG_LINES:]), log=tuple(log))


def gone_back(moment: Moment, chosen: Frame | None) -> Moment:
    """The moment with this kept frame chosen; with an empty one, and a word about it, if it does not fit."""
    words = "" if chosen is None else misfit(chosen, moment.snapshot.spec)
    if chosen is None or not words:
        return replace(moment, chosen=chosen)
    snapshot = replace(moment.snapshot, problems=(*moment.snapshot.problems, words))
    return replace(moment, snapshot=snapshot, chosen=emptied(chosen))


def changes(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """The events that changed a number of the spec: `field`, `value`, and the `step` from which it acts."""
    return [event for event in snapshot.events if _is_change(event)]


def _is_change(event: Mapping[str, Any]) -> bool:
    return (
        event["event"] == "changed"
        and isinstance(event.get("field"), str)
        and isinstance(event.get("value"), int | float)
        and abs(event["value"]) < _LARGEST
    )


def _doing(snapshot: Snapshot, state: str, worker: Hearsay | None, now: float) -> str:
    since = {event["event"]: float(event["time"]) for event in snapshot.events}
    cell = snapshot.spec.model.cell
    if state == "starting" and worker is not None and worker.state in ("importing", "compiling"):
        words = "importing numba" if worker.state == "importing" else f"compiling {worker.cell or cell}"
        return f"{words} {worker.seconds:.1f} s"
    if state == "starting":
        return f"starting a worker {max(0.0, now - snapshot.status.heartbeat):.1f} s"
    if state == "importing":
        return f"importing numba {max(0.0, now - since.get('importing', now)):.1f} s"
    if state == "compiling":
        compiled = since.get("compiled", 0.0)
        if compiled > since.get("compiling", 0.0):
            return f"measuring the rungs {max(0.0, now - compiled):.1f} s"
        return f"compiling {cell} {max(0.0, now - since.get('compiling', now)):.1f} s"
    return ""
