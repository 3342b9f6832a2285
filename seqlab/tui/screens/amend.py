"""What the dialogs have in common in which something of a run is changed: the fields, and what is wrong."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from seqlab.tui.amendment import Amendment
from seqlab.tui.draft import Checked
from seqlab.tui.widgets.field import Field, TextInput
from seqlab.tui.widgets.keys import HELP_KEY, own_keys


class AmendScreen(ModalScreen[bool]):
    """A draft over a run in a box: values in force in grey, what is typed over them, problems below.

    Args:
        draft: holds what is typed.
        title: of the box.
        keys: what they do, in words: `enter change · esc leave it`.
        about: what will happen.

    Attributes:
        draft: see above.
        checked: what the draft comes to.
    """

    CSS_PATH: ClassVar[str] = "amend.tcss"
    HELP = (
        "What stands in grey holds in the run at that step; what is typed over it holds from then on, and an "
        "emptied line goes back to what holds. What cannot be is said under its line, and nothing is done "
        "before all of it can be.\n"
        "Each change stands in the record of the run, as a mark over its curves; seqlab replay makes it "
        "again at the same step."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "leave", key_display="esc", id="amend.leave"),
        HELP_KEY,
        Binding("up", "app.focus_previous", "previous field", show=False, id="amend.up"),
        Binding("down", "app.focus_next", "next field", show=False, id="amend.down"),
    ]

    def __init__(self, draft: Amendment, title: str, keys: str, about: str) -> None:
        super().__init__()
        self.draft = draft
        self.checked = Checked(None, {})
        self._fields = [Field(entry, draft) for entry in draft.lines()]
        self._box = VerticalScroll(id="amend-box", can_focus=False)
        self._box.border_title, self._keys = title, keys
        self._about = Static(about, id="amend-about", markup=False)
        self._note = Static(id="amend-note", markup=False)
        self._problem = Static(id="amend-problem", markup=False)

    def compose(self) -> ComposeResult:
        """What will happen, the fields, what follows, what is wrong."""
        self._box.border_subtitle = own_keys(self, self._keys)
        with self._box:
            yield self._about
            yield from self._fields
            yield self._note
            yield self._problem

    def on_mount(self) -> None:
        """Show the draft as it is."""
        self.follow()

    def follow(self) -> None:
        """Check the draft and show it."""
        self.checked = self.draft.check()
        problems = self.checked.problems
        for field, entry in zip(self._fields, self.draft.lines(), strict=True):
            field.show(entry, problems.get(entry.path, ""))
        self.tell(problems.get((), ""))

    def settle(self) -> None:
        """Take what stands in the fields: keys may come faster than the draft hears of what was typed."""
        for field in self._fields:
            typed = field.query_one(Input).value
            if not self.draft.reads(field.entry, typed):
                self.draft.set(field.entry.path, typed)
        self.follow()

    def title_as(self, title: str) -> None:
        """Name the box."""
        self._box.border_title = title

    def tell(self, problem: str) -> None:
        """Say what is wrong with the whole; nothing if it is empty."""
        _say(self._problem, problem)
        if problem:
            self._problem.scroll_visible(animate=False)

    def note(self, words: str) -> None:
        """Say what follows from what was typed; nothing if it is empty."""
        _say(self._note, words)

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(False)

    @on(Field.Edited)
    def _edited(self, event: Field.Edited) -> None:
        event.stop()
        self.follow()

    @on(TextInput.Left)
    async def _leave_text(self, event: TextInput.Left) -> None:
        event.stop()
        await self.run_action("leave")


def _say(line: Static, words: str) -> None:
    line.update(words)
    line.display = bool(words)
