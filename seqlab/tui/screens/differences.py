"""A table of how the specs of several runs differ: a field a line, a run a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from seqlab.runs.compare import Difference
from seqlab.runs.harmless import harmless
from seqlab.runs.listing_row import Row
from seqlab.tui.palette import Palette
from seqlab.tui.widgets.keys import HELP_KEY, own_keys
from seqlab.tui.widgets.run_rows import cell_of, loss_of, mark_style, mark_text, state_of
from seqlab.tui.wording import NOTHING, shown

_WIDEST = 24
"""Cells of a column, at most."""
_GAP = "  "


class DifferencesScreen(ModalScreen[None]):
    """The table of differences, with what the runs are above it.

    Args:
        rows: the runs, in the order of their letters.
        found: the fields in which they differ.
    """

    CSS_PATH: ClassVar[str] = "differences.tcss"
    BINDING_GROUP_TITLE = "Differences"
    HELP = (
        "Above, the marked runs with their letters; below, the fields of their specs that are not the same "
        "in all of them, a run a column. A dash is a field that the run does not have. Titles, words and "
        "claims do not count: they change nothing about a run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,t,q,enter", "dismiss", "close", key_display="esc", id="differences.close"),
        HELP_KEY,
    ]

    def __init__(self, rows: Sequence[Row], found: Sequence[Difference]) -> None:
        super().__init__()
        self._rows, self._found = rows, found

    def compose(self) -> ComposeResult:
        """Who is who, then the table."""
        box = Vertical(id="differences-box")
        count = len(self._found)
        fields = "no field" if not count else "1 field" if count == 1 else f"{count} fields"
        box.border_title = f"How {len(self._rows)} specs differ · {fields}"
        box.border_subtitle = own_keys(self, "esc closes")
        with box, ScrollableContainer(id="differences-scroll"):
            yield Static(self._table(), id="differences-table")

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#differences-scroll").focus()

    def _table(self) -> Content:
        palette = Palette.detect(self.app)
        marks = [
            Content.styled(mark_text(palette, place), Style.from_rich_style(mark_style(palette, place)))
            for place in range(len(self._rows))
        ]
        lines = [
            Content.assemble(mark, _GAP, (_about(row, palette), ""))
            for mark, row in zip(marks, self._rows, strict=True)
        ]
        lines.append(Content(""))
        if not self._found:
            lines.append(Content("Their specs do the same: only titles, words and claims may differ."))
            return Content("\n").join(lines)
        texts = [[value_text(value) for value in each.values] for each in self._found]
        field = max(len(_field(each)) for each in self._found)
        widths = [max(2, *(cell_len(text) for text in column)) for column in zip(*texts, strict=True)]
        heads = [mark.pad_right(width - mark.cell_length) for mark, width in zip(marks, widths, strict=True)]
        lines.append(Content(_GAP).join([Content(" " * field), *heads]))
        for each, row in zip(self._found, texts, strict=True):
            cells = [set_cell_size(text, width) for text, width in zip(row, widths, strict=True)]
            lines.append(Content.assemble((f"{_field(each):<{field}}", "$muted"), _GAP, _GAP.join(cells)))
        return Content("\n").join(lines)


def value_text(value: Any) -> str:
    """A value of a spec in a cell of the table."""
    if value is None or value == "":
        return NOTHING
    text = harmless(shown(value))
    return text if cell_len(text) <= _WIDEST else set_cell_size(text, _WIDEST - 1) + "…"


def _field(difference: Difference) -> str:
    """`optimizer.lr`: what everybody knows to belong to the training is called without it."""
    return harmless(difference.field.removeprefix("training."), 40)


def _about(row: Row, palette: Palette) -> str:
    loss = loss_of(row)
    words = [row.told.task if row.told else "", cell_of(row), state_of(row, palette.charset)]
    return " · ".join(filter(None, [*words, f"loss {loss}" if loss else "", row.name]))
