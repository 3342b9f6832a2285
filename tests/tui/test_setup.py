"""Setup, with a real worker wherever one matters."""

from __future__ import annotations

import importlib
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static
from textual.widgets._toast import Toast

from seqlab.runs.launch import Worker
from seqlab.runs.layout import create_run
from seqlab.runs.reader import RunReader
from seqlab.spec import presets
from seqlab.tui.app import LabApp
from seqlab.tui.draft import CELL, TASK, TRUNCATION
from seqlab.tui.screens.help import HelpScreen
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.widgets.field import Field
from seqlab.tui.widgets.form import Form
from seqlab.tui.widgets.preset_list import Choices, PresetList
from seqlab.tui.widgets.stretch import StretchBar
from seqlab.tui.widgets.summary import Summary
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine
from tests.conftest import small
from tests.tui.waiting import typed, until

ADDING = """
title = "two numbers"
about = "watch the loss"
[task]
name = "adding"
length = 12
[model]
cell = "lstm"
hidden = 4
[training]
steps = 20
batch_size = 4
eval_sequences = 8
[[expect]]
metric = "eval/loss"
below = 1.0
seeds = [2, 3]
"""
COPY = """
title = "a few symbols"
[task]
name = "copy"
delay = 3
symbols = 2
[model]
cell = "gru"
"""


@pytest.fixture(autouse=True)
def _two_presets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "adding-lstm.toml").write_text(ADDING)
    (tmp_path / "copy-gru.toml").write_text(COPY)
    (tmp_path / "torn.toml").write_text("[task")
    # The package's function `presets` hides the module of that name.
    monkeypatch.setattr(importlib.import_module("seqlab.spec.presets"), "_folder", lambda: tmp_path)
    assert set(presets()) == {"adding-lstm", "copy-gru", "torn"}


@asynccontextmanager
async def setup(
    width: int = 120, height: int = 36, worker: Callable[[], Worker] | None = None, **options: Any
) -> AsyncIterator[tuple[Pilot[None], SetupScreen]]:
    app = LabApp(worker_factory=worker, **options)
    try:
        async with app.run_test(size=(width, height), notifications=True) as pilot:
            screen = app.screen
            assert isinstance(screen, SetupScreen)
            await until(pilot, lambda: screen.ready)
            yield pilot, screen
    finally:
        app.started.let_go()


def text_of(widget: Any) -> str:
    return "\n".join(strip.text.rstrip() for strip in widget.render_lines(Region(0, 0, *widget.outer_size)))


def field(screen: SetupScreen, path: tuple[str, ...]) -> Field:
    return next(row for row in screen.query(Field) if row.entry.path == path)


async def focus(pilot: Pilot[Any], screen: SetupScreen, path: tuple[str, ...]) -> None:
    field(screen, path).query_one(".stop").focus()
    await pilot.pause()


async def test_it_opens_on_the_first_preset_with_its_claims_and_text() -> None:
    async with setup() as (_, screen):
        assert screen.spec is not None
        assert screen.spec.title == "two numbers"
        summary = text_of(screen.query_one(Summary))
        assert "117 parameters" in summary
        assert "0.1667  constant 1" in summary
        assert "eval/loss below 1, in 2 of 3 seeds" in summary
        assert str(screen.query_one("#about Static", Static).render()) == "watch the loss"


async def test_under_another_loss_rungs_have_no_numbers_before_the_run() -> None:
    async with setup(overrides=["training.loss=huber"]) as (_, screen):
        assert screen.spec is not None
        summary = text_of(screen.query_one(Summary))
        assert "Rungs   as the run measures them  (huber)" in summary
        assert "constant 1" not in summary


async def test_a_chosen_preset_fills_the_form() -> None:
    async with setup() as (pilot, screen):
        screen.query_one(Choices).focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.spec is not None and screen.spec.task.name == "copy")
        assert field(screen, ("task", "delay")).query_one(Input).value == "3"
        assert "▸ copy-gru" in text_of(screen.query_one(Choices))
        assert isinstance(screen.focused, type(field(screen, TASK).query_one(".stop")))


async def test_a_click_chooses_a_preset() -> None:
    async with setup() as (pilot, screen):
        await pilot.click(Choices, offset=(5, 1))
        await until(pilot, lambda: screen.spec is not None and screen.spec.task.name == "copy")


