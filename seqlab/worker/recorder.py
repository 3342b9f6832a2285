"""The recorder: what a step leaves in the run folder.

Rows, kept frames and checkpoints are due by the number of the step alone, so that the same spec leaves the
same record. Live frames and the rate go by the clock.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab.runs.control import Inbox
from seqlab.runs.layout import spec_digest
from seqlab.runs.persist import Persister
from seqlab.runs.writer import PATIENCE, RunWriter

if TYPE_CHECKING:
    from seqlab.training.probe import Look
    from seqlab.training.trainer import Step, Trainer

LIVE_EVERY = 0.25
"""Seconds between live frames."""
LIVE_SHARE = 50
"""A live frame comes no sooner than this many times what the last one cost."""
_RATE_OVER = 1.0


class Recorder:
    """Writes down what a trainer does.

    Args:
        trainer: whose steps are recorded.
        writer: the run folder's writer.
        persister: writes its frames and checkpoints.
        inbox: knows whether a viewer is there.
        steps: the last step, which gets everything.
        wall: seconds of training before this process.
    """

    def __init__(
        self, trainer: Trainer, writer: RunWriter, persister: Persister, inbox: Inbox, steps: int, wall: float
    ) -> None:
        self._trainer = trainer
        self._writer = writer
        self._persister = persister
        self._inbox = inbox
        self._steps = steps
        self._spec = trainer.spec
        self._digest = spec_digest(writer.folder)
        self._wall = wall
        self._next_live = 0.0
        self.restart_rate()

    def begin(self) -> None:
        """Keep a frame and a checkpoint of step 0."""
        self._keep_frame(self._trainer.probe.look())
        self._keep_checkpoint()

    def record(self, result: Step, began: float) -> str:
        """Record a step that was made.

        Args:
            result: what it measured.
            began: when it began, by `time.perf_counter`.

        Returns:
            What is not finite in the evaluation, if anything: then these weights are not kept.
        """
        trainer, training, step = self._trainer, self._spec.training, result.step
        last = step == self._steps
        evaluate = last or step % training.eval_every == 0
        frame = last or self._persister.frames.due(step)
        checkpoint = last or self._persister.checkpoints.due(step)
        look = trainer.probe.look() if frame else None
        wrong = ""
        if evaluate or frame or step % training.log_every == 0:
            row = self._row(result, began)
            if evaluate:
                found = trainer.evaluate()
                if not math.isfinite(found.loss):
                    wrong = "the held-out loss is not finite"
                row["eval/loss"] = found.loss
                if found.accuracy is not None:
                    row["eval/accuracy"] = found.accuracy
                if found.forecast is not None:
                    row["eval/forecast"] = found.forecast
            if look is not None:
                row.update(look.metrics)
            self._write(row)
        if wrong:
            return wrong
        # After the row, so that no checkpoint is ever ahead of the record.
        if look is not None:
            self._keep_frame(look)
        if checkpoint and (last or not self._writer.pending):
            self._keep_checkpoint()
        self.live()
        self._measure_rate()
        self._wall += time.perf_counter() - began
        return ""

    def failed(self, result: Step, began: float) -> None:
        """Record a step that diverged: its row, and the weights from before it."""
        self._write(self._row(result, began))
        self.end()

    def end(self) -> None:
        """Keep a frame and a checkpoint of the present step."""
        self._keep_frame(self._trainer.probe.look())
        self._keep_checkpoint()

    def last_checkpoint(self) -> int:
        """The step of the newest checkpoint on disk, once everything has got there."""
        self._persister.drain(PATIENCE)
        return self._persister.checkpoints.steps()[-1]

    def live(self, *, now: bool = False) -> None:
        """Write a live frame if somebody is looking and it is time, or `now`."""
        start = time.perf_counter()
        if start < self._next_live and not now:
            return
        self._next_live = start + LIVE_EVERY
        if not self._inbox.viewer_present():
            return
        look = self._trainer.probe.look()
        self._writer.live(self._trainer.step, look.tensors, self._frame_metadata())
        end = time.perf_counter()
        self._next_live = end + max(LIVE_EVERY, LIVE_SHARE * (end - start))

    def restart_rate(self) -> None:
        """Measure the rate from here: training goes on after a pause."""
        self._rate_since, self._rate_from = time.perf_counter(), self._trainer.sequences

    def _row(self, result: Step, began: float) -> dict[str, Any]:
        return {
            "step": result.step,
            "wall": round(self._wall + time.perf_counter() - began, 4),
            "sequences": result.step * self._spec.training.batch_size,
            "train/loss": result.loss,
            "train/grad_norm": result.grad_norm,
            "train/clipped": int(result.clipped),
            "train/lr": self._trainer.optimizer.lr,
        }

    def _write(self, row: dict[str, Any]) -> None:
        """Measured values go out in the precision in which they were computed."""
        if self._spec.training.precision == "float32":
            exact = ("wall", "train/lr")
            row = {
                name: np.float32(value) if isinstance(value, float) and name not in exact else value
                for name, value in row.items()
            }
        self._writer.row(row)

    def _keep_frame(self, look: Look) -> None:
        self._persister.frame(self._trainer.step, look.tensors, self._frame_metadata())

    def _keep_checkpoint(self) -> None:
        metadata = {"digest": self._digest, "wall": round(self._wall, 4)}
        self._persister.checkpoint(self._trainer.step, self._trainer.state(), metadata)

    def _frame_metadata(self) -> dict[str, Any]:
        return {
            "digest": self._digest,
            "truncation": self._spec.training.truncation,
            "learning_rate": self._trainer.optimizer.lr,
        }

    def _measure_rate(self) -> None:
        now = time.perf_counter()
        if now - self._rate_since >= _RATE_OVER:
            rate = (self._trainer.sequences - self._rate_from) / (now - self._rate_since)
            self._writer.set_status(step=self._trainer.step, rate=rate)
            self.restart_rate()
