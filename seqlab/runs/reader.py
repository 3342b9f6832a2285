"""Following a run under way: `RunReader.poll` returns what the folder says now, as one frozen `Snapshot`.

The reader only reads, opens every file anew at each poll, and trusts nothing: a folder may be half copied,
torn by a crash, or not a run at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seqlab.runs import files, layout, liveness
from seqlab.runs import tensors as safetensors
from seqlab.runs.cached import Cached
from seqlab.runs.frames import Frame, KeptFrames, read_frame
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.metrics import MetricsFile, Series
from seqlab.runs.rival import Rival, rival_from
from seqlab.runs.status import MOST_STEP, Status
from seqlab.runs.tail import Tail
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

SILENT = 10.0
"""Seconds without a sign of life from a worker that is there, after which that is a problem."""
_MOST_PROBE_BYTES = 256_000_000
_MOST_PROBLEM = 500


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
        problems: what else is wrong, a line each.
        behind: whether there is more to read than this poll has.

    Texts in `status`, `rungs` and `problems` are fit for a terminal; those of events are as they were found.
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
    behind: bool = False


class RunReader:
    """Follows the run in `folder`.

    Raises:
        RunError: not a run folder, damaged, or of a newer format.
    """

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        layout.check_run(self.folder)
        self._look()
        self._spec = _read_spec(self.folder)
        self._metrics = MetricsFile(self.folder / layout.METRICS)
        self._events = _Events(self.folder / layout.EVENTS)
        self._live = Cached(read_frame)
        self._newest = Cached(read_frame)
        self._kept = KeptFrames(self.folder / layout.FRAMES)
        self._probe = Cached(_read_probe)

    def poll(self, whole: bool = True) -> Snapshot:
        """Read what has changed since the last poll.

        Args:
            whole: read all metrics and events, however long that takes; else of each as much as a `Tail`
                takes at once, and `Snapshot.behind` says whether that was all.

        Raises:
            RunError: the folder is gone, or holds a newer format.
        """
        layout.check_inner(self.folder)
        problems: list[str] = []
        # First of all: rows written after this look only make the metrics newer than the state, never older.
        try:
            self._look()
        except RunError as error:
            layout.check_run(self.folder)
            problems.append(str(error))
        for follow in (self._metrics.poll, self._events.poll):
            try:
                follow(whole)
            except OSError as error:
                problems.append(f"{error.filename or self.folder}: {error.strerror}")
            except MemoryError:
                problems.append(f"{self.folder}: not enough memory for all that it holds")
        age = liveness.silence(self.folder, self._status)
        if age > SILENT and self._is_held:
            problems.append(f"no sign of life from the worker for {age:.0f} s: is its disk full?")
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
            age=age,
            metrics=MappingProxyType(self._metrics.series()),
            rows=self._metrics.rows,
            events=self._events.events,
            rungs=self._events.rungs,
            rival=self._events.rival,
            frame=frame,
            kept=self._kept.steps,
            probe=probe,
            skipped=self._metrics.skipped + self._events.skipped,
            problems=tuple(harmless(problem, _MOST_PROBLEM) for problem in problems),
            behind=self._metrics.behind or self._events.behind,
        )

    def frame_near(self, step: int, towards: int) -> Frame | None:
        """A kept frame, read from its file or from memory; see `KeptFrames.near`.

        Files that cannot be read are passed over; the next poll names them among the problems.

        Args:
            step: of one of `Snapshot.kept`, or of a frame that was shown before.
            towards: where to look on if it cannot be read: below 0 for earlier frames, else later ones.
        """
        return self._kept.near(step, towards)

    def _look(self) -> None:
        status, self._state = liveness.read_state(self.folder)
        self._status = replace(
            status, host=harmless(status.host), message=harmless(status.message, _MOST_PROBLEM)
        )

    @property
    def _is_held(self) -> bool:
        """Whether a worker of this machine is at the run."""
        over = self._state in layout.FINAL_STATES or self._state == "lost"
        return not over and liveness.lock_is_held(self.folder) is True

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
        return self._skipped + self._tail.skipped + self._tail.torn

    @property
    def behind(self) -> bool:
        return self._tail.behind

    def poll(self, whole: bool = True) -> None:
        self._poll()
        while whole and self.behind:
            self._poll()

    def _poll(self) -> None:
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


def _read_spec(folder: Path) -> Spec:
    from seqlab.spec.files import load_spec
    from seqlab.spec.problems import SpecError

    try:
        return load_spec(folder)
    except SpecError as error:
        raise RunError(
            "\n".join(harmless(line, _MOST_PROBLEM) for line in str(error).splitlines())
        ) from error


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
    if not 0 <= event["step"] < MOST_STEP:
        raise ValueError("a step that no run has")
    files.number(event.get("time"))
    return MappingProxyType(event)


def _rung(found: Mapping[str, Any]) -> RungValue:
    value = None if found["value"] is None else files.number(found["value"])
    name, label, metric = (harmless(str(found[key])) for key in ("name", "label", "metric"))
    return RungValue(name, label, metric, value, files.number(found["measured"]))
