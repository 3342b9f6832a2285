"""The run browser: all runs, newest first, to open, compare, lay over each other and delete.

The screen paints at once; a loop reads the folders in a thread and hands over rows, those in sight first.
While another screen is in front it rests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from seqlab.runs.compare import differences
from seqlab.runs.delete import delete_run
from seqlab.runs.layout import RunError
from seqlab.runs.listing import Listing
from seqlab.runs.listing_row import Row
from seqlab.settings import key_hint
from seqlab.tui.panels.base import Line
from seqlab.tui.panels.keys import LabKeys
from seqlab.tui.screens.ask import AskScreen
from seqlab.tui.screens.differences import DifferencesScreen
from seqlab.tui.widgets.run_list import RunList
from seqlab.tui.widgets.run_rows import LETTERS, cell_of, figures_of, state_of
from seqlab.tui.widgets.run_table import RunTable
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine

if TYPE_CHECKING:
    from seqlab.tui.app import LabApp

TICK = 1.0
"""Seconds between two looks at the runs."""
TICK_REMOTE = 2.0
"""The same over SSH."""
SPECS = 60
"""Specs that are read in one look, beside those in sight: as many as cost less than a blink."""


def _key(key: str, action: str, description: str, tooltip: str, **more: Any) -> Binding:
    return Binding(key, action, description, tooltip=tooltip, id=f"runs.{action}", **more)


class RunsScreen(Screen[None], inherit_bindings=False):
    """The runs of a folder.

    Args:
        listing: reads them.
    """

    CSS_PATH: ClassVar[str] = "runs.tcss"
    BINDING_GROUP_TITLE = "Runs"
    WORDS = (
        "All runs, newest first: those under way, those that are over, and folders that something is wrong "
        "with, which say what.\n"
        "The loss is the latest on the eval split, or on a batch until there is one; the small curve is the "
        "loss of the batches from the first step to the last, each run on a scale of its own. Lost is a run "
        "whose worker is gone without a word: seqlab resume goes on from its last checkpoint.\n"
        "Runs that are marked, eight at most, get a letter and a colour: {compare} shows how their specs "
        "differ, {overlay} opens the first and lays the others over it. Words typed after {find} are looked "
        "for in names, tasks, cells, states and titles."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("enter", "open", "open", "Open the lab on the run; on a marked one, with the others over it"),
        _key("space", "mark", "mark", "Give the run a letter, or take it away"),
        _key("slash", "find", "find", "Show only the runs that hold some words", key_display="/"),
        _key("t", "compare", "differences", "Show how the specs of the marked runs differ"),
        _key("o", "overlay", "overlay", "Open the lab on the first marked run, with the others over it"),
        _key("d", "delete", "delete", "Delete the run for good; asks first"),
        _key("n", "new", "new", "Set up a new run"),
        _key(
            "escape",
            "back",
            "back",
            "Show all runs again; take away all marks; else leave",
            key_display="esc",
        ),
    ]

    if TYPE_CHECKING:
        app: LabApp

    def __init__(self, listing: Listing) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self.marked: list[Path] = []
        self.list = RunList()
        self.which, self.what = Line(classes="about"), Line(classes="about")
        self._listing = listing
        self._keys: object = None
        self._awake = asyncio.Event()

    def compose(self) -> ComposeResult:
        """The list, and two lines about the run under the cursor."""
        yield TopLine("runs")
        yield self.list
        yield self.which
        yield self.what
        yield LabKeys()
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin to look."""
        self.list.table.focus()
        self._follow()

    def on_screen_resume(self) -> None:
        """Look at once: much may have changed meanwhile."""
        self._awake.set()

    @property
    def HELP(self) -> str:  # type: ignore[override]  # noqa: N802
        """What there is to see, and to do with it by the keys that the person has."""
        keys = {"compare": "t", "overlay": "o", "find": "/"}
        return self.WORDS.format(
            **{name: key_hint(self.app, f"runs.{name}", key) for name, key in keys.items()}
        )

    @property
    def current(self) -> Row | None:
        """The run under the cursor."""
        return self.list.table.current

    # Looking

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        """Look, show, rest, as long as the screen is there."""
        while True:
            rest = TICK_REMOTE if "SSH_CONNECTION" in os.environ else TICK
            if self.is_active and not self.app.congested:
                wanted, trouble = self.list.table.in_sight, ""
                try:
                    rows = await asyncio.to_thread(self._listing.poll, wanted, SPECS)
                except RunError as error:
                    rows, trouble = (), str(error)
                if not self.is_running or not self.is_attached:
                    return
                self._show(rows, trouble)
                if self._unread(wanted):
                    rest = 0.0
            self._awake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), rest if self.is_active else None)

    def _unread(self, wanted: list[Path]) -> bool:
        """Whether there is more to read than was asked for."""
        return any(row.told is None and not row.ill for row in self.rows) or bool(
            set(self.list.table.in_sight) - set(wanted)
        )

    # Showing

    def _show(self, rows: tuple[Row, ...], trouble: str) -> None:
        """Show what was found."""
        self.rows = rows
        here = {row.folder for row in rows}
        self.marked = [folder for folder in self.marked if folder in here]
        self.list.show(rows, self.marked, trouble)
        under_way = sum(row.under_way for row in rows)
        words = f"{len(rows):,} run{'s' * (len(rows) != 1)}"
        self.query_one(TopLine).show(f"{words} · {under_way:,} under way" if under_way else words)
        self._describe()

    @on(RunTable.Moved)
    @on(RunList.Narrowed)
    def _moved(self) -> None:
        """Another run is under the cursor, or others are in sight."""
        self._describe()
        self._awake.set()

    def _describe(self) -> None:
        """Two lines about the run under the cursor, and its keys; without one, where runs are kept."""
        row = self.current
        keys = row is not None, len(self.marked) > 1
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()
        if row is None:
            self.which.show("")
            self.what.show(Content.styled(str(self._listing.home), "$muted"))
            return
        title = row.told.title if row.told else ""
        self.which.show(Content.assemble((row.name, "bold"), (f"  {title}" if title else "", "$muted")))
        style = "$error" if row.ill else ""
        self.what.show(Content.styled(" · ".join(figures_of(row, time.time())), style))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a run, or several, is off where there is none."""
        if action in ("open", "mark", "delete"):
            return True if self.current else None
        if action in ("compare", "overlay"):
            return True if len(self.marked) > 1 else None
        return True

    def action_open(self) -> None:
        """Open the lab on the run under the cursor; if that is a marked one, on all that are."""
        row = self.current
        if row is not None and row.folder in self.marked:
            self.action_overlay()
        elif row is not None and row.ill:
            self._say(f"{row.name}: {row.message}", "warning")
        elif row is not None:
            self.app.open_run(row.folder)

    def action_overlay(self) -> None:
        """Open the lab on the first marked run, with the others over it."""
        first, *others = self.marked
        self.app.open_run(first, tuple(others))

    def action_mark(self) -> None:
        """Mark the run, or take the mark away, and go on to the next."""
        row = self.current
        if row is None:
            return
        if row.folder in self.marked:
            self.marked.remove(row.folder)
        elif row.ill:
            self._say(f"{row.name}: {row.message}", "warning")
            return
        elif len(self.marked) == len(LETTERS):
            self._say(f"{len(LETTERS)} runs are marked, as many as can be told apart", "warning")
            return
        else:
            self.marked.append(row.folder)
        self.list.show(self.rows, self.marked)
        self.list.table.action_move(1)
        self._describe()

    def action_find(self) -> None:
        """Type words."""
        self.list.find()

    def action_back(self) -> None:
        """Show all runs again; take away all marks; else leave."""
        if self.list.words:
            self.list.find_all()
        elif self.marked:
            self.marked.clear()
            self.list.show(self.rows, self.marked)
            self._describe()
        else:
            self.app.pop_screen()

    async def action_new(self) -> None:
        """To Setup."""
        await self.run_action("app.new_run")

    def action_compare(self) -> None:
        """Show how the specs of the marked runs differ."""
        by_folder = {row.folder: row for row in self.rows}
        self._compare([by_folder[folder] for folder in self.marked])

    @work(exclusive=True, group="compare")
    async def _compare(self, rows: list[Row]) -> None:
        try:
            found = await asyncio.to_thread(differences, [row.folder for row in rows])
        except RunError as error:
            self._say(str(error), "error")
        else:
            self.app.push_screen(DifferencesScreen(rows, found))

    def action_delete(self) -> None:
        """Ask, then delete."""
        row = self.current
        if row is None:
            return
        if row.under_way:
            self._say(f"{row.name} is under way: stop it first, with s in its lab", "warning")
            return
        what = [state_of(row), row.told.task if row.told else "", cell_of(row)]
        what.append(row.message if row.ill else f"step {row.step:,}")
        lines = [row.name, " · ".join(filter(None, what)), "", "The folder and all in it go for good."]
        self.app.push_screen(AskScreen("Delete this run?", lines, "delete it"), self._answered(row))

    def _answered(self, row: Row) -> Callable[[bool | None], None]:
        def answered(yes: bool | None) -> None:
            if yes:
                self._delete(row)

        return answered

    @work(group="delete")
    async def _delete(self, row: Row) -> None:
        try:
            await asyncio.to_thread(delete_run, row.folder, self._listing.home)
        except RunError as error:
            self._say(str(error), "error")
        else:
            self._say(f"{row.name} is deleted", "information")
        self._awake.set()

    @on(RunTable.Chosen)
    def _clicked(self) -> None:
        self.action_open()

    def _say(self, words: str, severity: str) -> None:
        self.notify(words, severity=severity, markup=False)  # type: ignore[arg-type]
