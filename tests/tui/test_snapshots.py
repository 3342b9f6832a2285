"""Pictures of every screen, made of a recorded run, are those that were looked at and kept.

After a change that is meant to be seen, `SEQLAB_SNAPSHOTS=write python -m pytest` on this file makes them
anew: look at each that git shows as changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from seqlab.runs import layout, listing
from seqlab.settings import Settings
from seqlab.tui.app import LabApp
from seqlab.tui.screens.ask import AskScreen
from seqlab.tui.screens.differences import DifferencesScreen
from seqlab.tui.screens.fork import ForkScreen
from seqlab.tui.screens.help import HelpScreen
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.runs import RunsScreen
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.screens.steer import SteerScreen
from seqlab.tui.widgets.lineplot import LinePlot
from tests.recording import FOLDER, MADE
from tests.tui.labs import floored
from tests.tui.waiting import until

PICTURES = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (120, 40), (200, 60)]
OTHER = "20260102-120000-adding-lstm-recorded"
"""The recorded run once more, under another seed."""

Act = Callable[[Pilot[None], Path], Awaitable[None]]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the recorded run alone, a day after it was made."""
    shutil.copytree(FOLDER, tmp_path / "runs" / FOLDER.name)
    monkeypatch.setattr(listing.time, "time", lambda: MADE + 86_400)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "runs"


async def setup(pilot: Pilot[None], _: Path) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, SetupScreen)
    await until(pilot, lambda: screen.ready)


async def lab(pilot: Pilot[None], runs: Path) -> None:
    await opened(pilot, runs / FOLDER.name)


async def earlier(pilot: Pilot[None], runs: Path) -> None:
    screen = await opened(pilot, runs / FOLDER.name)
    await pilot.press("left", "left")
    await until(pilot, lambda: screen.moment is not None and screen.moment.frame_step == 200)


async def gates(pilot: Pilot[None], runs: Path) -> None:
    await lab(pilot, runs)
    await pilot.press("3", "m")


async def explained(pilot: Pilot[None], runs: Path) -> None:
    await lab(pilot, runs)
    await pilot.press("question_mark")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))


async def browser(pilot: Pilot[None], runs: Path) -> None:
    await lab(pilot, runs)
    await pilot.press("r")
    await until(pilot, lambda: "adding" in picture(pilot) and "recorded" in picture(pilot))


async def steer(pilot: Pilot[None], runs: Path) -> None:
    screen = await opened(pilot, runs / FOLDER.name)
    assert screen.moment is not None
    moment = replace(screen.moment, state="training")
    await pilot.app.push_screen(SteerScreen(lambda: moment, screen.steering))


async def fork(pilot: Pilot[None], runs: Path) -> None:
    await earlier(pilot, runs)
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, ForkScreen))


async def ask(pilot: Pilot[None], runs: Path) -> None:
    await browser(pilot, runs)
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen) and pilot.app.screen.current)
    await pilot.press("d")
    await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))


async def differ(pilot: Pilot[None], runs: Path) -> None:
    another(runs)
    await browser(pilot, runs)
    screen = pilot.app.screen
    assert isinstance(screen, RunsScreen)
    await until(pilot, lambda: len(screen.rows) == 2 and all(row.told for row in screen.rows))
    await pilot.press("space", "space", "t")
    await until(pilot, lambda: isinstance(pilot.app.screen, DifferencesScreen))


async def overlay(pilot: Pilot[None], runs: Path) -> None:
    other = another(runs)
    await opened(pilot, runs / FOLDER.name, other)


def another(runs: Path) -> Path:
    """Another run beside the recorded one."""
    folder = shutil.copytree(FOLDER, runs / OTHER)
    spec = folder / layout.SPEC
    spec.write_text(spec.read_text("utf-8").replace("\nseed = 1\n", "\nseed = 2\n"), "utf-8")
    return folder


async def opened(pilot: Pilot[None], folder: Path, *others: Path) -> LabScreen:
    """The lab on a run, once it has seen it."""
    assert isinstance(pilot.app, LabApp)
    pilot.app.open_run(folder, others)
    await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    await until(pilot, lambda: screen.moment is not None and len(screen.moment.others) == len(others))
    return screen


def picture(pilot: Pilot[None]) -> str:
    """The screen as it is, and then its plots once more: labels stay where they stood on pictures before."""
    found = pilot.app.export_screenshot(title="seqlab")
    for screen in pilot.app.screen_stack:
        for plot in screen.query(LinePlot):
            plot._spots.clear()
            plot.redraw()
    return found


def plain(svg: str) -> str:
    """A picture without what says nothing: names that are made of a number of its content."""
    return re.sub(r"terminal-\d+", "terminal", svg)


async def settled(pilot: Pilot[None]) -> str:
    """The picture once it has not changed for some seconds."""
    seen = [plain(picture(pilot))]
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        await pilot.pause(0.5)
        seen.append(plain(picture(pilot)))
    return seen[-1]


@pytest.mark.parametrize(
    "act",
    [setup, lab, earlier, gates, explained, browser, steer, fork, ask, differ, overlay],
    ids=lambda act: act.__name__,
)
async def test_a_screen_looks_as_it_was_kept(runs: Path, act: Act) -> None:
    app = LabApp(out=runs, settings=Settings(charset="braille"))
    async with (app if act is setup else floored(app)).run_test(size=SIZES[0]) as pilot:
        await act(pilot, runs)
        for size in SIZES:
            path = PICTURES / f"{act.__name__}-{size[0]}x{size[1]}.svg"
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: pilot.app.screen.size == size)
            if os.environ.get("SEQLAB_SNAPSHOTS") == "write":
                PICTURES.mkdir(exist_ok=True)
                path.write_text(await settled(pilot))
            # The screen may still be on its way: it is right once it is the one that was kept.
            await until(pilot, lambda path=path: plain(picture(pilot)) == path.read_text())
