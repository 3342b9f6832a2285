"""The lab: Setup at the bottom, the lab of a run and the list of all runs on top, and what belongs to none.

`run_lab` is all that the command line needs. Nothing heavy is imported before the first paint.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from seqlab.settings import Settings
from seqlab.tui import themes
from seqlab.tui.screens.setup import SetupScreen
from seqlab.tui.state import report, save
from seqlab.tui.terminal import Terminal
from seqlab.tui.widgets.too_small import LEAST
from seqlab.tui.wishes import check_keys, check_theme

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.runs.listing import Listing
    from seqlab.spec.schema import Spec
    from seqlab.tui.standby import Standby

LAB_SCREEN = "seqlab.tui.screens.lab"
"""Loaded late: it draws with NumPy, which Setup does without."""
RUNS_SCREEN = "seqlab.tui.screens.runs"
"""Loaded late likewise."""
SETTLED = 3.0
"""Seconds after which most of what stays has been made. The garbage collector need not go through that again
and again, for which it stops everything, keys too, for a tenth of a second."""


def run_lab(
    source: Spec | None = None,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    threads: int | None = None,
    watch: Path | None = None,
    settings: Settings | None = None,
    runs: bool = False,
) -> int:
    """Open the lab and stay until the person leaves.

    Args:
        source: a spec to start at once.
        overrides: `a.b=value` texts for the form.
        out: where new runs go; None for the usual place.
        threads: for workers; None leaves it to them.
        watch: a run folder to open the lab on.
        settings: how the lab looks and behaves; None for the defaults.
        runs: open the list of all runs.

    Returns:
        The exit code: 0, 1 after a crash, 128 + n after signal n.

    Raises:
        SpecError: the settings name a theme or an action that there is not.
    """
    gc.set_threshold(10_000)
    app = LabApp(source, overrides, out, partial(_start_worker, threads), watch, settings, runs)
    app.run(mouse=app.settings.mouse)
    app.let_go()
    try:
        if app._exception is not None:
            print(report(app._exception), file=sys.stderr, flush=True)
        for line in app.farewell():
            print(line, flush=True)
    except OSError:  # the terminal is gone; what waits to be written must not trip the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return app.left_on or app.return_code or 0


class LabApp(App[None]):
    """The lab.

    Args:
        source: a spec to start at once.
        overrides: for the form.
        out: where new runs go.
        worker_factory: starts a worker; None for no worker.
        watch: a run folder to open the lab on.
        settings: how the lab looks and behaves; None for the defaults.
        runs: open the list of all runs.

    Raises:
        SpecError: the settings name a theme or an action that there is not.

    Attributes:
        left_on: 128 + n once signal n has ended the lab, even if the terminal is gone and leaving it fails.
    """

    TITLE = "seqlab"
    NOTIFICATION_TIMEOUT = 4
    CSS_PATH: ClassVar[Any] = ["app.tcss", "screens/setup.tcss"]
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (LEAST[0], "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (LEAST[1], "-low"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "question_mark",
            "help",
            "help",
            key_display="?",
            id="app.help",
            tooltip="Keys and words of this screen",
        ),
        Binding("r", "runs", "runs", id="app.runs", tooltip="Show all runs"),
        Binding("ctrl+l", "redraw", "redraw", show=False, id="app.redraw", tooltip="Send the screen again"),
        Binding("q", "quit", "quit", id="app.quit", tooltip="Leave the lab; a run that is under way goes on"),
    ]

    def __init__(
        self,
        source: Spec | None = None,
        overrides: Sequence[str] = (),
        out: Path | None = None,
        worker_factory: Callable[[], Worker] | None = None,
        watch: Path | None = None,
        settings: Settings | None = None,
        runs: bool = False,
    ) -> None:
        colourless = "NO_COLOR" in os.environ
        # Unless colours are the terminal's own, Textual turns NO_COLOR into greys, which are colours still.
        super().__init__(driver_class=Terminal, ansi_color=True if colourless else None)
        self.worker_factory = worker_factory
        self._source, self._overrides, self._out, self._watch = source, overrides, out, watch
        self._folders: list[Path] = [watch] if watch is not None else []
        self._started: list[Worker] = []
        self._listing: Listing | None = None
        self._runs_screen: Screen[Any] | None = None
        self._opens_runs = runs
        self.left_on = 0
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        self.settings = settings or Settings()
        check_theme(self.settings.theme, self.available_themes)
        check_keys(self.settings.keys)
        self.theme = "ansi-dark" if colourless else self.settings.theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, for themes that do not have them."""
        return themes.OTHERS

    def get_default_screen(self) -> Screen[Any]:
        """Setup lies under everything."""
        return SetupScreen(self._overrides, self._source)

    def on_mount(self) -> None:
        """Leave properly on signals; open what was asked for."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(number, self._leave_on, number)
        if self._watch is not None:
            self.open_run(self._watch, None)
        elif self._source is not None:
            self._start_source(self._source)
        elif self._opens_runs:
            self.action_runs()
        else:
            self.call_after_refresh(self._load_ahead)
        self.set_keymap(self.settings.keys)
        self.set_timer(SETTLED, gc.freeze)

    def on_resize(self) -> None:
        """The terminal may show anything now, even if it has come back to the size that it had."""
        self.action_redraw()

    def action_redraw(self) -> None:
        """Send the whole screen again."""
        if isinstance(self._driver, Terminal):
            self._driver.repaint()

    @property
    def listing(self) -> Listing:
        """The runs where this lab puts its own. Not for the first paint: it imports NumPy."""
        if self._listing is None:
            from seqlab.runs.listing import Listing

            self._listing = Listing(self._out)
        return self._listing

    @property
    def congested(self) -> bool:
        """Whether the terminal is behind with what was sent already: then there is no use in more."""
        return isinstance(self._driver, Terminal) and not self._driver.keeps_up

    def lab_screen(self, folder: Path, worker: Worker | None, others: tuple[Path, ...] = ()) -> Screen[Any]:
        """The screen on which a run is watched, with others laid over it."""
        screen: Screen[Any] = import_module(LAB_SCREEN).LabScreen(folder, worker, others)
        return screen

    async def start_run(self, spec: Spec, standby: Standby) -> None:
        """Make a run folder, send a worker to it, and open the lab on it. No screen waits for the disk.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
        """
        from seqlab.runs.layout import create_run

        self._send(await asyncio.to_thread(create_run, spec, self._out), standby)

    async def start_fork(self, origin: Path, step: int, overrides: Sequence[str]) -> None:
        """Make a fork of a run, send a worker to it, and open the lab on it, with that run laid over it.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
            SpecError: the fork cannot be what is asked for.
        """
        from seqlab.runs.fork import create_fork
        from seqlab.tui.standby import Standby

        folder = await asyncio.to_thread(create_fork, origin, step, overrides, self._out)
        self._send(folder, Standby(self.worker_factory), others=(origin,))

    def _send(self, folder: Path, standby: Standby, others: tuple[Path, ...] = ()) -> None:
        worker = standby.run(folder)
        self._started.append(worker)
        self._folders.append(folder)
        self.open_run(folder, worker, others)

    def open_run(self, folder: Path, worker: Worker | None, others: tuple[Path, ...] = ()) -> None:
        """Open the lab on a run, in place of another lab.

        Args:
            folder: the run.
            worker: trains it, if this program started it; found if that was done here.
            others: runs to lay over it.
        """
        self.action_new_run()
        if worker is None:
            own = (each for each in self._started if each.folder == folder and each.alive)
            worker = next(own, None)
        if folder not in self._folders:
            self._folders.append(folder)
        self.push_screen(self.lab_screen(folder, worker, others))

    def action_runs(self) -> None:
        """Show all runs, as they were left."""
        if self._runs_screen is None:
            self._runs_screen = import_module(RUNS_SCREEN).RunsScreen(self.listing)
            self.install_screen(self._runs_screen, "runs")
        if self._runs_screen not in self.screen_stack:
            self.push_screen(self._runs_screen)

    def action_new_run(self) -> None:
        """Back to Setup; a run that is under way goes on."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key leads to where one is."""
        return not (action == "runs" and self.screen is self._runs_screen)

    def action_help(self) -> None:
        """Explain the screen in front."""
        from seqlab.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What ctrl+p offers: every key of the screen, the theme, and a picture of the screen."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.show and binding.description and active.enabled:
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description.capitalize(), binding.tooltip, run)
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Picture", "Save the screen as an SVG in the current folder", self._picture)

    def farewell(self) -> list[str]:
        """What to say after leaving: which runs go on or wait, and how to come back to them."""
        from seqlab.runs.layout import FINAL_STATES, RunError, home
        from seqlab.runs.liveness import read_state

        ended = {worker.folder for worker in self._started if not worker.alive}
        lines = []
        for folder in self._folders:
            if folder in ended:  # though its last state may not say so
                continue
            with suppress(RunError, OSError):
                status, state = read_state(folder)
                if state not in FINAL_STATES and state != "lost":
                    where = f"{state}, step {status.step:,} of {status.steps:,}"
                    named = folder.name if folder.parent == home() else str(folder)
                    goes = "it stays paused" if state == "paused" else "training goes on"
                    lines.append(f"{folder.name}: {where}; {goes}.")
                    lines.append(f"  seqlab watch {named}   comes back to it")
        return lines

    def let_go(self) -> None:
        """Let the workers of all runs go; they train on."""
        for worker in self._started:
            worker.close()

    @work
    async def _load_ahead(self) -> None:
        """Once Setup is to be seen: load what the start key will need."""
        for name in (LAB_SCREEN, RUNS_SCREEN):
            await asyncio.to_thread(import_module, name)

    @work
    async def _start_source(self, spec: Spec) -> None:
        from seqlab.runs.layout import RunError
        from seqlab.tui.standby import Standby

        try:
            await self.start_run(spec, Standby(self.worker_factory))
        except RunError as error:
            if isinstance(self.screen, SetupScreen):
                self.screen.notice(str(error))

    def _picture(self) -> None:
        title, words, well = save({".svg": self.export_screenshot()})
        self.notify(words, title=title, severity="information" if well else "error", markup=False)

    def _print_error_renderables(self) -> None:
        """What Textual would print when the lab has broken down; `run_lab` says it in a line instead."""
        if self._exception is not None:
            self._exit_renderables.clear()
        super()._print_error_renderables()

    def _leave_on(self, number: signal.Signals) -> None:
        self.left_on = 128 + number
        self.exit(return_code=self.left_on)


def _start_worker(threads: int | None) -> Worker:
    from seqlab.runs.launch import Worker

    return Worker(threads)
