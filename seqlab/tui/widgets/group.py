"""Fields that stand together under a heading; folded, one line says what is set in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from seqlab.tui.draft import Draft, Group, Path, summary_of
from seqlab.tui.widgets.field import Field, TextInput


class Heading(Widget, can_focus=True):
    """The line of a group that folds: its title, and what is set in it while it is folded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space", "fold", "open or close", show=False, id="group.fold", tooltip="Open or close the group"
        ),
        Binding("right", "fold(False)", "open", show=False, id="group.open"),
        Binding("left", "fold(True)", "close", show=False, id="group.close"),
    ]

    def __init__(self, title: str) -> None:
        super().__init__(classes="stop")
        self.title = title
        self.words: tuple[str, ...] = ()

    def render(self) -> RenderResult:
        """The words that fit, whole ones only."""
        folded = isinstance(self.parent, GroupBox) and self.parent.folded
        head = f"{'▸' if folded else '▾'} {self.title:<12}"
        room, shown = self.size.width - len(head), ""
        for word in self.words if folded else ():
            longer = f"{shown}, {word}" if shown else word
            if len(longer) > room - 3:
                shown = f"{shown}, …" if shown else word
                break
            shown = longer
        return Content.assemble((head, "bold"), (shown, "$muted"))

    def action_fold(self, folded: bool | None = None) -> None:
        """Fold or unfold the group."""
        if isinstance(self.parent, GroupBox):
            self.parent.folded = not self.parent.folded if folded is None else folded

    def on_click(self, event: events.Click) -> None:
        """A click folds too."""
        self.action_fold()


class GroupBox(Vertical):
    """A group of the form. The fields of a folded group are made when it is first opened."""

    def __init__(self, group: Group, draft: Draft) -> None:
        super().__init__()
        self.group = group
        self._draft = draft
        self._folded = group.folded
        self.set_class(group.folded, "-folds")
        self._problems: Mapping[Path, str] = {}
        self._rows: list[Field] = [] if group.folded else self._make()

    def compose(self) -> ComposeResult:
        """A heading if it folds, then the fields."""
        if self.group.folded:
            yield Heading(self.group.title)
        yield from self._rows

    @property
    def folded(self) -> bool:
        """Whether only the heading shows."""
        return self._folded

    @folded.setter
    def folded(self, folded: bool) -> None:
        if not self.group.folded or folded == self._folded:
            return
        self._folded = folded
        if not folded and not self._rows:
            self._rows = self._make()
            self.mount_all(self._rows)
            self.call_after_refresh(self._follow)
        for row in self._rows:
            row.display = not folded
        self.query_one(Heading).refresh()

    async def show(self, group: Group, problems: Mapping[Path, str]) -> None:
        """Follow the draft. A folded group in which something is wrong opens."""
        same = [_shape(a) for a in group.entries] == [_shape(a) for a in self.group.entries]
        self.group, self._problems = group, problems
        if not same and self._rows:
            kept = {
                row.entry.path: row for row in self._rows if _shape(row.entry) in map(_shape, group.entries)
            }
            self._rows = [kept.get(entry.path) or Field(entry, self._draft) for entry in group.entries]
            await self.remove_children([row for row in self.query(Field) if row not in self._rows])
            for index, row in enumerate(self._rows):
                if not row.is_attached:
                    await self.mount(row, after=self._rows[index - 1] if index else 0)
                row.display = not self._folded
        if any(entry.path in problems for entry in group.entries):
            self.folded = False
        self._follow()

    @on(TextInput.Left)
    def _leave_text(self, event: TextInput.Left) -> None:
        event.stop()
        self.query_one(Heading).focus()

    def _make(self) -> list[Field]:
        return [Field(entry, self._draft) for entry in self.group.entries]

    def _follow(self) -> None:
        for row, entry in zip(self._rows, self.group.entries if self._rows else (), strict=True):
            row.show(entry, self._problems.get(entry.path, ""))
        for heading in self.query(Heading):
            heading.words = summary_of(self._draft, self.group)
            heading.refresh()


def _shape(entry: object) -> tuple[object, ...]:
    """What a field's widgets are made of; the rest can change under them."""
    path, kind, options = (getattr(entry, name) for name in ("path", "kind", "options"))
    return path, kind, options
