from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static

from seqlab.cells import CELLS
from seqlab.tasks import TASKS, Task
from seqlab.tasks.adding import Adding
from seqlab.tasks.copy import Copy
from seqlab.tasks.sine import Sine
from seqlab.tui import themes
from seqlab.tui.draft import CELL, STOP, TASK, TRUNCATION, Draft, Path
from seqlab.tui.widgets.field import Field, NumberInput, Picker
from seqlab.tui.widgets.form import Form, out_of_reach
from seqlab.tui.widgets.group import GroupBox, Heading
from seqlab.tui.widgets.stretch import StretchBar
from tests.tui.harness import lines
from tests.tui.waiting import typed, until

TUI = pathlib.Path(themes.__file__).parent
STYLES = [TUI / "app.tcss", TUI / "screens" / "setup.tcss"]


class OneForm(App[None]):
    """A form alone, that counts the letters it lets through."""

    CSS_PATH: ClassVar[Any] = STYLES
    BINDINGS = [("x", "count", "count"), ("enter", "count", "count")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.OTHERS

    def compose(self) -> ComposeResult:
        yield Form(Draft())

    def action_count(self) -> None:
        self.counted += 1


@asynccontextmanager
async def form(width: int = 80, height: int = 50) -> AsyncIterator[tuple[Pilot[None], Form]]:
    async with OneForm().run_test(size=(width, height)) as pilot:
        await pilot.pause()
        yield pilot, pilot.app.query_one(Form)


def field(form: Form, path: Path) -> Field:
    return next(row for row in form.query(Field) if row.entry.path == path)


def box(form: Form, title: str) -> GroupBox:
    return next(box for box in form.query(GroupBox) if box.group.title == title)


def problem_under(row: Field) -> str:
    words = row.query_one(".problem", Static)
    return str(words.render()) if words.display and row.has_class("-wrong") else ""


async def focus(pilot: Pilot[Any], form: Form, path: Path) -> None:
    field(form, path).query_one(".stop").focus()
    await pilot.pause()


async def test_a_typed_number_is_in_the_spec_at_once() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, ("task", "length"))
        await typed(pilot, "64")
        assert form_.checked.spec is not None
        assert form_.checked.spec.task.timesteps == 64


async def test_keys_that_come_in_a_burst_are_taken_in_their_order() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, ("task", "length"))
        for key in ("1", "2", "backspace", "3", "left", "7", "home", "4", "end", "5"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: field(form_, ("task", "length")).query_one(Input).value == "41735")


async def test_the_bar_of_reach_follows_the_truncation_as_it_is_typed() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, TRUNCATION)
        await typed(pilot, "2")
        assert "credit ends at step 99" in lines(form_.query_one(StretchBar))[2]
        await typed(pilot, "5")
        assert "credit ends at step 76" in lines(form_.query_one(StretchBar))[2]
        assert (
            str(form_.query_one(".fact", Static).render())
            == "the first marker (1–50) always lies before that"
        )


async def test_out_of_bounds_is_said_under_the_field_and_nothing_else_changes() -> None:
    async with form() as (pilot, form_):
        before = lines(form_.query_one(StretchBar))
        await focus(pilot, form_, ("task", "length"))
        await typed(pilot, "1")
        assert problem_under(field(form_, ("task", "length"))) == "1 is out of bounds: it must be at least 2"
        assert form_.checked.spec is None
        assert lines(form_.query_one(StretchBar)) == before
        assert [row for row in form_.query(Field) if problem_under(row)] == [field(form_, ("task", "length"))]
        await typed(pilot, "0")
        assert problem_under(field(form_, ("task", "length"))) == ""
        assert form_.checked.spec is not None


async def test_number_fields_let_letters_and_enter_through() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, TRUNCATION)
        await pilot.press("x", "3", "x", "enter")
        editor = field(form_, TRUNCATION).query_one(NumberInput)
        assert editor.value == "3"
        assert pilot.app.counted == 3  # type: ignore[attr-defined]


async def test_in_a_text_field_letters_are_text_and_escape_leaves() -> None:
    async with form() as (pilot, form_):
        title = box(form_, "Title")
        title.folded = False
        await pilot.pause()
        await focus(pilot, form_, ("title",))
        await typed(pilot, "x y")
        assert field(form_, ("title",)).query_one(Input).value == "x y"
        assert form_.draft.data["title"] == "x y"
        await pilot.press("escape", "x")
        assert pilot.app.focused is title.query_one(Heading)
        assert pilot.app.counted == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TASKS)
async def test_another_task_brings_its_own_fields(name: str) -> None:
    async with form() as (pilot, form_):
        field(form_, TASK).query_one(Picker).value = name
        await pilot.pause()
        await pilot.pause()
        shown = {row.entry.path[1] for row in form_.query(Field) if row.entry.path[0] == "task"}
        assert shown == set(TASKS[name].model_fields)
        assert form_.checked.spec is not None
        assert form_.checked.spec.task.name == name


async def test_left_and_right_go_through_the_cells_and_keep_the_focus() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, CELL)
        picker = field(form_, CELL).query_one(Picker)
        seen = [picker.value]
        for _ in CELLS:
            await pilot.press("right")
            await pilot.pause()
            seen.append(picker.value)
        assert seen == [*CELLS, next(iter(CELLS))]
        assert pilot.app.focused is picker
        await pilot.press("left")
        assert form_.draft.picked(CELL) == list(CELLS)[-1]


