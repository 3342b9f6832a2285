"""Following a run under way: `RunReader.poll` returns what the folder says now, as one frozen `Snapshot`.

The reader only reads, opens every file anew at each poll, and trusts nothing: a folder may be half copied,
torn by a crash, or not a run at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seqlab.runs import files, layout, liveness
from seqlab.runs import tensors as safetensors
from seqlab.runs.frames import Frame, KeptFrames, read_frame
from seqlab.runs.layout import RunError, Status
from seqlab.runs.metrics import MetricsFile, Series
from seqlab.runs.rival import Rival, rival_from
from seqlab.runs.tail import Tail
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

_MOST_PROBE_BYTES = 256_000_000
_MOST_SPEC_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class RungValue:
    """A rung as this run has it.

    Attributes:
        name: what claims call it.
        label: what the plot calls it.
        metric: the metric it is drawn with.
        value: by formula; None where that is for another loss than the run's.
        measured: on the run's own eval split.
    """

    name: str
    label: str
    metric: str
    value: float | None
    measured: float

    @property
    def height(self) -> float:
        """Where it is drawn: its value by formula, or else as measured."""
        return self.measured if self.value is None else self.value


@dataclass(frozen=True)
class Snapshot:
    """A run as one poll found it.

    Attributes:
        folder: the run folder.
        name: its name.
        spec: the resolved spec.
        status: status.json.
        state: the state to show: `status.state`, or "lost".
        age: seconds since the worker's last heartbeat.
        metrics: each metric by name, also `wall` and `sequences`; only at the rows that have it.
        rows: how many rows there are.
        events: the events in order, each with `time`, `step`, `event` and its fields.
        rungs: the task's rungs, once they are measured.
        rival: what an echo state network reaches on the same task, once it was asked for and is known.
        frame: the newest frame, live or kept, or None.
        kept: the steps of the kept frames, in order; `RunReader.frame_near` reads them.
        probe: the probe batch: `inputs [T,B,F]`, `targets [T,B,O]` or `[T,B]`, `mask [T,B]`, and where there
            are any `lengths [B]` and `future [horizon,B,O]`; or None.
        skipped: lines that could not be read, a torn last one included.
        problems: what else could not be read, a line each.
    """

    folder: Path
    name: str
    spec: Spec
    status: Status
    state: str
    age: float
    metrics: Mapping[str, Series]
    rows: int
    events: tuple[Mapping[str, Any], ...]
    rungs: tuple[RungValue, ...]
    rival: Rival | None
    frame: Frame | None
    kept: tuple[int, ...]
    probe: Tensors | None
    skipped: int
    problems: tuple[str, ...]


class RunReader:
    """Follows the run in `folder`.

    Raises:
        RunError: not a run folder, damaged, or of a newer format.
    """

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        layout.check_run(self.folder)
        self._status, self._state = liveness.read_state(self.folder)
        self._spec = _read_spec(self.folder)
        self._metrics = MetricsFile(self.folder / layout.METRICS)
        self._events = _Events(self.folder / layout.EVENTS)
        self._live = _Cached(read_frame)
        self._newest = _Cached(read_frame)
        self._kept = KeptFrames(self.folder / layout.FRAMES)
        self._probe = _Cached(_read_probe)

    def poll(self) -> Snapshot:
        """Read what has changed since the last poll.

        Raises:
            RunError: the folder is gone, or holds a newer format.
        """
        problems: list[str] = []
        # First of all: rows written after this look only make the metrics newer than the state, never older.
        try:
            self._status, self._state = liveness.read_state(self.folder)
        except RunError as error:
            layout.check_run(self.folder)
            problems.append(str(error))
        for follow in (self._metrics.poll, self._events.poll):
            try:
                follow()
            except OSError as error:
                problems.append(f"{error.filename or self.folder}: {error.strerror}")
        frame = self._newest_frame()
        probe = self._probe.get(self.folder / layout.PROBE)
        problems += [cached.problem for cached in (self._live, self._newest, self._probe) if cached.problem]
        problems += [words for words in self._kept.problems if words not in problems]
        return Snapshot(
            folder=self.folder,
            name=self.folder.name,
            spec=self._spec,
            status=self._status,
            state=self._state,
            age=max(0.0, time.time() - self._status.heartbeat),
            metrics=MappingProxyType(self._metrics.series()),
            rows=self._metrics.rows,
            events=self._events.events,
            rungs=self._events.rungs,
            rival=self._events.rival,
            frame=frame,
            kept=self._kept.steps,
            probe=probe,
            skipped=self._metrics.skipped + self._events.skipped,
            problems=tuple(problems),
        )

    def frame_near(self, step: int, towards: int) -> Frame | None:
        """A kept frame, read from its file or from memory; see `KeptFrames.near`.

        Files that cannot be read are passed over; the next poll names them among the problems.

        Args:
            step: of one of `Snapshot.kept`, or of a frame that was shown before.
            towards: where to look on if it cannot be read: below 0 for earlier frames, else later ones.
        """
        return self._kept.near(step, towards)

    def _newest_frame(self) -> Frame | None:
        live = self._live.get(self.folder / layout.LIVE)
        steps = self._kept.look()
        if not steps or (live is not None and live.step >= steps[-1]):
            return live
        return self._newest.get(self.folder / layout.FRAMES / layout.numbered(steps[-1])) or live


class _Events:
    """Follows events.jsonl."""

    def __init__(self, path: Path):
        self._tail = Tail(path)
        self._skipped = 0
        self.events: tuple[Mapping[str, Any], ...] = ()
        self.rungs: tuple[RungValue, ...] = ()
        self.rival: Rival | None = None

    @property
    def skipped(self) -> int:
        return self._skipped + self._tail.torn

    def poll(self) -> None:
        restarts = self._tail.restarts
        lines = self._tail.poll()
        if self._tail.restarts != restarts:
            self.events, self.rungs, self.rival, self._skipped = (), (), None, 0
        fresh = []
        for line in lines:
            try:
                fresh.append(_event(line))
            except ValueError:
                self._skipped += 1
        self.events += tuple(fresh)
        for event in fresh:
            try:
                if event["event"] == "rungs":
                    self.rungs = tuple(_rung(each) for each in event["rungs"])
                elif event["event"] == "rival":
                    self.rival = rival_from(event)
            except (KeyError, TypeError, ValueError):
                self._skipped += 1


class _Cached(Generic[T]):
    """The content of a file that is read again only when the file has changed."""

    def __init__(self, read: Callable[[Path], T]):
        self.problem = ""
        self._read = read
        self._value: T | None = None
        self._seen: tuple[Path, int, int, int] | None = None

    def get(self, path: Path) -> T | None:
        """What is in the file; what was in it when it cannot be read; None when there is none."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            self._value, self._seen, self.problem = None, None, ""
            return None
        except OSError as error:
            self.problem = f"{path}: {error.strerror}"
            return self._value
        seen = (path, found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            try:
                self._value, self.problem = self._read(path), ""
            except FileNotFoundError:  # thinned out or replaced between the two looks
                return self._value
            except OSError as error:
                self.problem = f"{path}: {error.strerror}"
                return self._value
            except ValueError as error:
                self.problem = f"{path}: {error}"
            self._seen = seen
        return self._value


def _read_spec(folder: Path) -> Spec:
    from seqlab.spec.files import load_spec
    from seqlab.spec.problems import SpecError

    try:
        files.read_regular(folder / layout.SPEC, _MOST_SPEC_BYTES)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / layout.SPEC}: cannot be read: {error}") from error
    try:
        return load_spec(folder / layout.SPEC)
    except SpecError as error:
        raise RunError(str(error)) from error


def _read_probe(path: Path) -> Tensors:
    tensors, _ = safetensors.read(path, _MOST_PROBE_BYTES)
    missing = {"inputs", "targets", "mask"} - tensors.keys()
    if missing:
        raise ValueError(f"has no {' and no '.join(sorted(missing))}")
    return MappingProxyType(tensors)


def _event(line: bytes) -> Mapping[str, Any]:
    event = files.decode_row(line)
    if not isinstance(event.get("event"), str) or type(event.get("step")) is not int:
        raise ValueError("not an event")
    files.number(event.get("time"))
    return MappingProxyType(event)


def _rung(found: Mapping[str, Any]) -> RungValue:
    value = None if found["value"] is None else files.number(found["value"])
    names = (str(found["name"]), str(found["label"]), str(found["metric"]))
    return RungValue(*names, value, files.number(found["measured"]))
