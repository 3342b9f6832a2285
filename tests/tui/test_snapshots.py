"""Pictures of every screen, made of a recorded run, are those that were looked at and kept.

After a change that is meant to be seen, `SEQLAB_SNAPSHOTS=write python -m pytest` on this file makes them
anew: look at each that git shows as changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from seqlab.runs import listing
from seqlab.settings import Settings
from seqlab.tui.app import LabApp
from seqlab.tui.screens.help import HelpScreen
from seqlab.tui.screens.lab import LabScreen
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.widgets.lineplot import LinePlot
from tests.recording import FOLDER, MADE
from tests.tui.waiting import until

PICTURES = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (120, 40), (200, 60)]

Act = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the recorded run alone, a day after it was made."""
    shutil.copytree(FOLDER, tmp_path / "runs" / FOLDER.name)
    monkeypatch.setattr(listing.time, "time", lambda: MADE + 86_400)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "runs"


async def setup(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, SetupScreen)
    await until(pilot, lambda: screen.ready)


async def lab(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    await until(pilot, lambda: screen.moment is not None)


async def earlier(pilot: Pilot[None]) -> None:
    await lab(pilot)
    await pilot.press("left", "left")
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    await until(pilot, lambda: screen.moment is not None and screen.moment.frame_step == 200)


async def gates(pilot: Pilot[None]) -> None:
    await lab(pilot)
    await pilot.press("3", "m")


async def explained(pilot: Pilot[None]) -> None:
    await lab(pilot)
    await pilot.press("question_mark")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))


async def browser(pilot: Pilot[None]) -> None:
    await lab(pilot)
    await pilot.press("r")
    await until(pilot, lambda: "adding" in picture(pilot) and "recorded" in picture(pilot))


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


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "act", [setup, lab, earlier, gates, explained, browser], ids=lambda act: act.__name__
)
async def test_a_screen_looks_as_it_was_kept(runs: Path, act: Act, size: tuple[int, int]) -> None:
    watched = None if act is setup else runs / FOLDER.name
    app = LabApp(watch=watched, out=runs, settings=Settings(charset="braille"))
    path = PICTURES / f"{act.__name__}-{size[0]}x{size[1]}.svg"
    async with app.run_test(size=size) as pilot:
        await act(pilot)
        if os.environ.get("SEQLAB_SNAPSHOTS") == "write":
            picture(pilot)
            await pilot.pause(1)
            PICTURES.mkdir(exist_ok=True)
            path.write_text(plain(picture(pilot)))
        # The screen may still be on its way: it is right once it is the one that was kept.
        await until(pilot, lambda: plain(picture(pilot)) == path.read_text())