async def test_a_choice_that_may_be_left_empty_has_a_word_for_it() -> None:
    async with form() as (pilot, form_):
        box(form_, "Stopping").folded = False
        await pilot.pause()
        await focus(pilot, form_, (*STOP, "metric"))
        picker = field(form_, (*STOP, "metric")).query_one(Picker)
        assert picker.value == ""
        assert lines(picker.query_one("#label"))[0].startswith("–")
        await pilot.press("right")
        await pilot.pause()
        assert form_.draft.data["training"]["stop"] == {"metric": "train/loss"}
        await pilot.press("left")
        await pilot.pause()
        assert form_.checked.spec is not None
        assert form_.checked.spec.training.stop.metric == ""


async def test_space_opens_the_choices_and_enter_takes_one_without_starting() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, TASK)
        await pilot.press("space", "down", "enter")
        await pilot.pause()
        assert form_.draft.picked(TASK) == "copy"
        assert pilot.app.counted == 0  # type: ignore[attr-defined]


async def test_a_group_folds_and_says_in_words_what_is_in_it() -> None:
    async with form() as (pilot, form_):
        optimiser = box(form_, "Optimiser")
        heading = optimiser.query_one(Heading)
        assert not optimiser.query(Field)
        assert lines(heading)[0].startswith("▸ Optimiser   adam, lr 0.001")
        heading.focus()
        await pilot.press("space")
        await pilot.pause()
        assert lines(heading)[0].strip() == "▾ Optimiser"
        await focus(pilot, form_, ("training", "optimizer", "lr"))
        await typed(pilot, "1e-2")
        heading.focus()
        await pilot.press("left")
        await pilot.pause()
        assert lines(heading)[0].startswith("▸ Optimiser   adam, lr 0.01")
        assert not any(row.display for row in optimiser.query(Field))


async def test_every_field_can_be_reached_with_tab_alone() -> None:
    async with form(height=20) as (pilot, form_):
        for heading in form_.query(Heading):
            heading.action_fold(False)
        await pilot.pause()
        await pilot.pause()
        reached = set()
        wanted = {entry.path for entry in form_.draft.entries()}
        for _ in range(2 * len(wanted)):
            if reached == wanted:
                break
            await pilot.press("tab")
            focused = pilot.app.focused
            assert focused is not None
            if isinstance(focused.parent, Field):
                reached.add(focused.parent.entry.path)
                await until(pilot, lambda: form_.region.contains_region(pilot.app.focused.region))  # type: ignore[union-attr]
        assert reached == wanted


async def test_a_folded_group_with_a_problem_opens() -> None:
    async with form() as (pilot, form_):
        form_.draft.override(["training.optimizer.lr=-1"])
        await form_.follow()
        await pilot.pause()
        await pilot.pause()
        assert not box(form_, "Optimiser").folded
        assert "above 0" in problem_under(field(form_, ("training", "optimizer", "lr")))


async def test_defaults_that_follow_other_fields_are_shown_as_they_follow() -> None:
    async with form() as (pilot, form_):
        box(form_, "Training").folded = False
        await pilot.pause()
        await focus(pilot, form_, ("training", "steps"))
        await typed(pilot, "10000")
        assert field(form_, ("training", "eval_every")).query_one(Input).placeholder == "500"


async def test_a_choice_that_is_none_is_a_problem_and_no_crash() -> None:
    async with form() as (pilot, form_):
        form_.draft.override(["training.update=never"])
        await form_.follow()
        await pilot.pause()
        row = field(form_, ("training", "update"))
        assert "'never' is not one of sequence, window" in problem_under(row)
        row.query_one(Picker).focus()
        await pilot.press("right")
        await pilot.pause()
        assert form_.checked.spec is not None
        assert form_.checked.spec.training.update == "window"


@pytest.mark.parametrize(
    ("task", "truncation", "words"),
    [
        (Adding(), 25, "the first marker (1–50) always lies before that"),
        (Adding(length=3), 1, "the first marker (1) always lies before that"),
        (Adding(), 0, ""),
        (Adding(), 100, ""),
        (
            Copy(delay=10, symbols=5),
            5,
            "what is to be copied (1–5) always lies before step 16, where the answer's credit ends",
        ),
        (Copy(delay=10, symbols=5), 18, ""),
        (Sine(), 5, ""),
    ],
)
def test_what_always_lies_out_of_reach(task: Task, truncation: int, words: str) -> None:
    assert out_of_reach(task, truncation) == words


@pytest.mark.parametrize("truncation", range(1, 20))
def test_out_of_reach_agrees_with_the_windows(truncation: int) -> None:
    task = Adding(length=20)
    start = (20 - 1) // truncation * truncation  # steps before the last window, none of which get a gradient
    assert bool(out_of_reach(task, truncation)) == (start >= 10)


async def test_keys_that_come_faster_than_the_form_follows_are_all_kept_in_order() -> None:
    async with form() as (pilot, form_):
        await focus(pilot, form_, ("task", "length"))
        for key in "125":
            pilot.app.post_message(events.Key(key, key))
        await pilot.pause()
        await pilot.press("0")
        await pilot.pause()
        assert field(form_, ("task", "length")).query_one(Input).value == "1250"
        assert form_.checked.spec is not None
        assert form_.checked.spec.task.timesteps == 1250


async def test_changes_of_several_fields_at_once_all_reach_the_draft_and_stay_on_screen() -> None:
    async with form() as (pilot, form_):
        length, hidden = (
            field(form_, path).query_one(Input) for path in (("task", "length"), ("model", "hidden"))
        )
        length.value = "1"
        length.value = "125"
        field(form_, CELL).query_one(Picker).value = "gru"
        hidden.value = "6"
        hidden.value = "64"
        await pilot.pause()
        await pilot.pause()
        assert (length.value, hidden.value) == ("125", "64")
        assert form_.draft.data["model"] == {"cell": "gru", "hidden": 64}
        assert form_.checked.spec is not None
        assert form_.checked.spec.task.timesteps == 125
