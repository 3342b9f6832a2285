"""The run browser on real run folders: what it shows, what its keys do, and what it leaves alone."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from textual.widgets import Static

from seqlab.runs import layout
from seqlab.runs.listing_row import Row
from seqlab.runs.writer import RunWriter
from seqlab.tui.app import LabApp
from seqlab.tui.screens.help import HelpScreen, keys_of
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.runs import RunsScreen
from seqlab.tui.screens.setup import SetupScreen
from tests.tui.browsing import LEAST, NARROW, WIDE, Floor, browser, ended, names, picture, three_runs
from tests.tui.harness import refreshed_rows
from tests.tui.waiting import typed, until


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that nobody changes."""
    return three_runs(tmp_path_factory.mktemp("three"))


async def test_r_shows_all_runs_newest_first_and_what_is_known_of_them(three: Path) -> None:
    app = LabApp(out=three)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("r")
        await until(pilot, lambda: "█" in picture(app.screen))
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        assert names(screen) == ["aaaaaa", "bbbbbb", "cccccc"]
        lines = picture(screen).splitlines()
        for number, words in enumerate(
            [
                ("✓ finished", "adding", "lstm 4", "20", "0.1", "█", "20260103-000000-adding-lstm-aaaaaa"),
                ("✗ diverged", "copy", "gru 4"),
                ("! damaged", "20260101-000000-adding-lstm-cccccc"),
            ],
            start=3,
        ):
            assert all(word in lines[number] for word in words), lines[number]
        assert "3 runs" in lines[0]
        assert "✓ finished at step 20 of 20 · loss 0.1 · best 0.1 · made" in lines[-2]
        assert not screen.check_action("compare", ())
        await pilot.press("r")  # which leads nowhere from here
        assert app.screen is screen
        await pilot.press("end")
        await until(pilot, lambda: "status.json cannot be read" in picture(screen))


async def test_it_fits_every_screen_under_any_theme(three: Path) -> None:
    async with browser(three, 3) as (pilot, screen):
        parts = [screen.list, screen.which, screen.what, *screen.query("Keys")]
        for size, theme in ((WIDE, "seqlab-light"), (NARROW, "ansi-dark"), (LEAST, "seqlab-dark")):
            pilot.app.theme = theme
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: parts[-1].region.bottom == size[1])
            lines = picture(screen).splitlines()
            assert "✓ finished" in lines[3]
            assert lines[0].split() == ["seqlab", "runs", "3", "runs"]
            assert "20260103-000000-adding-lstm-aaaaaa" in lines[-3]
            assert "open" in lines[-1]
            assert "help" in lines[-1]
            assert screen.list.table.max_scroll_x == 0
            assert [part.region.bottom for part in parts[:-1]] == [part.region.y for part in parts[1:]]


async def test_words_narrow_the_list_until_escape(three: Path) -> None:
    async with browser(three, 3) as (pilot, screen):
        await pilot.press("slash")
        await typed(pilot, "y g")
        assert names(screen) == ["bbbbbb"]
        assert screen.list.border_title == "Runs with “y g” · 1"
        await pilot.press("enter")
        assert screen.focused is screen.list.table
        assert names(screen) == ["bbbbbb"]
        await pilot.press("escape")
        await until(pilot, lambda: len(names(screen)) == 3)
        assert screen.list.table.current is not None
        assert screen.list.table.current.name.endswith("bbbbbb")  # the cursor stays on its run
        await pilot.press("slash")
        await typed(pilot, "zz")
        assert "No run holds these words" in picture(screen)
        assert screen.check_action("open", ()) is None
        await pilot.press("escape", "slash")
        await typed(pilot, "add")
        await pilot.press("down")
        assert screen.list.table.current.name.endswith("cccccc")
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Floor))


async def test_enter_or_a_click_opens_the_lab_and_r_comes_back_and_only_one_lab_is_open(three: Path) -> None:
    async with browser(three, 3) as (pilot, screen):
        app = pilot.app
        await pilot.press("end", "enter")
        assert app.screen is screen  # that one is damaged
        table = screen.list.table
        await pilot.click(table, offset=(5, 1))  # moves the cursor
        await pilot.click(table, offset=(5, 9))  # is below the last
        assert app.screen is screen
        await pilot.click(table, offset=(5, 1))
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        lab = app.screen
        await pilot.press("r")
        await until(pilot, lambda: app.screen is screen)
        assert screen.current is not None
        assert screen.current.name.endswith("bbbbbb")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is lab)
        await pilot.press("r")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen) and app.screen is not lab)
        assert [type(each) for each in app.screen_stack] == [Floor, LabScreen]


