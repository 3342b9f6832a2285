"""What a person types over the values of a run: changes to one that trains, or what a fork has otherwise.

Both are drafts, so that the fields of the form serve them: but what is left empty stays as it is in the run,
and only what is typed counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seqlab.runs.record import changes_in, planned_ends
from seqlab.spec.forking import fork_of
from seqlab.spec.problems import SpecError
from seqlab.spec.schema import CHOICES, Spec
from seqlab.spec.steerable import STEERABLE, STEPS, Steerable, changed, steerable, value_of, with_changes
from seqlab.tui.draft import Checked, Draft, Entry, Path
from seqlab.tui.panels.moment import Moment
from seqlab.tui.wording import shown

STEP: Path = ("fork", "step")
ALSO: Path = ("also",)
"""A line of `a.b=value` texts: no field of the spec, but where those of them are typed that have no line."""
_ALL_ELSE = "all else, such as training.optimizer.name=sgd"
_OVERRIDE = re.compile(r"\s+(?=[\w.]+\s*=)")
"""What stands between two of them: a value may hold spaces."""


class Amendment(Draft):
    """What is typed over a spec.

    Args:
        origin: what the run began with.
        in_force: whose values hold where nothing is typed.
    """

    def __init__(self, origin: Spec, in_force: Spec) -> None:
        super().__init__()
        self.origin = origin
        for path in CHOICES:  # they decide which fields there are
            self._table(path)[path[-1]] = value_of(in_force, ".".join(path))
        self._last = in_force

    @property
    def in_force(self) -> Spec:
        """The spec whose values hold where nothing is typed."""
        assert self._last is not None
        return self._last

    def lines(self) -> tuple[Entry, ...]:
        """The fields that can be typed, in order."""
        return tuple(self._line(each) for each in steerable(self.in_force))

    def typed(self) -> dict[str, Any]:
        """What was typed, by the fields' paths."""
        found = {".".join(entry.path): self._find(entry.path) for entry in self.lines()}
        return {field: value for field, value in found.items() if value is not None}

    def _line(self, what: Steerable) -> Entry:
        entry = self._entry(what.path)
        at_first = shown(value_of(self.origin, what.field))
        return replace(
            entry, label=what.label, hint=" · ".join(filter(None, (f"at first {at_first}", entry.hint)))
        )

    def _entry(self, path: Path) -> Entry:
        return next(entry for entry in Draft.entries(self) if entry.path == path)


class Turns(Amendment):
    """What is to be changed in a run that trains.

    Args:
        moment: the run now.
        asked: what its worker was asked for already, by the fields.
    """

    def __init__(self, moment: Moment, asked: Mapping[str, Any]) -> None:
        super().__init__(moment.snapshot.spec, spec_at(moment, moment.step + 1))
        self._asked = asked

    def wanted(self) -> dict[str, Any]:
        """What was typed, by the fields, each as the spec would have it.

        Raises:
            SpecError: a field cannot be changed to what was typed.
        """
        typed = self.typed().items()
        return {field: value_of(changed(self.in_force, field, value), field) for field, value in typed}

    def check(self) -> Checked:
        """The spec that would be in force, or why what was typed cannot be, each under its field."""
        spec, problems = self.in_force, {}
        for field, value in self.typed().items():
            try:
                spec = changed(spec, field, value)
            except SpecError as error:
                problems[STEERABLE[field].path] = "; ".join(each.message for each in error.problems)
        return Checked(None if problems else spec, problems)

    def _line(self, what: Steerable) -> Entry:
        entry = super()._line(what)
        asked = self._asked.get(what.field)
        return entry if asked is None else replace(entry, hint=f"{shown(asked)} asked for · {entry.hint}")


