"""What the lab opens with: nothing, a spec to start, a run to watch, or the list of runs.

What these screens need takes its time to load, far longer than a person waits for a sign of life. So a line
that says what is being opened is painted first, and the rest is loaded behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.screen import Screen

from seqlab.runs.harmless import harmless
from seqlab.tui.widgets.keys import Keys
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec
    from seqlab.tui.app import LabApp

SETUP, LAB, RUNS = (f"seqlab.tui.screens.{name}" for name in ("setup", "lab", "runs"))
"""The screens, loaded when they are needed; the last two draw with NumPy."""
Load = Callable[[Callable[[str], None]], "Spec"]
"""Reads a spec; is given what to tell about it to."""


class OpeningScreen(Screen[None], inherit_bindings=False):
    """A line, until what it speaks of is there. Whoever comes back to it gets to Setup.

    Args:
        what: is being opened, in words.
        begin: opens it; begun once the line is painted.
    """

    app: LabApp
    BINDING_GROUP_TITLE = "Opening"

    def __init__(self, what: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__()
        self._what, self._begin = what, begin
        self._begun = False

    def compose(self) -> ComposeResult:
        """What is being opened, and the keys that there are always."""
        yield TopLine(f"opening {harmless(self._what)}")
        yield Keys()
        yield TooSmall()

    def on_screen_resume(self) -> None:
        """Begin; later there is nothing here to see any more."""
        if not self._begun:
            self._begun = True
            # As a worker of the app: keys must not wait for it.
            self.call_after_refresh(self.app.run_worker, self._open)
        elif self.is_active:  # not passed by on the way from one screen to another
            self.app.show_setup()

    async def _open(self) -> None:
        await self._begin()
        if self.app.refused is None:
            self.app.load_ahead()


async def open_watched(app: LabApp, folder: Path) -> None:
    """Open the lab on a run."""
    await asyncio.to_thread(import_module, LAB)
    app.open_run(folder)


async def open_runs(app: LabApp) -> None:
    """Open the list of runs."""
    await asyncio.to_thread(import_module, RUNS)
    app.action_runs()


async def open_source(app: LabApp, load: Load) -> None:
    """Start the run of a spec, and open the lab on it; a spec that cannot be read ends the lab."""
    from seqlab.runs.layout import RunError
    from seqlab.spec.problems import SpecError
    from seqlab.tui.standby import Standby

    standby, notes = Standby(app.started.worker_factory), list[str]()
    try:
        await asyncio.to_thread(standby.start)
        app.spec = await asyncio.to_thread(load, notes.append)
        await asyncio.to_thread(import_module, LAB)
        await app.start_run(app.spec, standby)
    except SpecError as error:
        app.refused = error
        app.exit()
    except RunError as error:
        notes.append(str(error))
        app.show_setup()
    finally:
        standby.close()
    for note in notes:
        app.notify(note, severity="warning", markup=False)