async def test_an_empty_list_says_how_to_make_a_run_and_shows_it_once_it_is_there(tmp_path: Path) -> None:
    async with browser(tmp_path / "runs", 0) as (pilot, screen):
        await until(pilot, lambda: "There are no runs yet" in picture(screen))
        assert "seqlab run PRESET" in picture(screen)
        assert str(tmp_path)[:20] in picture(screen)
        await pilot.press("enter", "space", "d", "t", "o", "up", "pagedown", "home")
        assert pilot.app.screen is screen
        ended(tmp_path / "runs", "20260102-000000-adding-lstm-aaaaaa")
        await until(pilot, lambda: names(screen) == ["aaaaaa"] and "✓ finished" in picture(screen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, Floor))


async def test_only_lines_that_changed_are_sent_and_none_while_nothing_does(tmp_path: Path) -> None:
    for number in range(3):
        ended(tmp_path, f"2026010{3 - number}-000000-adding-lstm-{number}aaaaa")
    async with browser(tmp_path, 3) as (pilot, screen):
        table = screen.list.table
        await until(pilot, lambda: all(row.curve for row in screen.rows))
        sent: set[int] = set()
        looks: list[object] = []
        send, show = table.refresh_line, screen._show

        def sending(y: int) -> None:
            sent.add(y)
            send(y)

        def showing(rows: tuple[Row, ...], trouble: str) -> None:
            looks.append(rows)
            show(rows, trouble)

        table.refresh_line, screen._show = sending, showing  # type: ignore[method-assign]
        await until(pilot, lambda: len(looks) >= 3)
        assert sent == set()
        assert not refreshed_rows(table)
        with RunWriter(screen.rows[1].folder) as writer:
            writer.set_status(state="diverged")
        await until(pilot, lambda: "✗ diverged" in picture(screen))
        looks.clear()
        await until(pilot, lambda: len(looks) >= 3)
        assert sent == {1}


async def test_help_names_every_key_and_nothing_is_read_behind_it(three: Path) -> None:
    async with browser(three, 3) as (pilot, screen):
        polls: list[object] = []
        poll = screen._listing.poll
        screen._listing.poll = lambda *asked: polls.append(asked) or poll(*asked)  # type: ignore[method-assign,func-returns-value]
        await until(pilot, lambda: polls)
        bindings = keys_of(screen, pilot.app)
        assert {"runs.open", "runs.mark", "runs.find", "runs.delete", "runs.up", "app.help"} <= {
            binding.id for binding in bindings
        }
        assert all(binding.tooltip or binding.description for binding in bindings)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        shown = " ".join(str(part.render()) for part in pilot.app.screen.query(Static))
        assert "Lost is a run whose worker is gone" in shown
        assert "Delete the run for good; asks first" in shown
        await until(pilot, lambda: not screen._awake.is_set())
        before = len(polls)
        screen._awake.set()  # as if its time had come
        await until(pilot, lambda: not screen._awake.is_set())
        assert len(polls) <= before + 1  # one may have been under way
        await pilot.press("escape")
        await until(pilot, lambda: len(polls) > before + 1)


async def test_without_colour_the_cursor_shows(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with browser(three, 3, NARROW) as (_, screen):
        reverse = [
            any(segment.style and segment.style.reverse for segment in screen.list.table.render_line(y))
            for y in range(3)
        ]
        assert reverse == [True, False, False]


async def test_setup_says_which_runs_are_under_way_and_rests_while_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqlab.tui.screens.setup.COUNT", 0.1)  # sooner than a person needs
    folder = ended(tmp_path, "20260102-000000-adding-lstm-aaaaaa", "paused")
    other = ended(tmp_path, "20260101-000000-adding-lstm-bbbbbb")
    app = LabApp(out=tmp_path)
    async with app.run_test(size=NARROW) as pilot:
        setup = app.screen
        assert isinstance(setup, SetupScreen)
        with (folder / layout.LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await until(pilot, lambda: "1 run under way · r shows it" in picture(setup))
        await until(pilot, lambda: "under way" not in picture(setup))
        started: list[bool] = []
        assert setup._standby is not None
        setup._standby.start = lambda: started.append(True)  # type: ignore[method-assign]
        for each in (folder, other):  # from one run to another, past Setup
            app.open_run(each)
            lab = app.screen
            assert isinstance(lab, LabScreen)
            await until(pilot, lambda lab=lab: lab.moment)
            assert not any(ticker._active.is_set() for ticker in setup._tickers)
        assert started == []
        app.action_new_run()
        await until(pilot, lambda: started)
        assert all(ticker._active.is_set() for ticker in setup._tickers)
