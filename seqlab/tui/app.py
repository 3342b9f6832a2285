"""The lab: Setup, the lab of a run and the list of all runs, the way between them, and what belongs to none.

Nothing heavy is imported before the first paint.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
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

from seqlab.settings import Settings, key_hint
from seqlab.tui import themes
from seqlab.tui.notice import notice
from seqlab.tui.opening import LAB, RUNS, SETUP, Load, OpeningScreen, open_runs, open_source, open_watched
from seqlab.tui.started import Started
from seqlab.tui.state import save
from seqlab.tui.terminal import Terminal
from seqlab.tui.widgets.too_small import LEAST
from seqlab.tui.wishes import check_keys, check_theme

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.runs.listing import Listing
    from seqlab.runs.status import Status
    from seqlab.spec.schema import Spec
    from seqlab.tui.standby import Standby

SETTLED = 3.0
"""Seconds after which most of what stays has been made. The garbage collector need not go through that again
and again, for which it stops everything, keys too, for a tenth of a second."""
LOOK_AFTER = 2.0
"""Seconds between two looks whether a run that was started here has ended."""


class LabApp(App[None]):
    """The lab.

    Args:
        source: the name of a spec to start at once, and what reads it.
        overrides: for the form.
        out: where new runs go.
        worker_factory: starts a worker; None for no worker.
        watch: a run folder to open the lab on.
        settings: how the lab looks and behaves; None for the defaults.
        runs: open the list of all runs.

    Raises:
        SpecError: the settings name a theme or an action that there is not.

    Attributes:
        started: the runs that were started or looked at here.
        spec: that was to be started, once it is read.
        refused: why the spec that was to be started cannot be read.
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
        source: tuple[str, Load] | None = None,
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
        self.started = Started(worker_factory, out)
        self.refused: Exception | None = None
        self._source, self._overrides, self._out, self._watch = source, overrides, out, watch
        self.spec: Spec | None = None
        self._told: set[tuple[Path, int | None]] = set()
        self._below = 1  # screens that lie below all others
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
        """Setup, or a sign of life while something else is loaded."""
        if self._watch is not None:
            return OpeningScreen(self._watch.name, partial(open_watched, self, self._watch))
        if self._source is not None:
            return OpeningScreen(self._source[0], partial(open_source, self, self._source[1]))
        if self._opens_runs:
            return OpeningScreen("the list of runs", partial(open_runs, self))
        return self._setup()

    def on_mount(self) -> None:
        """Leave properly on signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(number, self._leave_on, number)
        if not isinstance(self.screen, OpeningScreen):
            self.call_after_refresh(self.load_ahead)
        self.set_keymap(self.settings.keys)
        self.set_timer(SETTLED, gc.freeze)
        self.set_interval(LOOK_AFTER, self._look_after)

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
        screen: Screen[Any] = import_module(LAB).LabScreen(folder, worker, others)
        return screen

    async def start_run(self, spec: Spec, standby: Standby) -> None:
        """Start a run, and open the lab on it.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
        """
        worker = await self.started.run(spec, standby)
        assert worker.folder is not None
        self.open_run(worker.folder, worker=worker)

    async def start_fork(self, origin: Path, step: int, overrides: Sequence[str]) -> None:
        """Start a fork of a run, and open the lab on it, with that run laid over it.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
            SpecError: the fork cannot be what is asked for.
        """
        worker = await self.started.fork(origin, step, overrides)
        assert worker.folder is not None
        self.open_run(worker.folder, (origin,), worker)

    def open_run(self, folder: Path, others: tuple[Path, ...] = (), worker: Worker | None = None) -> None:
        """Open the lab on a run, in place of another lab.

        Args:
            folder: the run.
            others: runs to lay over it.
            worker: that was just sent to it; else the living one that trains it, if it was started here.
        """
        self.action_new_run()
        found = self.started.worker_of(folder)
        self.push_screen(self.lab_screen(folder, worker or found, others))

    def show_setup(self) -> None:
        """Put Setup over the sign of life, for good."""
        self._below = 2
        self.push_screen(self._setup())

    def tell_end(self, folder: Path, status: Status, state: str) -> None:
        """Tell somebody who may look elsewhere that a run has ended; once for each worker that it had."""
        words = f"{folder.name}: {state} at step {status.step:,}"
        if (folder, status.pid) not in self._told:
            self._told.add((folder, status.pid))
            if getattr(self.screen, "folder", None) != folder:
                self.notify(words, title="A run has ended", markup=False)
            if self._driver is not None and self.settings.notice:
                self._driver.write(notice(words, self.settings.notice))

    def action_runs(self) -> None:
        """Show all runs, as they were left."""
        if self._runs_screen is None:
            self._runs_screen = import_module(RUNS).RunsScreen(self.listing)
            self.install_screen(self._runs_screen, "runs")
        if self._runs_screen not in self.screen_stack:
            self.push_screen(self._runs_screen)

    def action_new_run(self) -> None:
        """Back to Setup; a run that is under way goes on."""
        while len(self.screen_stack) > self._below:
            self.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key leads to where one is."""
        return not (action == "runs" and self.screen is self._runs_screen)

    def action_help(self) -> None:
        """Explain the screen in front."""
        from seqlab.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_help_quit(self) -> None:
        """Ctrl+c is how one leaves many programs, and does not leave this one by accident."""
        leaves = key_hint(self, "app.quit", "q")
        words = f"{leaves} leaves the lab; a run that is under way goes on."
        self.notify(words, title="Leaving?", markup=False)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What ctrl+p offers: every action that has a key now, with that key and its name for config.toml."""
        from seqlab.tui.screens.help import keys_of

        active = {each.binding: each for each in screen.active_bindings.values()}
        for binding in keys_of(screen, self):
            if active[binding].enabled and binding.id:
                words = binding.tooltip or binding.description
                run = partial(self.run_action, binding.action, active[binding].node)
                about = f"{self.get_key_display(binding)} · {binding.id}"
                yield SystemCommand(words[:1].upper() + words[1:], about, run)
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Picture", "Save the screen as an SVG in the current folder", self._picture)

    def _setup(self) -> Screen[Any]:
        screen: Screen[Any] = import_module(SETUP).SetupScreen(self._overrides, self.spec)
        return screen

    @work
    async def load_ahead(self) -> None:
        """Once there is something to be seen, load what keys will need."""
        for name in (LAB, RUNS, SETUP):
            await asyncio.to_thread(import_module, name)

    async def _look_after(self) -> None:
        from seqlab.runs.layout import RunError
        from seqlab.runs.liveness import read_state

        for folder in self.started.just_ended():
            with suppress(RunError):
                status, state = await asyncio.to_thread(read_state, folder)
                self.tell_end(folder, status, state)

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
