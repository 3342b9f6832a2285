"""What was done to a run on its way, as marks on every plot over its steps."""

from __future__ import annotations

from seqlab.runs.harmless import harmless
from seqlab.spec.steerable import STEERABLE, STEPS, TRUNCATION
from seqlab.tui.panels.moment import Moment, changes
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.plotdata import Mark

_LONGEST = 16
"""Characters of the name of a field that is not among those known."""


def marks_of(moment: Moment) -> tuple[Mark, ...]:
    """A mark for each change, at the step from which it acts, and for each resume; none for what is to come.

    To lengthen a run is to resume it, and is said once.
    """
    changed = [event for event in changes(moment.snapshot) if event["step"] <= moment.step + 1]
    marks = [_mark(event["step"], event["field"], event["value"]) for event in changed]
    lengthened = {event["step"] for event in changed if event["field"] == STEPS}
    resumed = {event["step"] for event in moment.snapshot.events if event["event"] == "resumed"}
    marks += [Mark(step, "resumed") for step in resumed if step + 1 not in lengthened and step <= moment.step]
    return tuple(sorted(marks, key=lambda mark: mark.x))


def _mark(step: int, field: str, value: float) -> Mark:
    """`lr 0.002`, `truncation 25`, `steps 8,000`."""
    if field == TRUNCATION.field and not value:
        return Mark(step, "full BPTT")
    known = STEERABLE.get(field)
    name = harmless(field.rpartition(".")[2], _LONGEST) if known is None else known.short
    return Mark(step, name, f"{value:,}" if isinstance(value, int) else number(value))
