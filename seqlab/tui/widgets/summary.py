"""What the run on the form will be: size, time once measured, rungs, and what the preset claims."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from seqlab.spec.plan import step_bytes
from seqlab.spec.schema import Claim, Spec
from seqlab.tui.standby import News
from seqlab.tui.widgets.axes import number
from seqlab.tui.wording import duration, size

_LABEL = 8
"""Cells of a line's label."""
_NO_FORMULA = "as the run measures them"
"""What is said of rungs under another loss than the one that their formulas are for."""
Line = tuple[str, str]
"""A line's label, and what it says."""


@dataclass(frozen=True)
class Facts:
    """What is shown.

    Attributes:
        spec: what would be run.
        news: what the worker measured of it.
        preset: the name of the preset that the form was filled from, or "".
        claims: what that preset claims.
        changed: whether the form has left it.
    """

    spec: Spec
    news: News
    preset: str = ""
    claims: tuple[Claim, ...] = ()
    changed: bool = False


class Summary(Widget):
    """Draws facts in as many lines as there are, or in two where there is little room."""

    def __init__(self) -> None:
        super().__init__(id="summary")
        self.border_title = "This run"
        self._facts: Facts | None = None
        self._outdated = False

    def show(self, facts: Facts) -> None:
        """Show these facts."""
        if facts != self._facts:
            taller = self._facts is None or (facts.spec, facts.claims, facts.changed) != (
                self._facts.spec,
                self._facts.claims,
                self._facts.changed,
            )
            self._facts = facts
            self.refresh(layout=taller)

    def outdate(self, outdated: bool) -> None:
        """Say that what is shown is the last that could be run, and not what is on the form."""
        if outdated != self._outdated:
            self._outdated = outdated
            self.border_title = "The last that could be run" if outdated else "This run"
            self.set_class(outdated, "-outdated")
            self.refresh()

    def render(self) -> RenderResult:
        """Label and words, a line each."""
        if self._facts is None:
            return ""
        brief = self.screen.has_class("-narrow") or self.screen.has_class("-low")
        lines = brief_lines(self._facts) if brief else full_lines(self._facts)
        if brief:
            head = "last valid: " if self._outdated and self.styles.border_top[0] == "" else ""
            return Content(head) + Content("\n").join(Content(words) for _, words in lines)
        rows = []
        for label, words in lines:
            parts = wrap(words, max(20, self.size.width - _LABEL), drop_whitespace=False)
            labels = [label, *[""] * len(parts)]
            rows += [
                Content.assemble((f"{head:<{_LABEL}}", "$muted"), part)
                for head, part in zip(labels, parts, strict=False)
            ]
        return Content("\n").join(rows)


def brief_lines(facts: Facts) -> list[Line]:
    """Two lines: size and time; rungs."""
    rungs = " · ".join(f"{number(rung.value)} {rung.label}" for rung in facts.spec.rungs())
    return [("", " · ".join(_size(facts))), ("", f"rungs {rungs or _NO_FORMULA}")]


def full_lines(facts: Facts) -> list[Line]:
    """Size, memory, time, every rung, every claim."""
    spec = facts.spec
    parameters, memory, *times = _size(facts)
    lines = [("Size", f"{parameters} · {memory}"), ("Time", times[0] if times else "not measured yet")]
    values = [number(rung.value) for rung in spec.rungs()]
    width = max(map(len, values), default=0)
    for index, (value, rung) in enumerate(zip(values, spec.rungs(), strict=True)):
        lines.append(("Rungs" if index == 0 else "", f"{value:>{width}}  {rung.label}"))
    if not values:
        lines.append(("Rungs", f"{_NO_FORMULA}  ({spec.loss.label})"))
    else:
        lines[2] = ("Rungs", f"{lines[2][1]}  ({spec.loss.label})")
    if facts.preset and facts.changed:
        lines.append(("Claims", f"none: {facts.preset} was changed"))
    elif facts.preset:
        words = [claim.in_words() for claim in facts.claims] or ["none"]
        lines += [("Claims" if index == 0 else "", claim) for index, claim in enumerate(words)]
    return lines


def _size(facts: Facts) -> list[str]:
    """Parameters, memory, and the time as soon as the worker has measured it."""
    spec, news = facts.spec, facts.news
    words = [f"{spec.parameters:,} parameters", f"{size(step_bytes(spec))} a step"]
    if news.step_ms is not None:
        whole = "" if news.run_seconds is None else f": {duration(news.run_seconds)}"
        words.append(f"{number(news.step_ms)} ms a step{whole}")
    return words
