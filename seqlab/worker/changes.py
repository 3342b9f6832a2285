"""The changes of a run: new ones are written down before they act, recorded ones act again at their steps.

So a run that goes on from an earlier checkpoint, and one that is made again from its record, get from here
what they had before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.runs.layout import EVENTS, RunError
from seqlab.runs.record import planned_ends, recorded_changes
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec, SpecError
from seqlab.spec.steerable import STEPS, Change, changed, value_of, with_changes

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer


MOST_SECONDS = 10.0
"""That an evaluation may take on a split that is made larger while the run trains."""
_TRIES = 3
"""The first draws the sequences; a machine that is busy now and then is not so all the time."""


class Changes:
    """What was and is changed in one run.

    Args:
        spec: the run's.
        writer: writes its events.
    """

    def __init__(self, spec: Spec, writer: RunWriter) -> None:
        self._spec = spec
        self._writer = writer
        self._made = recorded_changes(writer.folder)
        self._steps = {change.step for change in self._made}

    @property
    def ends(self) -> list[int]:
        """The steps at which the run was to end; the last is that of today."""
        return planned_ends(self._spec.training.steps, self._made)

    def spec_at(self, step: int) -> Spec:
        """The spec in force when a step is made.

        Raises:
            RunError: the recorded changes do not go with the run's spec.
        """
        return spec_at(self._spec, self._made, step, self._writer.folder)

    def act(self, trainer: Trainer) -> None:
        """Let the changes act that were recorded for the next step."""
        step = trainer.step + 1
        if step in self._steps:
            before = trainer.spec
            trainer.change(self.spec_at(step))
            self._measure_anew(trainer, before)

    def make(self, trainer: Trainer, field: str, value: Any) -> str:
        """Change a field from the next step on; returns why not, if not."""
        if self._writer.pending:
            return "the disk is full: a change that cannot be recorded could not be repeated"
        before, step = trainer.spec, trainer.step + 1
        try:
            spec = changed(before, field, value)
        except SpecError as error:
            return str(error)
        if spec == before:
            return ""
        change = Change(step, field, value_of(spec, field))
        try:
            trainer.change(spec)  # no step is made yet: it acts on the next one
        except MemoryError:
            return f"{field} = {change.value}: there is not enough memory for that"
        why_not = _too_long(trainer, before)
        if not why_not and not self._record(change, before=value_of(before, field)):
            # It may get to the disk yet: so what takes it back must follow it there.
            self._record(Change(step, field, value_of(before, field)))
            why_not = "it cannot be recorded, so it could not be repeated"
        if why_not:
            trainer.change(before)
            return f"{field} = {change.value}: {why_not}"
        self._measure_anew(trainer, before)
        return ""

    def lengthen(self, step: int, steps: int) -> None:
        """Write down that from a step on the run is to end after so many steps.

        Raises:
            RunError: it cannot be written.
        """
        if not self._record(Change(step, STEPS, steps)):
            words = f"cannot be written, so the run cannot be lengthened to {steps:,} steps"
            raise RunError(f"{self._writer.folder / EVENTS}: {words}")

    def lengthened_after(self, step: int) -> bool:
        """Whether the run was to end after a step, and somebody wanted it to go on."""
        return any(change.field == STEPS and change.step == step + 1 for change in self._made)

    def _record(self, change: Change, **more: Any) -> bool:
        """Write a change down; returns whether it is on the disk."""
        recorded = self._writer.event("changed", **asdict(change), **more)
        self._made.append(change)
        self._steps.add(change.step)
        return recorded

    def _measure_anew(self, trainer: Trainer, before: Spec) -> None:
        """Measure the rungs on the held-out split, if it is another one than before."""
        if trainer.spec.training.eval_sequences != before.training.eval_sequences:
            write_rungs(self._writer, trainer)


def _too_long(trainer: Trainer, before: Spec) -> str:
    """Why the held-out split must not be so large, if it is larger than before: the run would not listen."""
    count = trainer.spec.training.eval_sequences
    if count <= before.training.eval_sequences:
        return ""
    seconds = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        trainer.evaluator.evaluate(chunks=1)
        seconds.append(time.perf_counter() - began)
    whole = min(seconds) * trainer.evaluator.chunks
    return "" if whole <= MOST_SECONDS else f"an evaluation would take about {whole:,.0f} s"


def spec_at(spec: Spec, changes: Iterable[Change], step: int, folder: Path) -> Spec:
    """The spec in force when a step is made.

    Args:
        spec: the run's.
        changes: that were recorded.
        step: counted from 1.
        folder: where they were, for what is said of them.

    Raises:
        RunError: they do not go with the spec.
    """
    try:
        return with_changes(spec, changes, step)
    except SpecError as error:
        raise RunError(
            f"{folder / EVENTS}: what was changed up to step {step:,} fits no run: {error}"
        ) from None


def write_rungs(writer: RunWriter, trainer: Trainer) -> None:
    """Write down the task's rungs as measured, and by formula where it holds under the loss of this run."""
    rungs = []
    for found in trainer.evaluator.rungs():
        rung, metric = found.rung, found.rung.metric
        value = rung.value if rung in trainer.spec.rungs(metric) else None
        rungs.append({**asdict(rung), "value": value, "measured": found.measured})
    writer.event("rungs", rungs=rungs)
