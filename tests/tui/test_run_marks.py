"""Marked runs, compared and laid over each other; and runs deleted, or left alone."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from seqlab.runs import layout
from seqlab.tui.screens.ask import AskScreen
from seqlab.tui.screens.differences import DifferencesScreen, value_text
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.widgets.run_rows import LETTERS
from tests.tui.browsing import browser, ended, names, noted, three_runs
from tests.tui.labs import picture, toasts
from tests.tui.waiting import until


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that nobody changes."""
    return three_runs(tmp_path_factory.mktemp("three"))


async def test_marked_runs_get_letters_and_are_compared_and_laid_over_each_other(three: Path) -> None:
    async with browser(three, 3) as (pilot, screen):
        first, second, third = (row.folder for row in screen.rows)
        await pilot.press("down", "space", "home", "space")
        assert screen.marked == [second, first]
        await until(pilot, lambda: "A●  ✗ diverged" in picture(screen))
        assert "B▲  ✓ finished" in picture(screen)
        await pilot.press("end", "space")
        assert third not in screen.marked
        assert "status.json cannot be read" in toasts(screen)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, DifferencesScreen))
        shown = picture(pilot.app.screen)
        assert "How 2 specs differ" in shown
        table = [line.replace("│", " ").split() for line in shown.splitlines()]
        assert ["A●", "B▲"] in table
        assert ["task.name", "copy", "adding"] in table
        assert ["task.length", "–", "10"] in table
        app, opened = pilot.app, noted(pilot.app)
        await pilot.press("escape", "o")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        assert opened == [(second, (first,))]
        await pilot.press("r")
        await until(pilot, lambda: app.screen is screen)
        assert screen.marked == [second, first]  # it is as it was left
        await pilot.press("home", "enter")  # one of them
        await until(pilot, lambda: len(opened) == 2)
        assert opened[1] == (second, (first,))
        await pilot.press("r")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("home", "space", "home", "enter")  # none of them any more
        await until(pilot, lambda: len(opened) == 3)
        assert opened[2] == (first, ())
        await pilot.press("r")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("escape")
        assert screen.marked == []
        assert app.screen is screen


async def test_no_more_runs_are_marked_than_there_are_letters(tmp_path: Path) -> None:
    one = ended(tmp_path, "20260101-000000-adding-lstm-000000")
    for number in range(1, len(LETTERS) + 1):
        shutil.copytree(one, tmp_path / f"{one.name[:-1]}{number}")
    async with browser(tmp_path, len(LETTERS) + 1) as (pilot, screen):
        await pilot.press(*["space"] * len(LETTERS))
        assert len(screen.marked) == len(LETTERS)
        await pilot.press("end", "space")
        assert len(screen.marked) == len(LETTERS)
        assert "8 runs are marked" in toasts(screen)
        shutil.rmtree(screen.marked[0])
        await until(pilot, lambda: len(screen.marked) == len(LETTERS) - 1)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, DifferencesScreen))
        assert "Their specs do the same" in picture(pilot.app.screen)


async def test_a_run_is_deleted_only_after_a_yes(tmp_path: Path) -> None:
    kept = ended(tmp_path, "20260102-000000-adding-lstm-aaaaaa")
    gone = ended(tmp_path, "20260101-000000-adding-lstm-bbbbbb")
    async with browser(tmp_path, 2) as (pilot, screen):
        await pilot.press("end")
        for key in ("n", "escape", "q"):
            await pilot.press("d")
            await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
            assert gone.name in picture(pilot.app.screen)
            await pilot.press("enter", key)
            await until(pilot, lambda: pilot.app.screen is screen)
        assert gone.is_dir()
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        await pilot.press("y")
        await until(pilot, lambda: names(screen) == ["aaaaaa"])
        await until(pilot, lambda: f"{gone.name} is deleted" in toasts(screen))
        assert os.listdir(tmp_path) == [kept.name]


async def test_a_run_under_way_or_a_link_is_not_deleted(tmp_path: Path) -> None:
    folder = ended(tmp_path / "runs", "20260102-000000-adding-lstm-aaaaaa", "training")
    over = ended(tmp_path / "elsewhere", "20260101-000000-adding-lstm-bbbbbb")
    os.symlink(over, tmp_path / "runs" / over.name)
    with (folder / layout.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with browser(tmp_path / "runs", 2) as (pilot, screen):
            assert "2 runs · 1 under way" in picture(screen)
            await pilot.press("d")
            await until(pilot, lambda: "is under way: stop it first" in toasts(screen))
            assert pilot.app.screen is screen
            await pilot.press("end")
            await until(pilot, lambda: "a link to another folder" in picture(screen))
            await pilot.press("d", "y")
            await until(pilot, lambda: "is a link" in toasts(screen))
    assert layout.is_run(folder)
    assert layout.is_run(tmp_path / "runs" / over.name)


def test_values_stand_in_their_cells() -> None:
    assert [value_text(value) for value in (None, "", False, 100_000, 1e-3, [3, 3])] == [
        "–", "–", "false", "100,000", "0.001", "3, 3",
    ]  # fmt: skip
    assert value_text("x" * 100) == "x" * 23 + "…"
