"""What was done to a run on its way, as marks over its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from seqlab.runs import control
from seqlab.tui.panels.loss import LossPanel, loss_plot
from seqlab.tui.panels.marks import marks_of
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.plotdata import Mark
from tests.conftest import small
from tests.tui.conftest import Begin
from tests.tui.labs import lab, state, text
from tests.tui.waiting import until

Moments = Callable[[str], Moment]


def event(step: int, name: str, **fields: Any) -> Mapping[str, Any]:
    return {"time": 0.0, "step": step, "event": name, **fields}


def changed(step: int, field: str, value: Any) -> Mapping[str, Any]:
    return event(step, "changed", field=field, value=value)


def with_events(moment: Moment, *events: Mapping[str, Any]) -> Moment:
    """The moment of a run to which this was done."""
    return replace(moment, snapshot=replace(moment.snapshot, events=(*moment.snapshot.events, *events)))


def test_every_change_is_a_mark_with_a_short_name_at_the_step_from_which_it_acts(moment: Moments) -> None:
    run = with_events(
        moment("adding"),
        changed(11, "training.optimizer.lr", 0.002),
        changed(21, "training.clip.limit", 0.5),
        changed(31, "training.truncation", 1000),
        changed(41, "training.truncation", 0),
        changed(51, "training.something.new", 3),
    )
    assert marks_of(run) == (
        Mark(11, "lr", "0.002"),
        Mark(21, "clip", "0.5"),
        Mark(31, "truncation", "1,000"),
        Mark(41, "full BPTT"),
        Mark(51, "new", "3"),
    )
    assert loss_plot(run, log=True).marks == marks_of(run)


def test_a_resume_is_a_mark_and_to_lengthen_a_run_is_one_and_not_two(moment: Moments) -> None:
    run = with_events(
        moment("adding"),
        event(20, "resumed"),
        event(20, "resumed"),
        event(40, "resumed"),
        changed(41, "training.steps", 60),
    )
    assert marks_of(run) == (Mark(20, "resumed"), Mark(41, "steps", "60"))


def test_what_is_still_to_come_has_no_mark(moment: Moments) -> None:
    lr = "training.optimizer.lr"
    run = with_events(moment("adding"), changed(61, lr, 1), changed(62, lr, 2), event(70, "resumed"))
    assert marks_of(run) == (Mark(61, "lr", "1"),)


@pytest.mark.parametrize("value", ["\x1b[31m", None, [1], float("nan"), float("inf"), 10**400])
def test_what_is_no_number_is_no_change(moment: Moments, value: Any) -> None:
    run = with_events(moment("adding"), changed(11, "training.optimizer.lr", value))
    assert marks_of(run) == ()
    assert run.learning_rate == 0.001


def test_a_name_that_a_stranger_chose_does_no_harm(moment: Moments) -> None:
    [mark] = marks_of(with_events(moment("adding"), changed(11, "a.\x1b[31m\nred" + "x" * 99, 1)))
    assert mark.name.isprintable()
    assert len(mark.name) < 30


def test_a_new_mark_means_a_new_picture(moment: Moments) -> None:
    panel, run = LossPanel(), moment("adding")
    more = with_events(run, changed(11, "training.truncation", 3))
    assert panel.depends_on(run) != panel.depends_on(more)


async def test_changes_of_a_run_under_way_are_marked_and_gone_back_before_them_not_in_force(
    begin: Begin,
) -> None:
    folder, worker = begin(small(steps=100_000_000, log_every=1))
    async with lab(folder, worker) as (pilot, screen):
        await until(pilot, lambda: screen.loss.plot.data.series)
        await pilot.press("space")
        await until(pilot, lambda: state(screen) == "paused")
        control.send(folder, "set", "training.truncation", 5)
        await until(pilot, lambda: "truncation 5 of 10" in text(screen.status))
        await pilot.press("full_stop")
        await until(pilot, lambda: "wall 5" in text(screen.gradient))
        await until(pilot, lambda: "truncation" in {mark.name for mark in screen.loss.plot.data.marks})
        await pilot.press("home")
        await until(pilot, lambda: "full BPTT over 10" in text(screen.status))
        await until(pilot, lambda: "wall 5" not in text(screen.gradient))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "lr" in {mark.name for mark in screen.loss.plot.data.marks})
        assert screen.moment.learning_rate == 0.001  # as it was then
        await pilot.press("end")
        await until(pilot, lambda: "lr 0.00125" in text(screen.status))
