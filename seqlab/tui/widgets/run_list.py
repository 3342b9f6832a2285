"""The list of runs in its box: a line to find some by, the heads of the columns, the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from seqlab.runs.listing_row import Row, matching
from seqlab.settings import key_name
from seqlab.tui.panels.base import Line
from seqlab.tui.widgets.preset_list import FindInput
from seqlab.tui.widgets.run_table import RunTable


class RunFilter(FindInput):
    """What is typed here narrows the list down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "back to the list", id="runs.find_done", tooltip="Back to the runs found"),
        Binding("escape", "leave", "all runs", id="runs.find_leave", tooltip="Show all runs again"),
    ]


class RunList(Vertical):
    """Shows runs, or those of them that hold some words.

    Attributes:
        table: where they stand.
        words: what they must hold; "" for all.
    """

    class Narrowed(Message):
        """Other words: other runs are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.border_title = "Runs"
        self.table = RunTable()
        self.words = ""
        self._rows: Sequence[Row] = ()
        self._marked: Sequence[Path] = ()
        self._empty = "one moment"
        self._head = Line(classes="head")

    def compose(self) -> ComposeResult:
        """The line to find by, the heads, the table."""
        self.border_subtitle = f"{key_name(self.app, 'runs.find', '/')} find"
        yield RunFilter()
        yield self._head
        yield self.table

    def show(self, rows: Sequence[Row], marked: Sequence[Path], trouble: str = "") -> None:
        """Show these runs, those in `marked` with letters in that order; or why there are none."""
        self._rows, self._marked, self._empty = rows, marked, trouble
        self._show()

    def find(self) -> None:
        """Start typing words."""
        self.add_class("-finding")
        self.query_one(RunFilter).focus()

    def find_all(self) -> None:
        """Show all runs again."""
        self.query_one(RunFilter).value = ""
        self._back()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.words = " ".join(event.value.split())
        self._show()
        self.post_message(self.Narrowed())

    @on(FindInput.Key)
    def _steer(self, event: FindInput.Key) -> None:
        event.stop()
        if event.what == "go":
            self.table.action_move(event.by)
        elif event.what == "leave":
            self.find_all()
        else:
            self._back()

    @on(RunTable.Moved)
    def _fit(self) -> None:
        self._show_head()

    def _back(self) -> None:
        self.remove_class("-finding")
        self.table.focus()

    def _show(self) -> None:
        found = matching(self._rows, self.words)
        self.table.show(found, self._marked)
        self._show_head()
        title = f"Runs with “{self.words}” · {len(found):,}" if self.words else "Runs"
        if self.border_title != title:
            self.border_title = title

    def _show_head(self) -> None:
        if self.table.rows:
            self._head.show(self.table.heading)
        else:
            self._head.show(self._empty or self._none())

    def _none(self) -> str:
        """Why no run is in sight, if there is no trouble."""
        if self._rows:
            return f"No run holds these words; {key_name(self.app, 'runs.find_leave', 'esc')} shows all."
        new = key_name(self.app, "runs.new", "n")
        return f"There are no runs yet. {new} sets one up; so does seqlab run PRESET."
