"""One field of a form: its name, where it is set, unit and bounds beside it, problems under it.

Keys may come faster than the form follows them. So a field tells the draft of each change itself, and never
writes to an editor whose last change it has not heard of yet: that one is newer than what the draft says.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from seqlab.tui.draft import Draft, Entry, Path
from seqlab.tui.widgets.line_input import LineInput
from seqlab.tui.wording import NOTHING

EDITOR_WIDTH = 14
"""Cells of a picker or a number; the stylesheet has the same."""
_NUMERIC = frozenset("0123456789.-+eE")


class NumberInput(LineInput):
    """Takes the characters of numbers and leaves every other key to the screen."""

    def __init__(self, value: str, placeholder: str, also: str = "") -> None:
        super().__init__(value, placeholder, max_length=40, compact=True, classes="stop")
        self._taken = _NUMERIC | set(also)
        self.cursor_blink = False

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Only what a number is written with is text."""
        return character is not None and character in self._taken

    async def _on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character not in self._taken:
            event.prevent_default()


class TextInput(LineInput):
    """A line of text, in which letters are letters; escape leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "leave",
            "leave",
            id="field.leave",
            tooltip="Leave the text, so that letters are keys again",
        ),
    ]

    class Left(Message):
        """The person is done with the text."""

    def __init__(self, value: str, placeholder: str) -> None:
        super().__init__(value, placeholder, compact=True, classes="stop")
        self.cursor_blink = False

    def action_leave(self) -> None:
        """Leave the text."""
        self.post_message(self.Left())


class Picker(Select[str], inherit_bindings=False):
    """One of a few: space opens the list, left and right go through it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show_overlay", "open", show=False, id="field.open", tooltip="Open the choices"),
        Binding("left", "turn(-1)", "previous choice", show=False, id="field.previous"),
        Binding("right", "turn(1)", "next choice", show=False, id="field.next"),
    ]

    def __init__(self, options: tuple[tuple[str, str], ...], value: str) -> None:
        self._keys = [key for key, _ in options]
        # The closed picker is as wide as a key: what is said of it shows in the open list alone.
        width = max(EDITOR_WIDTH, *(len(key) + 2 for key in self._keys))
        prompts = [(f"{key or NOTHING:<{width}}{about}".rstrip(), key) for key, about in options]
        super().__init__(
            prompts, allow_blank=False, value=value, type_to_search=False, compact=True, classes="stop"
        )
        self.set_class(any(about for _, about in options), "-explained")

    def _watch_value(self, value: Any) -> None:
        # Who leaves while the form is being put together has taken parts of it away already.
        with contextlib.suppress(NoMatches):
            super()._watch_value(value)

    def action_turn(self, by: int) -> None:
        """Go to the next choice, or the one before."""
        if self.value in self._keys:
            self.value = self._keys[(self._keys.index(str(self.value)) + by) % len(self._keys)]


class Field(Widget):
    """A row of the form. It shows what the draft says and tells the draft what is typed."""

    @dataclass
    class Edited(Message):
        """The draft was changed by hand, at this path."""

        path: Path

    def __init__(self, entry: Entry, draft: Draft) -> None:
        super().__init__()
        self.entry = entry
        self._draft = draft
        self._editor = self._make_editor()
        self._heard: object = self._editor.value
        self._hint = Static(classes="hint", markup=False)
        self._hinted = ""
        self._problem = Static(classes="problem", markup=False)
        self._said = ""
        self.set_class(entry.kind == "text", "-text")
        self.set_class(entry.label[:1].islower(), "-inner")

    def compose(self) -> ComposeResult:
        """Label, editor, hint, problem."""
        yield Static(self.entry.label, classes="label", markup=False)
        yield self._editor
        yield self._hint
        yield self._problem

    def show(self, entry: Entry, problem: str) -> None:
        """Follow the draft: text, default, hint and problem. Only what changed is drawn again."""
        self.entry = entry
        editor = self._editor
        if isinstance(editor, Input):
            default = self._draft.default(entry.path)
            if editor.placeholder != default:
                editor.placeholder = default
            if editor.value == self._heard and not self._draft.reads(entry, editor.value):
                with self.prevent(Input.Changed):
                    self._heard = editor.value = self._draft.text(entry.path)
        elif editor.is_mounted and editor.value == self._heard and editor.value != self._choice():
            with self.prevent(Select.Changed):
                self._heard = editor.value = self._choice()
        self._show_hint()
        if problem != self._said:
            self._said = problem
            self._problem.update(problem)
            self.set_class(bool(problem), "-wrong")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._heard = event.value
        if not self._draft.reads(self.entry, event.value):
            self._set(event.value)

    @on(Select.Changed)
    def _picked(self, event: Select.Changed) -> None:
        event.stop()
        self._heard = event.value
        if event.value != self._choice():
            self._set(str(event.value))

    def _set(self, text: str) -> None:
        with contextlib.suppress(KeyError):  # another choice has just taken this field away
            self._draft.set(self.entry.path, text)
            self.post_message(self.Edited(self.entry.path))

    def _make_editor(self) -> Input | Picker:
        entry = self.entry
        if entry.options:
            return Picker(entry.options, self._choice())
        text, default = self._draft.text(entry.path), self._draft.default(entry.path)
        if entry.kind == "text":
            return TextInput(text, default or entry.help)
        return NumberInput(text, default, also=", " if entry.kind == "pair" else "")

    def _choice(self) -> str:
        """What a picker shows: what is set, or the default where that is none of the choices."""
        keys = [key for key, _ in self.entry.options]
        wanted = (self._draft.text(self.entry.path), self._draft.default(self.entry.path))
        return next((key for key in wanted if key in keys), keys[0])

    def _show_hint(self) -> None:
        """Unit and bounds, and the help where there is room for all; a choice has only help."""
        entry = self.entry
        words = entry.hint or entry.help
        both = f"{entry.hint} · {entry.help}"
        if entry.kind == "choice":
            words = entry.help
        elif entry.hint and self.size.width >= 2 * EDITOR_WIDTH + 8 + len(both):
            words = both
        if words != self._hinted:
            self._hinted = words
            self._hint.update(words)

    def _on_resize(self, event: events.Resize) -> None:
        self._show_hint()
