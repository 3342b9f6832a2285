"""The recorder: what a step leaves in the run folder.

Rows, kept frames and checkpoints are due by the number of the step alone, so that the same spec leaves the
same record. Live frames and the rate go by the clock.

Training only notes what there is to record, and copies the weights. The rest, from the look through the
probe to the text of a row, is done in order by a thread beside it, which runs while training is in a kernel.
Rows wait for a moment, so that it does many at once: waking it costs training more than a row does.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqlab.runs.control import Inbox
from seqlab.runs.layout import spec_digest
from seqlab.runs.persist import Persister
from seqlab.runs.writer import PATIENCE, RunWriter
from seqlab.worker.stopping import Stopping

if TYPE_CHECKING:
    from seqlab.training.evaluation import Evaluation
    from seqlab.training.probe import Look
    from seqlab.training.trainer import Step, Trainer

LIVE_EVERY = 0.25
"""Seconds between live frames."""
LIVE_SHARE = 50
"""A live frame comes no sooner than this many times what the last one cost."""
_RATE_OVER = 1.0
_COPIES = (3, 48)
"""Copies of the network that wait to be recorded, at least and at most; then training waits."""
_COPIES_BYTES = 32_000_000
"""Between these two, as many as take that much memory."""
_ROWS = 1_000
"""Rows that wait; then training waits."""
_EVERY = 0.1
"""Seconds that a row waits at most."""

_PROBE = "probe/"
"""What the names of metrics begin with that are measured through the probe."""

_Task = Callable[[], None]


class _Row(NamedTuple):
    """What a row is made of; the one that a fork begins with has no step that this run made."""

    step: int
    wall: float
    result: Step | None = None
    evaluation: Evaluation | None = None


class Recorder:
    """Writes down what a trainer does; the end of its `with` block waits for all of it.

    What its thread cannot do is raised by the next call.

    Attributes:
        writer, persister: what its thread hands everything on to.
        stopping: whether the run is to end early.

    Args:
        trainer: whose steps are recorded.
        writer: the run folder's writer.
        persister: writes its frames and checkpoints.
        inbox: knows whether a viewer is there.
        ends: steps that are the last, if the run is not lengthened: they get everything.
        wall: seconds of training before this process.
        stopping: how it stands with early stopping, if the run has begun already.
    """

    def __init__(
        self,
        trainer: Trainer,
        writer: RunWriter,
        persister: Persister,
        inbox: Inbox,
        ends: Container[int],
        wall: float,
        stopping: Stopping | None = None,
    ) -> None:
        self._trainer = trainer
        self.writer = writer
        self.persister = persister
        self._inbox = inbox
        self._ends = ends
        self._spec = trainer.spec
        self.stopping = stopping or Stopping(self._spec.training.stop)
        self._kept_best = self.stopping.best_step
        self._probed: Mapping[str, float] = {}
        self._digest = spec_digest(writer.folder)
        self._exact: type = float if self._spec.training.precision == "float64" else np.float32
        self._wall = wall
        self._next_live = 0.0
        self._tasks: deque[_Row | tuple[_Task, _Task]] = deque()
        self._wake = threading.Event()
        self._closing = False
        least, most = _COPIES
        self._room = threading.Semaphore(max(least, min(most, _COPIES_BYTES // trainer.state_bytes)))
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()
        self.restart_rate()

    def begin(self, *, evaluate: bool = False) -> None:
        """Keep a frame and a checkpoint of the step that the run begins with.

        Args:
            evaluate: write a row of it, too, with all that can be measured without making a step.
        """
        if evaluate:
            self.keep_frame(_Row(self._trainer.step, self._wall, evaluation=self._trainer.evaluate()))
        else:
            self.keep_frame()
        self.keep_checkpoint()
        self._wake.set()

    def record(self, result: Step, began: float) -> str:
        """Record a step that was made; after it `stopping` may have struck.

        Args:
            result: what it measured.
            began: when it began, by `time.perf_counter`.

        Returns:
            What is not finite in the evaluation, if anything: then these weights are not kept.
        """
        trainer, training, step = self._trainer, self._spec.training, result.step
        last = step in self._ends
        evaluate = last or step % training.eval_every == 0
        frame = last or self.persister.frames.due(step)
        checkpoint = last or self.persister.checkpoints.due(step)
        followed = bool(self.stopping.metric) and step % training.eval_every == 0
        wrong, best, struck = "", False, False
        if evaluate or frame or step % training.log_every == 0:
            row = self._row(result, began)
            if evaluate:
                found = trainer.evaluate()
                if not math.isfinite(found.loss):
                    wrong = "the held-out loss is not finite"
                row = row._replace(evaluation=found)
            if frame or (followed and self.stopping.metric.startswith(_PROBE)):
                self.keep_frame(row, keep=frame and not wrong)
            else:
                self._keep_row(row)
            if followed and not wrong:
                best = self.stopping.look(step, self._followed(row))
                struck = self.stopping.struck
        if wrong:
            return wrong
        # After the row, so that no checkpoint is ever ahead of the record.
        if struck and not frame:
            self.keep_frame()
        if checkpoint or best or struck:
            self.keep_checkpoint(always=last or struck, best=best)
        now = time.perf_counter()
        if now >= self._next_live:
            self.live()
        if now - self._rate_since >= _RATE_OVER:
            self._measure_rate(now)
        self._wall += now - began
        return ""

    def failed(self, result: Step, began: float) -> None:
        """Record a step that diverged: its row, and the weights from before it."""
        self._keep_row(self._row(result, began))
        self.end()

    def end(self) -> None:
        """Keep a frame and a checkpoint of the present step."""
        self.keep_frame()
        self.keep_checkpoint()
        self._wake.set()

    def keep_frame(self, row: _Row | None = None, *, keep: bool = True) -> None:
        """Look through the probe at the present weights.

        Args:
            row: is written, with the probe's figures.
            keep: whether what is seen is kept as a frame.
        """
        step, metadata, weights = self._trainer.step, self._frame_metadata(), self._copied_weights()
        probe = self._trainer.probe  # it may be another one when its turn comes

        def look() -> None:
            seen = probe.look(weights)
            self._probed = seen.metrics
            if row is not None:
                self.writer.rows(self._metrics(row, seen.metrics))
            if keep:
                self.persister.frame(step, seen.tensors, metadata)

        self._later(look, self._room.release)

    def keep_checkpoint(self, *, always: bool = True, best: bool = False) -> None:
        """Keep a checkpoint of the present step.

        Args:
            always: also while rows wait for disk space.
            best: it stays until there is a better one.
        """
        self._await_room()
        step, tensors = self._trainer.step, self._trainer.state()
        metadata: dict[str, Any] = {"digest": self._digest, "wall": round(self._wall, 4)}
        if self.stopping.metric:
            metadata["stopping"] = self.stopping.state()

        def keep() -> None:
            if always or not self.writer.pending:
                if best:
                    self._kept_best = step
                self.persister.checkpoint(step, tensors, metadata, self._kept_best)

        self._later(keep, self._room.release)

    def last_checkpoint(self) -> int:
        """The step of the newest checkpoint on disk, once everything has got there."""
        self.drain()
        self.persister.drain(PATIENCE)
        return self.persister.checkpoints.steps()[-1]

    def live(self, *, now: bool = False) -> None:
        """Write a live frame if somebody is looking and it is time, or `now`; then it is there on return."""
        start = time.perf_counter()
        if start < self._next_live and not now:
            return
        self._next_live = start + LIVE_EVERY
        if self._inbox.viewer_present():
            self._next_live = math.inf  # until this one is there
            step, metadata, weights = self._trainer.step, self._frame_metadata(), self._copied_weights()
            probe = self._trainer.probe
            self._later(lambda: self._show(step, probe.look, weights, metadata), self._room.release)
            self._wake.set()
        if now:
            self.drain()

    def restart_rate(self) -> None:
        """Measure the rate from here: training goes on after a pause."""
        self._rate_since, self._rate_from = time.perf_counter(), self._trainer.sequences

    def drain(self) -> None:
        """Wait until everything so far is with the writer and the persister."""
        done = threading.Event()
        self._later(_nothing, done.set)
        self._wake.set()
        done.wait()
        self._check()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()
        if error is None:
            self._check()

    def _keep_row(self, row: _Row) -> None:
        if len(self._tasks) >= _ROWS:
            self.drain()
        self._check()
        self._tasks.append(row)

    def _later(self, task: _Task, after: _Task | None = None) -> None:
        """Let the thread do `task`, in its turn, and `after` whatever happened before."""
        self._check()
        self._tasks.append((task, after or _nothing))

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _work(self) -> None:
        closing = False
        while not closing:
            self._wake.wait(_EVERY)
            self._wake.clear()
            closing = self._closing  # nothing is added after that
            while self._tasks:
                first = self._tasks.popleft()
                task, after = (self._rows(first), _nothing) if isinstance(first, _Row) else first
                try:
                    if self._broken is None:
                        task()
                except BaseException as error:  # raised by the next call from training
                    self._broken = error
                finally:
                    after()

    def _rows(self, first: _Row) -> _Task:
        """Write a row and those that follow it at once."""
        rows = [first]
        while self._tasks and isinstance(row := self._tasks[0], _Row):
            rows.append(row)
            self._tasks.popleft()
        return lambda: self._write(rows)

    def _copied_weights(self) -> NDArray[Any]:
        """θ as it is now."""
        self._await_room()
        return self._trainer.network.parameters.flat.copy()

    def _await_room(self) -> None:
        if not self._room.acquire(blocking=False):
            self._wake.set()
            self._room.acquire()

    def _show(
        self,
        step: int,
        look: Callable[[NDArray[Any]], Look],
        weights: NDArray[Any],
        metadata: Mapping[str, Any],
    ) -> None:
        start = time.perf_counter()
        self.writer.live(step, look(weights).tensors, metadata)
        end = time.perf_counter()
        self._next_live = end + max(LIVE_EVERY, LIVE_SHARE * (end - start))

    def _row(self, result: Step, began: float) -> _Row:
        return _Row(result.step, self._wall + time.perf_counter() - began, result)

    def _followed(self, row: _Row) -> float:
        """The metric that may end the run, as the row has it; NaN if it has not."""
        if self.stopping.metric.startswith(_PROBE):
            self.drain()  # the thread has looked through the probe for this row
        return float(self._metrics(row, self._probed).get(self.stopping.metric, math.nan))

    def _write(self, rows: Iterable[_Row]) -> None:
        self.writer.rows(*map(self._metrics, rows))

    def _metrics(self, row: _Row, probed: Mapping[str, float] | None = None) -> dict[str, Any]:
        """A row as it is written, measured values in the precision in which they were computed."""
        result, found, exact = row.result, row.evaluation, self._exact
        metrics: dict[str, Any] = {
            "step": row.step,
            "wall": round(row.wall, 4),
            "sequences": row.step * self._spec.training.batch_size,
        }
        if result is not None:
            metrics["train/loss"] = exact(result.loss)
            metrics["train/grad_norm"] = exact(result.grad_norm)
            metrics["train/clipped"] = int(result.clipped)
            metrics["train/lr"] = result.lr
        late = {} if found is None else {f"eval/{name}": value for name, value in asdict(found).items()}
        late.update(probed or {})
        metrics.update({name: exact(value) for name, value in late.items() if value is not None})
        return metrics

    def _frame_metadata(self) -> dict[str, Any]:
        return {
            "digest": self._digest,
            "truncation": self._trainer.spec.training.cut,
            "learning_rate": self._trainer.learning_rate,
        }

    def _measure_rate(self, now: float) -> None:
        rate = (self._trainer.sequences - self._rate_from) / (now - self._rate_since)
        self.writer.set_status(step=self._trainer.step, rate=rate)
        self.restart_rate()


def _nothing() -> None:
    pass
