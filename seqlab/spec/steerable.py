"""What can be changed while a run trains, and the spec that is in force at a step.

A run has one spec, which never changes. What is changed on the way stands in its record, each change with the
step from which it acts; `with_changes` joins both. The worker trains under what it gives, panels show it,
and a run that is resumed or replayed makes the same of the same record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.spec.files import validate
from seqlab.spec.problems import Problem, SpecError
from seqlab.spec.schema import Spec


@dataclass(frozen=True)
class Steerable:
    """A field that can be changed while a run trains.

    Attributes:
        field: its path in the spec.
        label: what it is called.
        short: likewise, where there is little room.
        unit: in words; may be empty.
    """

    field: str
    label: str
    short: str
    unit: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of `field`."""
        return tuple(self.field.split("."))


LEARNING_RATE = Steerable("training.optimizer.lr", "learning rate", "lr")
CLIP_LIMIT = Steerable("training.clip.limit", "clip limit", "clip")
TRUNCATION = Steerable("training.truncation", "truncation", "truncation", "timesteps")
EVAL_SEQUENCES = Steerable("training.eval_sequences", "held-out split", "held out", "sequences")

STEERABLE: Mapping[str, Steerable] = {
    each.field: each for each in (LEARNING_RATE, CLIP_LIMIT, TRUNCATION, EVAL_SEQUENCES)
}
"""By their fields."""

STEPS = "training.steps"
"""Recorded as a change, too, when a run is lengthened. A schedule keeps to the steps of the spec."""


@dataclass(frozen=True)
class Change:
    """A change that was made to a run.

    Attributes:
        step: the first that it acts on.
        field: what was changed, as in `STEERABLE`, or `STEPS`.
        value: what to.
    """

    step: int
    field: str
    value: Any


def steerable(spec: Spec) -> tuple[Steerable, ...]:
    """What can be changed in a run of a spec: nothing that it does not have or make use of."""
    return tuple(each for each in STEERABLE.values() if not _why_not(spec, each))


def value_of(spec: Spec, field: str) -> Any:
    """The value of a field, by its path with dots; None if the spec has no such field."""
    value: Any = spec
    for part in field.split("."):
        value = getattr(value, part, None)
    return value


def changed(spec: Spec, field: str, value: Any) -> Spec:
    """A spec with one field changed, of those that can be while a run trains.

    Raises:
        SpecError: it cannot be changed, or not to this.
    """
    known = STEERABLE.get(field)
    why = _why_not(spec, known) if known is not None else "cannot be changed while a run trains"
    if why:
        can = ", ".join(each.field for each in steerable(spec))
        raise SpecError([Problem((field,), f"{why}; {can} can")])
    return _with_values(spec, {field: value})


def with_changes(spec: Spec, changes: Iterable[Change], step: int) -> Spec:
    """The spec in force when a step is made: with all changes that act on it or on one before.

    Args:
        spec: the run's.
        changes: see `acting`. Those to other fields than `STEERABLE` are left out.
        step: counted from 1; under the spec that is in force at step n, step n's weights are made.

    Raises:
        SpecError: what they make of it is no spec.
    """
    values = {field: value for field, value in acting(changes, step).items() if field in STEERABLE}
    return _with_values(spec, values) if values else spec


def acting(changes: Iterable[Change], step: int) -> dict[str, Any]:
    """What was changed and acts on a step: values by their fields.

    Args:
        changes: in the order in which they were made. Of several to one field the one that was made last
            counts, not the one with the latest step: that may have been made before the run went back to an
            earlier checkpoint, and the last word is that of whoever spoke last.
        step: see `with_changes`.
    """
    return {change.field: change.value for change in changes if change.step <= step}


def _with_values(spec: Spec, values: Mapping[str, Any]) -> Spec:
    data = spec.model_dump(exclude_none=True)
    for field, value in values.items():
        *tables, name = STEERABLE[field].path
        table = data
        for each in tables:
            table = table[each]
        table[name] = value
    return validate(data)


def _why_not(spec: Spec, what: Steerable) -> str:
    """Why a field means nothing in a run of a spec, if so."""
    if value_of(spec, what.field) is None:
        return f"clip = {spec.training.clip.kind} has no such thing"
    if spec.model.closed_form and what in (LEARNING_RATE, CLIP_LIMIT):
        return f"{spec.model.cell} solves for its readout, and no gradient is followed"
    return ""
