"""Steering and forking from the lab: what the dialogs offer, what they refuse, and what comes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from seqlab.runs.launch import Worker
from seqlab.runs.layout import list_runs
from seqlab.runs.reader import RunReader
from seqlab.spec import Spec, load_spec
from seqlab.tui.amendment import ALSO, STEP, ForkDraft
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.steering import Steering
from seqlab.tui.screens.fork import ForkScreen, step_of
from seqlab.tui.screens.help import HelpScreen
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.steer import SteerScreen
from seqlab.tui.widgets.field import Field
from tests.tui.conftest import Begin, Finished
from tests.tui.labs import ONE, lab, picture, toasts
from tests.tui.waiting import typed, until

Moments = Callable[[str], Moment]
LR, CLIP = ("training", "optimizer", "lr"), ("training", "clip", "limit")
TRUNCATION, STEPS = ("training", "truncation"), ("training", "steps")


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Those that the lab starts; none outlives the test."""
    started: list[Worker] = []
    yield started
    for worker in started:
        if worker.alive:
            worker._process.kill()
        worker.reap()
        worker.close()


def changed(moment: Moment, *changes: tuple[int, str, Any]) -> Moment:
    """A moment of a run to which changes were made."""
    events = tuple(
        {"event": "changed", "time": 0.0, "step": step, "field": field, "value": value}
        for step, field, value in changes
    )
    return replace(moment, snapshot=replace(moment.snapshot, events=(*moment.snapshot.events, *events)))


def training(moment: Moment) -> Moment:
    """As if the run were still under way."""
    return replace(moment, state="training")


def field(screen: Screen[Any], path: tuple[str, ...]) -> Field:
    return next(each for each in screen.query(Field) if each.entry.path == path)


async def type_in(pilot: Pilot[None], screen: Screen[Any], path: tuple[str, ...], text: str) -> None:
    """Type a text into a field."""
    screen.set_focus(field(screen, path).query_one("Input"))
    await typed(pilot, text)


async def _no_start(step: int, overrides: Sequence[str]) -> None:
    raise AssertionError(f"a fork from step {step} was started")


async def test_what_is_typed_is_asked_for_and_what_is_wrong_is_said_and_not_sent(begin: Begin) -> None:
    folder, worker = begin()
    answers: list[bool | None] = []

    def changes() -> list[tuple[str, Any]]:
        events = RunReader(folder).poll().events
        return [(each["field"], each["value"]) for each in events if each["event"] == "changed"]

    async with lab(folder, worker, ONE) as (pilot, below):
        await until(pilot, lambda: below.moment is not None and below.moment.state == "training")
        await pilot.press("space")
        await until(pilot, lambda: below.moment is not None and below.moment.state == "paused")

        async def open_dialog() -> SteerScreen:
            screen = SteerScreen(lambda: below.moment, below.steering)
            await pilot.app.push_screen(screen, answers.append)
            await until(pilot, lambda: pilot.app.focused is not None and pilot.app.screen is screen)
            return screen

        screen = await open_dialog()
        await pilot.press("down")
        await typed(pilot, "-3")
        await until(pilot, lambda: "-3 is out of bounds: it must be above 0" in picture(screen))
        await pilot.press("down")
        await typed(pilot, "4")
        await pilot.press("enter")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert not below.steering.values_asked
        await pilot.press("up", "backspace", "backspace")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is below)
        await until(pilot, lambda: answers == [True])
        await until(pilot, lambda: not below.steering.values_asked)
        assert changes() == [("training.truncation", 4)]

        screen = await open_dialog()
        truncation = field(screen, TRUNCATION).query_one("Input")
        assert (truncation.value, truncation.placeholder) == ("", "4")  # type: ignore[attr-defined]
        await until(pilot, lambda: "at first 0 · timesteps; 0 = full BPTT" in picture(screen))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is below)
        await until(pilot, lambda: answers == [True, False])
        assert changes() == [("training.truncation", 4)]


