"""One job: train the run in a folder from where it stands, and obey the viewers' commands."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.runs.checkpoint import Checkpoint, checkpoints, load_checkpoint, most_bytes
from seqlab.runs.control import Inbox
from seqlab.runs.initial import load_initial
from seqlab.runs.layout import METRICS, METRICS_HEADER, SPEC, RunError, spec_digest
from seqlab.runs.persist import Persister
from seqlab.runs.record import differences, events, replayed_until
from seqlab.runs.record import environment as recorded_environment
from seqlab.runs.writer import PATIENCE, RunWriter
from seqlab.spec import Spec, load_spec
from seqlab.worker.changes import Changes, write_rungs
from seqlab.worker.environment import environment
from seqlab.worker.orders import EVERY, Orders
from seqlab.worker.origin import StoppedError, begun
from seqlab.worker.recorder import Recorder
from seqlab.worker.rival import Rivalry
from seqlab.worker.stopping import Stopping
from seqlab.worker.warmth import Warmth, threads_for

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer

_SWITCH_EVERY = 0.0002
"""Seconds that training, back from a kernel, waits at most for a thread beside it to let go of Python's lock.
Python's own 0.005 are several steps of a small network."""


class Job:
    """A run folder and this process, which trains it.

    Args:
        folder: the run.
        warmth: what was imported and compiled already.
        since: which commands were sent to an earlier worker; see `Inbox`.
        steps: train up to this step instead of the spec's: lengthens the run.

    Raises:
        RunError: another worker trains it, it is finished, its spec was edited, none of its checkpoints is
            whole, or it is not a run folder.
        SpecError: its spec cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        warmth: Warmth,
        since: int = 0,
        steps: int | None = None,
    ) -> None:
        self._folder = folder
        self._warmth = warmth
        self._spec: Spec = load_spec(folder)
        self._threads = threads_for(self._spec)
        self._writer = RunWriter(folder)
        try:
            self._take_over(since, steps)
        except BaseException:
            self._writer.close()
            raise

    def _take_over(self, since: int, steps: int | None) -> None:
        """Find out where the run stands; see `__init__`."""
        folder = self._folder
        self._rivalry = Rivalry(self._spec, lambda found: self._writer.event("rival", **found))
        self._changes = Changes(self._spec, self._writer)
        self._orders = Orders(Inbox(folder, since), self._writer, self._changes, self._rivalry)
        before = self._changes.ends[-1]
        self._steps = steps or before
        self._asked = steps is not None
        self._until = None if self._asked else replayed_until(folder)
        self._shown = self._steps if self._until is None else min(self._steps, self._until)
        # A run that has ended early goes on only if it is asked to, be it to the step that was planned.
        self._lengthened = self._asked and (self._steps != before or self._has_finished)
        self._checkpoint = _latest_checkpoint(folder, self._spec)
        self._fresh = self._checkpoint is None and not _has_rows(folder)
        self._first = self._spec.fork.step if self._spec.fork is not None else 0
        self._wall = 0.0
        self._stopping = Stopping(self._spec.training.stop)
        why_not = self._why_not()
        if why_not:
            raise RunError(f"{folder.name}: {why_not}")

    def run(self) -> int:
        """Train until the end, a stop, or a failure; returns the exit code of the process."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        sys.setswitchinterval(_SWITCH_EVERY)
        writer, training = self._writer, self._spec.training
        try:
            try:
                trainer = self._prepare()
            except StoppedError as stopped:
                writer.event("stopped", step=stopped.step)
                writer.set_status(state="stopped", step=stopped.step, message="")
                self._orders.refuse_all(stopped.step)
                writer.close(PATIENCE)
                return 0
            with self._rivalry:
                with Persister(writer, training.frame_every, training.checkpoint_every) as persister:
                    ends = frozenset({*self._changes.ends, self._steps})
                    inbox = self._orders.inbox
                    recorder = Recorder(trainer, writer, persister, inbox, ends, self._wall, self._stopping)
                    with recorder:
                        state, words, event = self._train(trainer, recorder)
                    persister.drain(PATIENCE)
                trainer.close()
                writer.event(state, step=trainer.step, **event)
                writer.set_status(state=state, step=event.get("at", trainer.step), message=words)
                if state == "finished":  # a short run may end before its rival
                    self._rivalry.wait(lambda: self._orders.refuse_all(trainer.step))
            self._orders.refuse_all(trainer.step)
            writer.close(PATIENCE)
            return 1 if state == "diverged" else 0
        except BaseException as error:
            return self._fail(error)

    def _prepare(self) -> Trainer:
        """Import, compile, and build the network as it stood.

        Raises:
            StoppedError: somebody did not want to wait for that.
        """
        writer, cell = self._writer, self._spec.model.cell
        writer.event("started", host=writer.status.host, pid=writer.status.pid)
        writer.set_status(state="importing", steps=self._shown)
        writer.event("importing")
        self._warmth.load(self._spec)
        writer.set_status(state="compiling")
        writer.event("compiling", cell=cell)
        seconds = self._warmth.compile(self._spec)
        writer.event("compiled", cell=cell, seconds=round(seconds, 3))
        now = environment(self._threads)
        trainer = self._trainer(now)
        if self._fresh:
            writer.write_env(now)
        else:
            self._resume(trainer.step, now)
        writer.write_probe(trainer.probe.tensors())
        write_rungs(writer, trainer)
        if self._lengthened:
            self._changes.lengthen(trainer.step + 1, self._steps)
        return trainer

    def _trainer(self, now: dict[str, Any]) -> Trainer:
        """The trainer at the latest checkpoint, or where the run begins."""
        from seqlab.training.ridge import trainer_for

        first = self._checkpoint.step if self._checkpoint is not None else self._first
        origin = None
        if self._checkpoint is None and self._spec.fork is not None:
            origin = begun(self._spec, self._writer, self._orders, self._warmth, now)
        trainer = trainer_for(self._changes.spec_at(first), self._threads)
        if self._checkpoint is not None:
            metadata = self._checkpoint.metadata
            self._wall = float(metadata.get("wall", 0.0))
            self._stopping = Stopping(self._spec.training.stop, metadata.get("stopping"))
            trainer.restore(first, self._checkpoint.tensors)
        elif origin is not None:
            self._wall = origin.wall
            self._stopping = Stopping(self._spec.training.stop, origin.stopping)
            trainer.restore(first, origin.tensors, optimizer=origin.same_optimizer)
        else:
            self._take_initial(trainer)
        return trainer

    def _take_initial(self, trainer: Trainer) -> None:
        """Begin with the weights that the run was given, if it was."""
        before = [str(event.get("sha256")) for event in events(self._folder, "initialised")]
        initial = load_initial(self._folder, most_bytes(self._spec), before[-1] if before else None)
        if initial is not None:
            trainer.network.parameters.load_torch(initial.tensors)
            self._writer.event("initialised", file=initial.file, sha256=initial.sha256)

    def _resume(self, step: int, now: dict[str, Any]) -> None:
        """Say that the run goes on from a step, that of its latest checkpoint or its first."""
        self._writer.resume(step)
        before = recorded_environment(self._folder)
        changed = differences(before, now) if before else ["what it was before is not known"]
        if not before:
            self._writer.write_env(now)
        if changed:
            words = "resumed in another environment, so not bit-identical to a run never interrupted: "
            self._writer.trouble("environment", words + ", ".join(changed))
        self._writer.event("resumed", step=step, environment_differs=changed)

    def _train(self, trainer: Trainer, recorder: Recorder) -> tuple[str, str, dict[str, Any]]:
        """Train to the end; returns the final state, words for it, and what its event says."""
        orders = self._orders
        if self._ends_early(trainer.step):  # the worker before died before it could say so
            return self._finished(trainer.step)
        if trainer.step == self._first:
            # The row is there already if the worker before died between it and its checkpoint.
            recorder.begin(evaluate=self._spec.fork is not None and not self._writer.status.metrics)
        recorder.restart_rate()
        self._writer.set_status(state="training", step=trainer.step, steps=self._shown)
        while trainer.step < self._steps:
            began = time.perf_counter()
            orders.look(trainer, recorder, began)
            if orders.stop or trainer.step == self._until:
                recorder.end()
                return "stopped", "", {}
            if orders.waiting:
                recorder.live()
                time.sleep(EVERY)
                continue
            self._changes.act(trainer)
            result = trainer.advance()
            if result.diverged:
                recorder.failed(result, began)
                return _diverged(result.step, result.diverged, recorder.last_checkpoint())
            wrong = recorder.record(result, began)
            if wrong:
                return _diverged(trainer.step, wrong, recorder.last_checkpoint())
            if self._ends_early(trainer.step):
                break
            orders.made_a_step(trainer, recorder)
        return self._finished(trainer.step)

    def _ends_early(self, step: int) -> bool:
        """Whether early stopping ends the run after this step, from which nobody had it go on."""
        if self._stopping.struck and self._changes.lengthened_after(step):
            self._stopping.renew()
        return self._stopping.struck

    def _finished(self, step: int) -> tuple[str, str, dict[str, Any]]:
        """The end of a run, as `_train` returns it: early or not, and which checkpoint is the best."""
        stopping = self._stopping
        event: dict[str, Any] = {"best": stopping.best_step} if stopping.metric else {}
        if not stopping.struck or step >= self._steps:
            return "finished", "", event
        words = stopping.in_words(step)
        return "finished", words, {"why": words, **event}

    @property
    def _has_finished(self) -> bool:
        previous = self._writer.previous
        return previous is not None and previous.state == "finished"

    def _why_not(self) -> str:
        """Why this run must not be trained as asked, if it must not."""
        if self._checkpoint is None:
            if self._steps <= self._first > 0:
                return f"it begins at step {self._first:,}, so it cannot end at step {self._steps:,}"
            return ""
        done, now = self._checkpoint.step, spec_digest(self._folder)
        if self._checkpoint.metadata.get("digest") != now:
            return (
                f"{SPEC} was edited after checkpoint {done:,} was made, which is of another spec; "
                f"seqlab run {self._folder} starts a run of its own from it"
            )
        finished = self._has_finished
        if self._steps > done and (self._asked or not finished):
            return ""
        if self._steps == done and not finished and not self._lengthened:
            return ""
        how = "finished at" if finished else "is at"
        name = self._folder.name
        return f"{how} step {done:,}; seqlab resume {name} --steps N, with N above that, lengthens it"

    def _fail(self, error: BaseException) -> int:
        """Say why, as far as anything can still be written."""
        traceback.print_exc()
        if isinstance(error, MemoryError):
            words = f"not enough memory: {error}"
        else:
            words = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
        try:
            self._writer.event("failed", why=words, traceback=traceback.format_exc())
            self._writer.set_status(state="failed", message=words)
            self._writer.close()
        except RunError as unwritten:
            print(f"the failure could not be written down: {unwritten}", file=sys.stderr)
        return 1

    def _on_sigterm(self, number: int, frame: object) -> None:
        self._orders.stop = True


def _diverged(step: int, why: str, good: int) -> tuple[str, str, dict[str, Any]]:
    words = f"diverged at step {step:,}: {why}; checkpoint {good:,} is good"
    return "diverged", words, {"at": step, "why": why, "checkpoint": good}


def _latest_checkpoint(folder: Path, spec: Spec) -> Checkpoint | None:
    """Where a run goes on from; None if it has no checkpoint yet.

    Raises:
        RunError: it has some, but none is whole. To begin again would throw away what else there is.
    """
    there = checkpoints(folder)
    try:
        return load_checkpoint(folder, None, most_bytes(spec)) if there else None
    except RunError:
        found = (
            "its only checkpoint is not" if len(there) == 1 else f"none of its {len(there)} checkpoints is"
        )
        anew = f"seqlab run {folder} makes it anew, in a folder of its own"
        raise RunError(f"{folder.name}: {found} whole, so there is nothing to go on from; {anew}") from None


def _has_rows(folder: Path) -> bool:
    try:
        return (folder / METRICS).stat().st_size > len(METRICS_HEADER)
    except OSError:
        return False