async def test_presets_are_found_by_typing() -> None:
    async with setup() as (pilot, screen):
        await pilot.press("slash")
        await typed(pilot, "symb")
        assert [option.id for option in screen.query_one(Choices).options] == ["copy-gru"]
        await pilot.press("enter")
        await until(pilot, lambda: screen.spec is not None and screen.spec.task.name == "copy")
        assert screen.query_one(Choices).option_count == 3


async def test_finding_can_be_given_up() -> None:
    async with setup() as (pilot, screen):
        await pilot.press("slash")
        await typed(pilot, "zz")
        assert "none" in str(screen.query_one(PresetList).border_title)
        await pilot.press("escape")
        await pilot.pause()
        assert screen.query_one(Choices).option_count == 3
        assert isinstance(screen.focused and screen.focused.parent, Field)


async def test_a_torn_preset_says_so_and_leaves_the_form_alone() -> None:
    async with setup() as (pilot, screen):
        assert "not a TOML file" in text_of(screen.query_one(Choices))
        screen.query_one(Choices).focus()
        await pilot.press("end", "enter")
        await pilot.pause()
        assert screen.spec is not None
        assert screen.spec.title == "two numbers"
        assert "not a TOML file" in str(screen.query_one("#notice", Static).render())


async def test_start_is_off_while_a_field_is_wrong(tmp_path: Path) -> None:
    async with setup(out=tmp_path / "runs") as (pilot, screen):
        await focus(pilot, screen, ("task", "length"))
        await typed(pilot, "1")
        assert screen.check_action("start", ()) is None
        await pilot.press("enter")
        assert pilot.app.screen is screen
        assert not (tmp_path / "runs").exists()
        await typed(pilot, "2")
        assert screen.check_action("start", ()) is True


async def test_a_changed_preset_makes_no_claims() -> None:
    async with setup() as (pilot, screen):
        await focus(pilot, screen, ("model", "hidden"))
        await typed(pilot, "5")
        assert "none: adding-lstm was changed" in text_of(screen.query_one(Summary))
        assert screen.spec is not None
        assert screen.spec.expect == ()


async def test_letters_are_keys_in_a_number_field() -> None:
    async with setup() as (pilot, screen):
        await focus(pilot, screen, TRUNCATION)
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("escape")
        await pilot.press("q")
        await pilot.pause()
        assert not pilot.app.is_running or pilot.app._exit


async def test_help_names_every_key_of_the_screen() -> None:
    async with setup() as (pilot, _):
        await pilot.press("question_mark")
        await pilot.pause()
        shown = help_on(pilot)
        for words in ("Start the run", "Find a preset", "Leave the lab", "Open the choices", "next field"):
            assert words in shown
        assert "Choose a task" in shown


async def test_up_and_down_go_from_field_to_field() -> None:
    async with setup() as (pilot, screen):
        await focus(pilot, screen, TASK)
        await pilot.press("down", "down")
        assert screen.focused is field(screen, CELL).query_one(".stop")
        await pilot.press("up")
        assert screen.focused is field(screen, ("task", "length")).query_one(".stop")


@pytest.mark.parametrize(("width", "height"), [(60, 15), (80, 24), (100, 20), (120, 36), (200, 60)])
async def test_nothing_overlaps_or_runs_over_at_any_size(width: int, height: int) -> None:
    async with setup(width, height) as (_, screen):
        panels = ["#experiment", "#presets", "#summary", "#about", "TopLine", "Keys"]
        regions = [w.region for name in panels for w in screen.query(name) if w.display and w.region.area]
        assert len(regions) >= 4
        for number, region in enumerate(regions):
            assert screen.region.contains_region(region)
            assert not any(region.overlaps(other) for other in regions[number + 1 :])
        for scrolled in (screen.query_one(Form), screen.query_one(OptionList)):
            assert scrolled.max_scroll_x == 0
        assert screen.query_one(StretchBar).region.right <= screen.query_one("#experiment").region.right - 1
        assert not screen.query_one(TooSmall).display


@pytest.mark.parametrize(("width", "height"), [(59, 15), (60, 14), (20, 5)])
async def test_below_the_least_size_one_line_says_so(width: int, height: int) -> None:
    async with setup(width, height) as (pilot, screen):
        assert [w for w in screen.children if w.display] == [screen.query_one(TooSmall)]
        assert text_of(screen.query_one(TooSmall)).startswith(f"{width}×{height} is too"[:width])
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not screen.query_one(TooSmall).display
        assert screen.query_one(Form).display