def test_a_value_is_asked_for_until_it_is_in_force_or_refused(moment: Moments, tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    said: list[str] = []
    steering = Steering(tmp_path, lambda words, _: said.append(words))
    run = training(moment("adding"))
    steering.follow(run)
    values = {"training.truncation": 5, "training.clip.limit": 0.5, "training.eval_sequences": 9}
    assert steering.change(run, values)
    assert steering.values_asked == {"training.clip.limit": 0.5, "training.eval_sequences": 9}
    assert steering.wishes == "clip → 0.5, held out → 9"
    assert not steering.change(run, values)  # it was asked for already, or is so
    run = changed(run, (61, "training.clip.limit", 0.5))
    steering.follow(run)
    assert steering.wishes == "held out → 9"
    what = {"command": "set", "field": "training.eval_sequences", "why": "there is not enough memory"}
    refusal = {"event": "refused", "time": 0.0, **what}
    run = replace(run, snapshot=replace(run.snapshot, events=(*run.snapshot.events, refusal)))
    steering.follow(run)
    assert not steering.values_asked
    assert said == ["refused to set: there is not enough memory"]
    steering.close()


def test_a_fork_begins_where_one_looks_and_never_where_a_run_diverged(moment: Moments) -> None:
    run = moment("adding")
    assert step_of(run) == 60
    frame = run.snapshot.frame
    assert frame is not None
    assert step_of(replace(run, chosen=replace(frame, step=20))) == 20
    assert 59 in run.snapshot.kept
    assert step_of(replace(run, state="diverged")) == 59


def test_a_fork_offers_what_was_in_force_after_its_step(moment: Moments) -> None:
    run = changed(moment("adding"), (11, "training.truncation", 4), (41, "training.clip.limit", 0.5))
    draft = ForkDraft(run, 39)
    assert (draft.default(TRUNCATION), draft.default(CLIP), draft.default(STEPS)) == ("4", "1", "60")
    draft.set(STEP, "40")
    assert (draft.default(TRUNCATION), draft.default(CLIP)) == ("4", "0.5")
    draft.set(STEP, "9")
    assert draft.default(TRUNCATION) == "5"
    draft.set(LR, "0.5")
    spec = draft.check().spec
    assert spec is not None
    assert spec.training.optimizer.lr == 0.5
    assert spec.fork is not None
    assert spec.fork.step == 9


def test_a_fork_from_the_last_step_goes_on_for_as_long_as_the_run_was(moment: Moments) -> None:
    draft = ForkDraft(moment("adding"), 60)
    assert draft.overrides() == ("training.steps=120",)
    assert draft.check().problems == {}
    draft.set(STEPS, "90")
    assert draft.overrides() == ("training.steps=90",)
    draft.set(STEP, "40")
    draft.set(STEPS, "")
    assert draft.overrides() == ()


def test_all_else_is_typed_in_a_line_and_values_may_hold_spaces(moment: Moments) -> None:
    draft = ForkDraft(moment("adding"), 40)
    draft.set(ALSO, "title=a second try   training.optimizer.name=sgd")
    assert draft.overrides() == ("title=a second try", "training.optimizer.name=sgd")
    spec = draft.check().spec
    assert spec is not None
    assert (spec.title, spec.training.optimizer.name) == ("a second try", "sgd")
    assert "back to their defaults: lr" in draft.notes[0]


@pytest.mark.parametrize(
    ("path", "text", "where", "words"),
    [
        (STEP, "61", STEP, "61 is not a step yet: the run is at step 60"),
        (STEP, "1.5", STEP, "1.5 is not a step"),
        (STEPS, "40", STEPS, "40, but the fork begins at step 40: above that"),
        (LR, "-1", LR, "-1 is out of bounds"),
        (CLIP, "2026-01-01", CLIP, "'2026-01-01' is not a number"),
        (ALSO, "training.seed=7", ALSO, "a fork goes on with the same data, so it stays 0"),
        (ALSO, "sgd", ALSO, "an override reads a.b=value"),
        (ALSO, "training.optimiser=sgd", ALSO, "unknown field"),
    ],
)
def test_what_a_fork_cannot_be_is_said_where_it_was_typed(
    moment: Moments, path: tuple[str, ...], text: str, where: tuple[str, ...], words: str
) -> None:
    draft = ForkDraft(moment("adding"), 40)
    draft.set(path, text)
    checked = draft.check()
    assert checked.spec is None
    assert set(checked.problems) == {where}
    assert words in checked.problems[where]


async def test_both_dialogs_fit_60_by_15_and_a_run_that_has_ended_is_asked_for_nothing(
    finished: Finished,
) -> None:
    async with lab(finished("adding"), size=ONE) as (pilot, below):
        app = pilot.app
        await pilot.resize_terminal(60, 15)
        assert below.moment is not None
        over = below.moment
        moments = [training(over)]
        steer = SteerScreen(lambda: moments[-1], below.steering)
        await app.push_screen(steer)
        for words in ("learning rate", "clip limit", "truncation", "held-out split", "enter change"):
            await until(pilot, lambda words=words: words in picture(steer))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await until(pilot, lambda: "Ask for what was typed" in picture(app.screen))
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is steer)
        moments.append(over)
        await typed(pilot, "1")
        await pilot.press("enter")
        await until(pilot, lambda: "cannot change anything: the run is finished" in toasts(app.screen))
        assert app.screen is steer
        assert not below.steering.values_asked
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is below)

        screen = ForkScreen(below.moment, _no_start)
        await app.push_screen(screen)
        for words in (
            "from step",
            "learning rate",
            "held-out split",
            "to step",
            "all else, such as",
            "start",
        ):
            await until(pilot, lambda words=words: words in picture(screen))
        await type_in(pilot, screen, ALSO, "q")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is below)


async def test_a_fork_takes_the_place_of_the_lab_and_what_prevents_it_is_said(
    finished: Finished, tmp_path: Path, workers: list[Worker]
) -> None:
    origin = tmp_path / finished("adding").name
    shutil.copytree(finished("adding"), origin)

    def factory() -> Worker:
        workers.append(Worker())
        return workers[-1]

    def made() -> list[Path]:
        return [folder for folder in list_runs(tmp_path) if folder != origin]

    async with lab(origin, size=ONE, out=tmp_path, worker_factory=factory) as (pilot, below):
        app = pilot.app
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        screen = app.screen
        assert isinstance(screen, ForkScreen)
        await until(pilot, lambda: "Fork at step 60" in picture(screen))
        await type_in(pilot, screen, STEPS, "6")
        await until(pilot, lambda: "6, but the fork begins at step 60: above that" in picture(screen))
        await pilot.press("enter")
        await pilot.pause()
        assert not made()
        await type_in(pilot, screen, STEPS, "4")
        await type_in(pilot, screen, TRUNCATION, "7")
        (origin / "checkpoints").rename(tmp_path / "away")
        await pilot.press("enter")
        await until(pilot, lambda: "has no whole checkpoint" in picture(screen))
        (tmp_path / "away").rename(origin / "checkpoints")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen is not below)
        fork = app.screen
        assert isinstance(fork, LabScreen)
        assert [fork.folder] == made()
        await until(pilot, lambda: fork.moment is not None and fork.moment.state == "finished")
    spec: Spec = load_spec(fork.folder)
    assert spec.fork is not None
    assert (spec.fork.run, spec.fork.step) == (origin.name, 60)
    assert (spec.training.steps, spec.training.truncation) == (64, 7)
