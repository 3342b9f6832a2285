"""Everything a worker writes into its run folder, but frames and checkpoints (see `persist`).

A thread of its own beats every two seconds: it writes status.json, sends out rows that wait for disk space,
and brings metrics to the disk. So a run shows signs of life through compiling and long steps, and a full disk
does not stop training.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from seqlab.runs import files, layout, liveness
from seqlab.runs import tensors as safetensors
from seqlab.runs.appender import Appender
from seqlab.runs.frames import encode_frame
from seqlab.runs.harmless import harmless
from seqlab.runs.kept import KeptFiles
from seqlab.runs.layout import NewerFormatError, RunError
from seqlab.runs.metrics import MetricsFile
from seqlab.runs.status import Status
from seqlab.runs.tensors import Tensors

#: Seconds between two heartbeats.
BEAT = 2.0
#: Seconds a worker waits at its end for disk space.
PATIENCE = 600.0

_SYNC_EVERY = 5.0  # seconds of metrics that a power cut may cost
_MOST_MESSAGE = 500  # characters of the status's message; the whole of an error stands in its event


class Event(NamedTuple):
    """An event of a run: what happened, after which step, and its own fields."""

    name: str
    step: int
    fields: Mapping[str, Any]


class RunWriter:
    """Writes the run in `folder`, which it locks from construction to `close`.

    status.json is first written by `set_status`: until then a worker can look at `previous` and leave the run
    as it was. Methods may be called from several threads. Rows and events that cannot be written for lack of
    space wait in memory; `trouble` says so in status.json as soon as that can be written.

    Attributes:
        folder: the run.
        previous: the status before this worker, or None if it is damaged.

    Raises:
        LockedError: another worker trains this run.
        RunError: not a run folder, or not writable.
    """

    def __init__(self, folder: Path, beat: float = BEAT):
        layout.check_run(folder)
        self.folder = folder
        self._lock = liveness.WorkerLock(folder)
        try:
            self.previous = _previous(folder)
            for inner in (folder, folder / layout.FRAMES, folder / layout.CHECKPOINTS):
                inner.mkdir(exist_ok=True)
                files.remove_leftovers(inner)
            (folder / layout.CONTROL).mkdir(exist_ok=True)
            self._metrics = Appender(folder / layout.METRICS, layout.METRICS_HEADER)
            self._events = Appender(folder / layout.EVENTS)
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError):
                path = error.filename or folder
                raise RunError(f"{path}: cannot be written: {error.strerror}") from error
            if isinstance(error, ValueError):
                raise RunError(str(error)) from error
            raise
        before = self.previous or Status("starting", step=0, steps=0)
        self._status = replace(before, state="starting", rate=None, message="", **liveness.this_process())
        # What rows change, kept apart: a new Status for each takes longer than writing it.
        self._step, self._best = before.step, before.best
        self._latest: dict[str, Any] = dict(before.metrics)
        self._began = False
        self._written = True
        self._message = ""
        self._troubles: dict[str, str] = {}
        self._mutex = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(beat,), name="heartbeat", daemon=True)
        self._thread.start()

    @property
    def status(self) -> Status:
        """What status.json says, or will say at the next beat."""
        latest = {name: float(value) for name, value in dict(self._latest).items() if "/" in name}
        return replace(self._status, step=self._step, metrics=latest, best=self._best)

    @property
    def best(self) -> Mapping[str, float] | None:
        """The status's `best`."""
        return self._best

    @property
    def pending(self) -> int:
        """Rows and events that wait for disk space."""
        return self._metrics.pending + self._events.pending

    def rows(self, *rows: Mapping[str, Any]) -> bool:
        """Add rows of metrics, with their `step`; True if acknowledged, False if some wait for space.

        The status takes over a row's step, its metrics (names with a slash), and, when its eval/loss is the
        lowest so far, `best`.
        """
        acknowledged = self._metrics.append(*rows)
        with self._mutex:
            for row in rows:
                self._take_over(row)
        return acknowledged

    def event(self, name: str, *, step: int | None = None, **fields: Any) -> bool:
        """Add an event; True once it is on the disk. `step` is the status's step unless given."""
        return self.events(Event(name, self._step if step is None else step, fields))

    def events(self, *events: Event) -> bool:
        """Add events; True once they are on the disk."""
        now = time.time()
        lines = [{"time": now, "step": each.step, "event": each.name, **each.fields} for each in events]
        return self._events.append(*lines) and self._events.sync()

    def resume(self, step: int) -> None:
        """Say that training goes on from `step`: later rows count no more, and later files are removed.

        Brings `status` (its metrics, `best`) to what it was at `step`.
        """
        for inner in (layout.FRAMES, layout.CHECKPOINTS):
            KeptFiles(self.folder / inner, 1).forget_after(step)
        (self.folder / layout.LIVE).unlink(missing_ok=True)
        self._metrics.append({"resumed": step})
        with self._mutex:
            table = MetricsFile(self.folder / layout.METRICS)
            table.poll()
            table.drop_after(step)
            self._step, self._best = step, table.best()
            self._latest = {name: series.last for name, series in table.series().items() if "/" in name}

    def set_status(
        self,
        *,
        state: str | None = None,
        step: int | None = None,
        steps: int | None = None,
        metrics: Mapping[str, float] | None = None,
        best: Mapping[str, float] | None = None,
        rate: float | None = None,
        message: str | None = None,
    ) -> None:
        """Change what is given. A change of state is written at once, anything else with the next beat."""
        if state is not None and state not in layout.STATES:
            raise ValueError(f"state '{state}' is not one of {', '.join(sorted(layout.STATES))}")
        given: dict[str, Any] = {"state": state, "steps": steps, "rate": rate}
        with self._mutex:
            self._step = self._step if step is None else step
            self._best = self._best if best is None else best
            self._latest = self._latest if metrics is None else dict(metrics)
            self._message = self._message if message is None else message
            changed = state is not None and state != self._status.state
            self._status = replace(
                self._status, **{name: value for name, value in given.items() if value is not None}
            )
            if changed or not self._began:
                self._began = True
                self._write_status()

    def trouble(self, about: str, text: str = "") -> None:
        """Show `text` in the status's message until it is taken back by an empty one; `about` is its key."""
        with self._mutex:
            if text:
                self._troubles[about] = text
            else:
                self._troubles.pop(about, None)

    def write_env(self, env: Mapping[str, Any]) -> None:
        """Write env.json.

        Raises:
            RunError: it cannot be written.
        """
        self._replace(layout.ENV, files.encode_json(env))

    def write_probe(self, tensors: Tensors) -> None:
        """Write the probe batch: `inputs [T,B,F]`, `targets [T,B,O]` or int64 `[T,B]`, `mask [T,B]`.

        Raises:
            RunError: it cannot be written.
        """
        self._replace(layout.PROBE, safetensors.encode(tensors))

    def live(self, step: int, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> bool:
        """Replace the live frame (see `frames.Frame`); False where it cannot be written."""
        try:
            files.replace(self.folder / layout.LIVE, encode_frame(step, tensors, metadata), sync=False)
        except OSError:
            return False
        return True

    def flush(self, patience: float = 0.0) -> None:
        """Write and sync everything that waits, trying for `patience` seconds.

        Raises:
            RunError: something still waits; the message names the file and the reason.
        """
        deadline = time.monotonic() + patience
        try:
            while not self._flushed(sync=True):
                if time.monotonic() >= deadline:
                    raise RunError(
                        f"{self.folder}: {self._waiting() or f'{layout.STATUS} cannot be written'}"
                    )
                time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
        except OSError as error:
            raise RunError(f"{self.folder}: cannot be written: {error.strerror}") from error

    def close(self, patience: float = 0.0) -> None:
        """Flush, end the heartbeat, and let go of the run.

        Raises:
            RunError: see `flush`; the run is let go of all the same.
        """
        try:
            self.flush(patience)
        finally:
            self._closing.set()
            self._thread.join()
            self._metrics.close()
            self._events.close()
            self._lock.release()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(PATIENCE if error is None else 0.0)

    def _take_over(self, row: Mapping[str, Any]) -> None:
        self._step = row.get("step", self._step)
        self._latest.update(row)  # made plain only where somebody reads it
        loss = float(row.get("eval/loss", math.nan))
        if math.isfinite(loss) and (self._best is None or loss < self._best["eval/loss"]):
            self._best = {"step": self._step, "eval/loss": loss}

    def _beat(self, every: float) -> None:
        synced = time.monotonic()
        while not self._closing.wait(every):
            with contextlib.suppress(OSError):  # it will be tried again, and `flush` reports it in the end
                self._flushed()
            if time.monotonic() - synced >= _SYNC_EVERY:
                self._metrics.sync()
                synced = time.monotonic()

    def _flushed(self, *, sync: bool = False) -> bool:
        """Whether all that waited is in the files now, and with `sync` on the disk."""
        written = [appender.flush() for appender in (self._metrics, self._events)]
        if sync:
            written += [appender.sync() for appender in (self._metrics, self._events)]
        with self._mutex:
            if self._began:
                self._write_status()
            return all(written) and self._written

    def _write_status(self) -> None:
        texts = [self._message, *self._troubles.values(), self._waiting()]
        message = harmless("; ".join(filter(None, texts)), _MOST_MESSAGE)
        self._status = replace(self._status, heartbeat=time.time(), message=message)
        final = self._status.state in layout.FINAL_STATES
        try:
            files.replace_or_overwrite(self.folder / layout.STATUS, self.status.to_bytes(), sync=final)
            self._written = True
        except OSError:
            self._written = False

    def _waiting(self) -> str:
        return "; ".join(filter(None, (appender.trouble for appender in (self._metrics, self._events))))

    def _replace(self, name: str, content: bytes) -> None:
        try:
            files.replace(self.folder / name, content)
        except OSError as error:
            raise RunError(f"{self.folder / name}: cannot be written: {error.strerror}") from error


def _previous(folder: Path) -> Status | None:
    try:
        return liveness.read_status(folder)
    except NewerFormatError:
        raise
    except RunError:
        return None