async def test_in_one_column_the_presets_come_when_called() -> None:
    async with setup(80, 24) as (pilot, screen):
        assert not screen.query_one(PresetList).display
        await pilot.press("slash")
        await pilot.pause()
        assert screen.query_one(PresetList).display
        assert screen.query_one(PresetList).region.width == 80
        assert not screen.query_one("#experiment").display
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.spec is not None and screen.spec.task.name == "copy")
        assert screen.query_one("#experiment").display


async def test_overrides_are_on_the_form() -> None:
    async with setup(overrides=["training.truncation=6"]) as (_, screen):
        assert screen.spec is not None
        assert screen.spec.training.truncation == 6


async def test_the_worker_says_what_it_does_and_then_how_long_a_run_takes() -> None:
    async with setup(worker=Worker) as (pilot, screen):
        said = set()

        def measured() -> bool:
            said.add(screen.query_one(TopLine).state.split(" ")[0])
            return "ms a step: " in text_of(screen.query_one(Summary))

        await until(pilot, measured)
        assert "worker ready · lstm compiled in" in screen.query_one(TopLine).state
        assert "importing" in said or "starting" in said
        field(screen, CELL).query_one(".stop").focus()
        await pilot.press("right")
        await until(pilot, lambda: "worker ready · gru compiled in" in screen.query_one(TopLine).state)
        await until(pilot, measured)


async def test_enter_starts_a_run_that_trains_to_its_end() -> None:
    async with setup(worker=Worker) as (pilot, screen):
        await focus(pilot, screen, TRUNCATION)
        await typed(pilot, "4")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
        opened = pilot.app.screen
        assert isinstance(opened, LabScreen)
        reader = RunReader(opened.folder)
        assert reader.poll().spec.training.truncation == 4
        await until(pilot, lambda: reader.poll().state == "finished")
        pilot.app.action_new_run()  # type: ignore[attr-defined]
        await pilot.pause()
        await until(pilot, lambda: "worker ready" in screen.query_one(TopLine).state)


async def test_a_dead_worker_is_told_of_and_the_next_run_starts_another() -> None:
    started: list[Worker] = []

    def factory() -> Worker:
        started.append(Worker())
        return started[-1]

    async with setup(worker=factory) as (pilot, screen):
        await until(pilot, lambda: "worker ready" in screen.query_one(TopLine).state)
        os.kill(started[0].pid, signal.SIGKILL)
        await until(pilot, lambda: "worker ended with exit code -9" in screen.query_one(TopLine).state)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
        assert len(started) == 2
        reader = RunReader(pilot.app.screen.folder)  # type: ignore[attr-defined]
        await until(pilot, lambda: reader.poll().state == "finished")


async def test_a_worker_that_dies_at_once_leaves_its_last_words_on_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stillborn.py").write_text("raise SystemExit('no core for this machine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with setup(worker=partial(Worker, module="stillborn")) as (pilot, screen):
        notice = screen.query_one("#notice", Static)
        await until(pilot, lambda: "no core for this machine" in str(notice.render()))
        await focus(pilot, screen, TRUNCATION)
        await typed(pilot, "4")
        assert screen.spec is not None
        assert screen.spec.training.truncation == 4


async def test_a_run_that_cannot_be_made_is_one_line_on_the_screen(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    async with setup(worker=Worker, out=blocked) as (pilot, screen):
        await pilot.press("enter")
        await pilot.pause()
        assert pilot.app.screen is screen
        notice = screen.query_one("#notice", Static)
        assert notice.display
        assert "cannot make a run folder here" in str(notice.render())


def help_on(pilot: Pilot[Any]) -> str:
    """Every line that the help shows."""
    assert isinstance(pilot.app.screen, HelpScreen)
    return "\n".join(str(line.render()) for line in pilot.app.screen.query(Static))


@pytest.mark.parametrize(("width", "height"), [(60, 15), (120, 36)])
async def test_help_begins_with_the_keys_and_then_tells_what_the_preset_says_of_itself_and_claims(
    width: int, height: int
) -> None:
    async with setup(width, height) as (pilot, screen):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        keys, about = pilot.app.screen.query_one("#help-keys", Static), help_on(pilot)
        assert about.startswith(str(keys.render()))
        assert "Start the run, from any field" in str(keys.render())
        assert about.removeprefix(str(keys.render())).startswith(
            "\nadding-lstm: two numbers\nwatch the loss\nClaims: eval/loss below 1, in 2 of 3 seeds\n"
        )
        await until(pilot, lambda: text_of(keys).startswith(str(keys.render())[:20].rstrip()))
        await pilot.press("escape")
        await focus(pilot, screen, ("model", "hidden"))
        await typed(pilot, "5")
        await pilot.press("question_mark")
        await pilot.pause()
        assert "It was changed since, and claims nothing now." in help_on(pilot)
        assert "eval/loss below 1" not in help_on(pilot)


async def test_a_long_text_about_a_preset_is_scrolled_from_any_field(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(400))
    (tmp_path / "adding-lstm.toml").write_text(ADDING.replace("watch the loss", text))
    async with setup() as (pilot, screen):
        about = screen.query_one("#about")
        assert about.max_scroll_y > 0
        await focus(pilot, screen, TRUNCATION)
        await until(pilot, lambda: about.border_subtitle == "pgup pgdn")
        for _ in range(40):
            await pilot.press("pagedown")
        assert about.scroll_y == about.max_scroll_y
        assert about.query_one(Static).region.bottom < about.region.bottom
        for _ in range(40):
            await pilot.press("pageup")
        assert about.scroll_y == 0


async def test_the_text_about_a_preset_says_when_it_was_changed() -> None:
    async with setup() as (pilot, screen):
        about = screen.query_one("#about")
        assert about.border_title == "About adding-lstm"
        field(screen, TASK).query_one(".stop").focus()
        await pilot.press("right")
        await pilot.pause()
        assert about.border_title == "About adding-lstm, changed since"
        await pilot.press("left")
        await focus(pilot, screen, ("task", "length"))
        await typed(pilot, "12")
        assert about.border_title == "About adding-lstm"


async def test_behind_the_lab_on_a_given_spec_setup_shows_that_spec(tmp_path: Path) -> None:
    spec = small(steps=30, truncation=3)
    app = LabApp(("small", lambda note: spec), worker_factory=Worker, out=tmp_path / "runs")
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: isinstance(app.screen, LabScreen))
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, SetupScreen) and app.screen.ready)
            screen = app.screen
            assert isinstance(screen, SetupScreen)
            assert screen.spec == spec
    finally:
        app.started.let_go()


