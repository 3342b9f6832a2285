"""One job: train the run in a folder from where it stands, and obey the viewers' commands."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from seqlab.runs.checkpoint import Checkpoint, load_checkpoint
from seqlab.runs.control import Command, Inbox
from seqlab.runs.files import decode_row
from seqlab.runs.initial import load_initial
from seqlab.runs.layout import ENV, EVENTS, METRICS, METRICS_HEADER, SPEC, RunError, spec_digest
from seqlab.runs.persist import Persister
from seqlab.runs.tail import Tail
from seqlab.runs.writer import PATIENCE, RunWriter
from seqlab.spec import Spec, load_spec
from seqlab.worker.environment import differences, environment
from seqlab.worker.recorder import Recorder
from seqlab.worker.rival import Rivalry
from seqlab.worker.stopping import Stopping
from seqlab.worker.warmth import Warmth, threads_for

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer

LEARNING_RATE = "training.optimizer.lr"
STEPS = "training.steps"

_COMMANDS_EVERY = 0.02
"""Seconds between two looks for commands: below what a person notices, and nothing beside training."""
_SWITCH_EVERY = 0.0002
"""Seconds that training, back from a kernel, waits at most for a thread beside it to let go of Python's lock.
Python's own 0.005 are several steps of a small network."""


class Job:
    """A run folder and this process, which trains it.

    Args:
        folder: the run.
        warmth: what was imported and compiled already.
        since: Unix time in nanoseconds; commands sent before it are not obeyed.
        steps: train up to this step instead of the spec's.

    Raises:
        RunError: another worker trains it, it is finished, its spec was edited, or it is not a run folder.
        SpecError: its spec cannot be read.
    """

    def __init__(self, folder: Path, warmth: Warmth, since: int = 0, steps: int | None = None) -> None:
        self._folder = folder
        self._warmth = warmth
        self._spec: Spec = load_spec(folder)
        self._threads = threads_for(self._spec)
        self._writer = RunWriter(folder)
        self._inbox = Inbox(folder, since)
        self._rivalry = Rivalry(self._spec, lambda found: self._writer.event("rival", **found))
        self._changes = _recorded_changes(folder)
        planned = [int(value) for _, field, value in self._changes if field == STEPS]
        before = planned[-1] if planned else self._spec.training.steps
        self._steps = steps or before
        self._asked = steps is not None
        # A run that has ended early goes on only if it is asked to, be it to the step that was planned.
        self._lengthened = self._asked and (self._steps != before or self._has_finished)
        self._checkpoint = _latest_checkpoint(folder)
        self._fresh = self._checkpoint is None and not _has_rows(folder)
        self._wall = 0.0
        self._stopping = Stopping(self._spec.training.stop)
        self._stop = self._paused = self._single = False
        why_not = self._why_not()
        if why_not:
            self._writer.close()
            raise RunError(f"{folder.name}: {why_not}")

    def run(self) -> int:
        """Train until the end, a stop, or a failure; returns the exit code of the process."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        sys.setswitchinterval(_SWITCH_EVERY)
        try:
            trainer = self._prepare()
            training = self._spec.training
            with self._rivalry:
                with Persister(self._writer, training.frame_every, training.checkpoint_every) as persister:
                    recorder = Recorder(
                        trainer, self._writer, persister, self._inbox, self._steps, self._wall, self._stopping
                    )
                    with recorder:
                        state, words, event = self._train(trainer, recorder)
                    persister.drain(PATIENCE)
                trainer.close()
                self._writer.event(state, step=trainer.step, **event)
                self._writer.set_status(state=state, step=event.get("at", trainer.step), message=words)
                if state == "finished":  # a short run may end before its rival
                    self._rivalry.wait(lambda: self._stop)
            self._writer.close(PATIENCE)
            return 1 if state == "diverged" else 0
        except BaseException as error:
            return self._fail(error)

    def _prepare(self) -> Trainer:
        """Import, compile, and build the network as it stood."""
        writer, cell = self._writer, self._spec.model.cell
        writer.event("started", host=writer.status.host, pid=writer.status.pid)
        writer.set_status(state="importing", steps=self._steps)
        writer.event("importing")
        self._warmth.load(self._spec)
        writer.set_status(state="compiling")
        writer.event("compiling", cell=cell)
        seconds = self._warmth.compile(self._spec)
        writer.event("compiled", cell=cell, seconds=round(seconds, 3))

        from seqlab.training.ridge import trainer_for

        trainer = trainer_for(self._spec, self._threads)
        self._take_initial(trainer)
        now = environment(self._threads)
        if self._fresh:
            writer.write_env(now)
        else:
            self._resume(trainer, now)
        writer.write_probe(trainer.probe.tensors())
        writer.event("rungs", rungs=self._rungs(trainer))
        if self._lengthened:
            self._record_change(trainer.step + 1, STEPS, self._steps)
        return trainer

    def _take_initial(self, trainer: Trainer) -> None:
        """Begin with the weights that the run was given, if it was, and goes on from no checkpoint."""
        if self._checkpoint is not None:
            return
        before = [str(event.get("sha256")) for event in _events(self._folder, "initialised")]
        initial = load_initial(self._folder, before[-1] if before else None)
        if initial is not None:
            trainer.network.parameters.load_torch(initial.tensors)
            self._writer.event("initialised", file=initial.file, sha256=initial.sha256)

    def _rungs(self, trainer: Trainer) -> list[dict[str, Any]]:
        """The task's rungs as measured, and by formula where it holds under the loss of this run."""
        rungs = []
        for found in trainer.evaluator.rungs():
            rung, metric = found.rung, found.rung.metric
            value = rung.value if rung in self._spec.rungs(metric) else None
            rungs.append({**asdict(rung), "value": value, "measured": found.measured})
        return rungs

    def _resume(self, trainer: Trainer, now: dict[str, Any]) -> None:
        """Restore the latest checkpoint; without a whole one, begin at step 0."""
        step = 0
        if self._checkpoint is not None:
            step = self._checkpoint.step
            metadata = self._checkpoint.metadata
            self._wall = float(metadata.get("wall", 0.0))
            self._stopping = Stopping(self._spec.training.stop, metadata.get("stopping"))
            trainer.restore(step, self._checkpoint.tensors)
        self._writer.resume(step)
        try:
            changed = differences(decode_row((self._folder / ENV).read_bytes()), now)
        except (OSError, ValueError):
            changed = ["what it was before is not known"]
            self._writer.write_env(now)
        if changed:
            words = "resumed in another environment, so not bit-identical to a run never interrupted: "
            self._writer.trouble("environment", words + ", ".join(changed))
        self._writer.event("resumed", step=step, environment_differs=changed)

    def _train(self, trainer: Trainer, recorder: Recorder) -> tuple[str, str, dict[str, Any]]:
        """Train to the end; returns the final state, words for it, and what its event says."""
        for step, field, value in sorted(self._changes, key=lambda change: change[0]):
            if step <= trainer.step:
                _apply(trainer, field, value)
        if self._ends_early(trainer.step):  # the worker before died before it could say so
            return self._finished(trainer.step)
        if trainer.step == 0:
            recorder.begin()
        recorder.restart_rate()
        self._writer.set_status(state="training", step=trainer.step, steps=self._steps)
        next_look = 0.0
        while trainer.step < self._steps:
            began = time.perf_counter()
            if began >= next_look:
                next_look = began + _COMMANDS_EVERY
                self._obey(trainer, recorder)
            if self._stop:
                recorder.end()
                return "stopped", "", {}
            if self._paused and not self._single:
                recorder.live()
                time.sleep(_COMMANDS_EVERY)
                continue
            for step, field, value in self._changes:
                if step == trainer.step + 1:
                    _apply(trainer, field, value)
            result = trainer.advance()
            if result.diverged:
                recorder.failed(result, began)
                return _diverged(result.step, result.diverged, recorder.last_checkpoint())
            wrong = recorder.record(result, began)
            if wrong:
                return _diverged(trainer.step, wrong, recorder.last_checkpoint())
            if self._ends_early(trainer.step):
                break
            if self._single:
                self._single = False
                self._show_paused(trainer, recorder)
        return self._finished(trainer.step)

    def _ends_early(self, step: int) -> bool:
        """Whether early stopping ends the run after this step, from which nobody had it go on."""
        if self._stopping.struck and any(field == STEPS and at == step + 1 for at, field, _ in self._changes):
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

    def _obey(self, trainer: Trainer, recorder: Recorder) -> None:
        if not self._folder.exists():
            raise RunError(f"{self._folder}: is gone, so there is nowhere to write")
        for command in self._inbox.poll():
            refused = command.refused or self._obey_one(trainer, recorder, command)
            if refused:
                self._writer.event(
                    "refused", step=trainer.step, command=command.command, field=command.field, why=refused
                )
            self._inbox.done(command)

    def _obey_one(self, trainer: Trainer, recorder: Recorder, command: Command) -> str:
        """Obey a command; returns why not, if not."""
        if command.command == "stop":
            self._stop = True
        elif command.command == "pause" and not self._paused:
            self._paused = True
            self._writer.event("paused", step=trainer.step)
            self._show_paused(trainer, recorder)
        elif command.command == "continue" and self._paused:
            self._paused = False
            recorder.restart_rate()
            self._writer.event("continued", step=trainer.step)
            self._writer.set_status(state="training")
        elif command.command == "step":
            if not self._paused:
                return "only a paused run can make a single step"
            self._single = True
            recorder.restart_rate()
            self._writer.set_status(state="training")
        elif command.command == "set":
            return self._set(trainer, command)
        elif command.command == "rival" and not any(_events(self._folder, "rival")):
            return self._rivalry.begin()
        return ""

    def _show_paused(self, trainer: Trainer, recorder: Recorder) -> None:
        recorder.live(now=True)
        self._writer.set_status(state="paused", step=trainer.step)

    def _set(self, trainer: Trainer, command: Command) -> str:
        if command.field != LEARNING_RATE:
            return f"{command.field} cannot be set while training; {LEARNING_RATE} can"
        if self._writer.pending:
            return "the disk is full: a change that cannot be recorded could not be repeated"
        optimizer = trainer.optimizer
        try:
            changed = type(optimizer).model_validate({**optimizer.model_dump(), "lr": command.value})
        except ValidationError as error:
            return f"{command.value!r}: {error.errors()[0]['msg']}"
        self._record_change(trainer.step + 1, LEARNING_RATE, changed.lr, before=optimizer.lr)
        return ""

    def _record_change(self, step: int, field: str, value: Any, **more: Any) -> None:
        """Write down a change, and the step from which it acts, before it acts."""
        self._writer.event("changed", step=step, field=field, value=value, **more)
        self._changes.append((step, field, value))

    @property
    def _has_finished(self) -> bool:
        previous = self._writer.previous
        return previous is not None and previous.state == "finished"

    def _why_not(self) -> str:
        """Why this run must not be trained as asked, if it must not."""
        if self._checkpoint is None:
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
        self._stop = True


def _diverged(step: int, why: str, good: int) -> tuple[str, str, dict[str, Any]]:
    words = f"diverged at step {step:,}: {why}; checkpoint {good:,} is good"
    return "diverged", words, {"at": step, "why": why, "checkpoint": good}


def _apply(trainer: Trainer, field: str, value: Any) -> None:
    if field == LEARNING_RATE:
        trainer.set_learning_rate(float(value))


def _latest_checkpoint(folder: Path) -> Checkpoint | None:
    try:
        return load_checkpoint(folder)
    except RunError:
        return None


def _recorded_changes(folder: Path) -> list[tuple[int, str, Any]]:
    """The changes that were made to a run so far: the step from which each acts, its field and value."""
    changes = []
    for event in _events(folder, "changed"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            changes.append((int(event["step"]), str(event["field"]), event["value"]))
    return changes


def _events(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """What happened to a run so far, of one kind. Torn lines are left out: what they say was not on disk."""
    for line in Tail(folder / EVENTS).poll():
        with contextlib.suppress(ValueError):
            event = decode_row(line)
            if event.get("event") == name:
                yield event


def _has_rows(folder: Path) -> bool:
    try:
        return (folder / METRICS).stat().st_size > len(METRICS_HEADER)
    except OSError:
        return False
