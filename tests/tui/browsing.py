"""The run browser on folders made for it, without Setup beneath."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from seqlab.runs import layout
from seqlab.runs.layout import create_run
from seqlab.runs.writer import RunWriter
from seqlab.tui.app import LabApp
from seqlab.tui.screens.runs import RunsScreen
from tests.conftest import small
from tests.tui.labs import Floor as Floor
from tests.tui.labs import floored
from tests.tui.labs import picture as picture
from tests.tui.waiting import until

WIDE, NARROW, LEAST = (120, 40), (80, 24), (60, 15)
Opened = list[tuple[Path, tuple[Path, ...]]]


def ended(home: Path, name: str, state: str = "finished", **training: Any) -> Path:
    """A run as a worker leaves it, under a name of its own."""
    made = create_run(small(**training), home)
    with RunWriter(made) as writer:
        writer.rows(*({"step": step, "train/loss": 1 / step, "eval/loss": 2 / step} for step in range(1, 21)))
        writer.set_status(state=state, step=20)
    return made.rename(home / name)


def three_runs(home: Path) -> Path:
    """Makes three runs, one of them damaged."""
    ended(home, "20260103-000000-adding-lstm-aaaaaa")
    ended(home, "20260102-000000-copy-gru-bbbbbb", "diverged", task={"name": "copy"}, model={"cell": "gru"})
    (ended(home, "20260101-000000-adding-lstm-cccccc") / layout.STATUS).write_bytes(b"{")
    return home


def noted(app: Any) -> Opened:
    """Notes what the lab is opened on, and with what over it."""
    opened: Opened = []
    before = app.lab_screen

    def lab_screen(folder: Path, worker: Any, others: tuple[Path, ...] = ()) -> Screen[Any]:
        opened.append((folder, others))
        screen: Screen[Any] = before(folder, worker)
        return screen

    app.lab_screen = lab_screen
    return opened


@asynccontextmanager
async def browser(
    home: Path, count: int, size: tuple[int, int] = WIDE
) -> AsyncIterator[tuple[Pilot[None], RunsScreen]]:
    """The browser, once it shows so many runs with all that is to be read of them."""
    app = floored(LabApp(out=home))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqlab.tui.screens.runs.TICK", 0.1)  # sooner than a person needs
        patch.delenv("SSH_CONNECTION", raising=False)
        async with app.run_test(size=size, notifications=True) as pilot:
            app.action_runs()
            await until(pilot, lambda: isinstance(app.screen, RunsScreen))
            screen = app.screen
            assert isinstance(screen, RunsScreen)
            await until(
                pilot, lambda: len(screen.rows) == count and all(r.told or r.ill for r in screen.rows)
            )
            yield pilot, screen


def names(screen: RunsScreen) -> list[str]:
    """The runs in the list, by the last part of their names."""
    return [row.name.rpartition("-")[2] for row in screen.list.table.rows]
