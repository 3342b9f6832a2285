"""The lab on a run folder, and ways to read what stands on a screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from seqlab.runs.launch import Worker
from seqlab.tui.app import LabApp
from seqlab.tui.screens.lab import LabScreen
from tests.tui.waiting import until

FOUR, ONE = (120, 36), (80, 24)
"""Sizes at which all four panels are in sight, and one."""


class Floor(Screen[None]):
    """Lies under everything, in place of Setup, whose form takes its time."""


def floored(app: LabApp) -> LabApp:
    """The same app without Setup beneath."""
    app.get_default_screen = Floor  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def lab(
    folder: Path,
    worker: Worker | None = None,
    size: tuple[int, int] = FOUR,
    others: tuple[Path, ...] = (),
    setup: bool = False,
    **of_the_app: Any,
) -> AsyncIterator[tuple[Pilot[None], LabScreen]]:
    """The lab on a run, once it has seen it; Setup is beneath it only if it is asked for."""
    app = LabApp(**of_the_app)
    app.NOTIFICATION_TIMEOUT = 600  # on a slow machine words may be gone before they are read
    async with (app if setup else floored(app)).run_test(size=size) as pilot:
        app.started.workers += [worker] if worker is not None else []
        app.open_run(folder, others, worker)
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        screen = app.screen
        assert isinstance(screen, LabScreen)
        await until(pilot, lambda: screen.moment is not None or screen.trouble.display)
        await pilot.pause()
        yield pilot, screen


def text(widget: Widget) -> str:
    """What stands on the screen where a widget is, its border included."""
    region = widget.region
    rows = widget.screen._compositor.render_strips()[region.y : region.bottom]
    return "\n".join(strip.crop(region.x, region.right).text for strip in rows)


def picture(screen: Screen[Any]) -> str:
    """Everything on the screen."""
    return "\n".join(strip.text for strip in screen._compositor.render_strips())


def state(screen: LabScreen) -> str:
    """The state of the run that is shown; "" before it is seen."""
    return screen.moment.state if screen.moment else ""


def toasts(screen: Screen[Any]) -> str:
    """What was said in passing, a line each."""
    return "\n".join(each.message for each in screen.app._notifications)