async def test_the_screen_goes_on_while_the_run_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, made = threading.Event(), []

    def slow(*arguments: Any) -> Path:
        disk.wait()
        made.append(create_run(*arguments))
        return made[-1]

    monkeypatch.setattr("seqlab.runs.layout.create_run", slow)
    async with setup(worker=Worker, out=tmp_path / "runs") as (pilot, screen):
        try:
            await pilot.press("enter", "enter")
            await focus(pilot, screen, TRUNCATION)
            await typed(pilot, "4")
            assert pilot.app.screen is screen
            assert field(screen, TRUNCATION).query_one(Input).value == "4"
        finally:
            disk.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
        assert len(made) == 1
        reader = RunReader(made[0])
        await until(pilot, lambda: reader.poll().state == "finished")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 36)])
async def test_while_a_field_is_wrong_the_size_is_said_to_be_that_of_the_last_valid_run(
    width: int, height: int
) -> None:
    async with setup(width, height) as (pilot, screen):
        summary = screen.query_one(Summary)
        await focus(pilot, screen, ("task", "length"))
        await typed(pilot, "1")
        said = text_of(summary)
        assert ("last valid: 117 parameters" if width < 100 else "The last that could be run") in said
        assert "117 parameters" in said
        await typed(pilot, "2")
        await pilot.pause()
        assert "last" not in text_of(summary)


async def test_a_theme_leaves_nothing_of_the_one_before() -> None:
    def colours(pilot: Pilot[Any]) -> set[str]:
        return set(re.findall("#[0-9a-f]{6}", pilot.app.export_screenshot()))

    async with setup() as (pilot, _):
        pilot.app.theme = "seqlab-light"
        await until(pilot, lambda: "#ffffff" in colours(pilot))
        light = colours(pilot)
    async with setup() as (pilot, _):
        await pilot.press("down", "right")
        await pilot.pause()
        dark = colours(pilot) - light
        assert len(dark) > 5
        pilot.app.theme = "seqlab-light"
        await until(pilot, lambda: not dark & colours(pilot))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 36)])
async def test_toasts_stand_at_the_top(width: int, height: int) -> None:
    async with setup(width, height) as (pilot, screen):
        for words in ("one", "two"):
            pilot.app.notify(words)
        await until(pilot, lambda: len(screen.query(Toast)) == 2 and screen.query(Toast).last().region.area)
        assert all(toast.region.bottom <= height // 2 for toast in screen.query(Toast))
        assert all(toast.region.right >= width - 3 for toast in screen.query(Toast))