class ForkDraft(Amendment):
    """What a fork is to be.

    Args:
        moment: the run that it goes on from.
        step: of that run, unless another one is typed.

    Attributes:
        notes: what follows from what was typed, a line each.
    """

    def __init__(self, moment: Moment, step: int) -> None:
        self._moment, self._step = moment, step
        self.notes: tuple[str, ...] = ()
        super().__init__(moment.snapshot.spec, _planned(moment, step))

    @property
    def step(self) -> int | str:
        """The step to go on from; if what was typed is none, why not."""
        step, reached = self._find(STEP), self._moment.step
        if step is None:
            return self._step
        if type(step) is not int or step < 0:
            return f"{shown(step)} is not a step: a whole number, 0 or more"
        if step > reached:
            return f"{step:,} is not a step yet: the run is at step {reached:,}"
        return step

    def lines(self) -> tuple[Entry, ...]:
        """The step, what can be steered, how long, and a line for all else."""
        length, begun = self._entry(tuple(STEPS.split("."))), self.origin.training.steps
        return (
            Entry(
                STEP, "from step", "integer", hint=f"up to {self._moment.step:,}", help="whose weights it has"
            ),
            *super().lines(),
            replace(length, label="to step", hint=f"at first {begun:,}"),
            Entry(ALSO, "and", "text", help=_ALL_ELSE),
        )

    def entries(self) -> tuple[Entry, ...]:
        """The same: no other field is typed."""
        return self.lines()

    def default(self, path: Path) -> str:
        """What holds where nothing is typed."""
        own = {STEP: str(self._step), ALSO: _ALL_ELSE}
        return own[path] if path in own else super().default(path)

    def set(self, path: Path, text: str) -> None:
        """Set a field; another step is one under which other values may have been in force."""
        super().set(path, text)
        if path == STEP and isinstance(self.step, int):
            self._last = _planned(self._moment, self.step)

    def overrides(self) -> tuple[str, ...]:
        """What was typed, as `a.b=value` texts."""
        typed = {STEPS: self._last_step} if self._goes_beyond else {}
        typed |= self.typed()
        typed.pop(".".join(STEP), None)
        also = str(typed.pop(".".join(ALSO), ""))
        own = (f"{field}={_as_toml(value)}" for field, value in typed.items())
        return (*own, *(text for text in _OVERRIDE.split(also) if text))

    @property
    def _last_step(self) -> int:
        return self.in_force.training.steps

    @property
    def _goes_beyond(self) -> bool:
        """Whether it ends later than the run: a fork from the last step has as many steps as the run had."""
        return self._last_step > _end(self._moment)

    def check(self) -> Checked:
        """The fork's spec, or what is wrong: under its field, or else under the line for all else."""
        step, notes = self.step, list[str]()
        if isinstance(step, str):
            return Checked(None, {STEP: step})
        try:
            spec = fork_of(self.in_force, "origin", step, self.overrides(), notes.append)
        except SpecError as error:
            own = {entry.path for entry in self.lines()}
            problems: dict[Path, str] = {}
            for each in error.problems:
                path = tuple(map(str, each.path))
                where = ": ".join(filter(None, (each.where.removeprefix("-s "), each.message)))
                if path in own:
                    problems.setdefault(path, each.message)
                elif self._find(ALSO) is not None:
                    problems.setdefault(ALSO, where)
                else:
                    problems.setdefault((), each.message)
            return Checked(None, problems)
        finally:
            self.notes = tuple(notes)
        return Checked(spec, {})


def spec_at(moment: Moment, step: int) -> Spec:
    """The spec in force when a step of a run is made; that of the run if its changes make none."""
    spec = moment.snapshot.spec
    try:
        return with_changes(spec, _changes(moment), step)
    except SpecError:  # damaged ones: who acts on them says so
        return spec


def _planned(moment: Moment, step: int) -> Spec:
    """The spec in force after a step, with the end that the run has by now, or one beyond the step."""
    spec, end = spec_at(moment, step + 1), _end(moment)
    end = end if step < end else step + moment.snapshot.spec.training.steps
    return spec.model_copy(update={"training": spec.training.model_copy(update={"steps": end})})


def _end(moment: Moment) -> int:
    return planned_ends(moment.snapshot.spec.training.steps, _changes(moment))[-1]


def _changes(moment: Moment) -> Sequence[Any]:
    return changes_in(moment.snapshot.events)


def _as_toml(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
