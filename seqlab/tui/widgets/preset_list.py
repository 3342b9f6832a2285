"""The presets: a list to choose from, and a line to find one by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from seqlab.settings import key_name
from seqlab.tui.draft import Preset
from seqlab.tui.widgets.line_input import LineInput


class FindInput(LineInput):
    """What is typed here is looked for; up and down go through what is found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "go(1)", "next", show=False, id="find.next"),
        Binding("up", "go(-1)", "previous", show=False, id="find.previous"),
        Binding("enter", "choose", "choose", id="find.choose", tooltip="Fill the form from the preset"),
        Binding("escape", "leave", "leave", id="find.leave", tooltip="Show all presets again"),
    ]

    @dataclass
    class Key(Message):
        """What was asked for: `go` by so many, `choose`, or `leave`."""

        what: str
        by: int = 0

    def __init__(self) -> None:
        super().__init__(placeholder="find", compact=True)
        self.cursor_blink = False

    def action_go(self, by: int) -> None:
        """Go up or down the list."""
        self.post_message(self.Key("go", by))

    def action_choose(self) -> None:
        """Choose the preset that is marked."""
        self.post_message(self.Key("choose"))

    def action_leave(self) -> None:
        """Stop finding."""
        self.post_message(self.Key("leave"))


class Choices(OptionList, inherit_bindings=False):
    """The list itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "cursor_down", "next", show=False, id="presets.next"),
        Binding("up", "cursor_up", "previous", show=False, id="presets.previous"),
        Binding("home", "first", "first", show=False, id="presets.first"),
        Binding("end", "last", "last", show=False, id="presets.last"),
        Binding("pagedown", "page_down", "page down", show=False, id="presets.page_down"),
        Binding("pageup", "page_up", "page up", show=False, id="presets.page_up"),
        Binding(
            "enter,space",
            "select",
            "choose",
            key_display="enter",
            id="presets.choose",
            tooltip="Fill the form",
        ),
    ]


class PresetList(Vertical):
    """Shows presets by name and title; says which one was chosen."""

    @dataclass
    class Chosen(Message):
        """A preset was chosen."""

        preset: Preset

    @dataclass
    class Left(Message):
        """The person is done here without choosing."""

    def __init__(self) -> None:
        super().__init__(id="presets")
        self.border_title = "Presets"
        self._presets: Sequence[Preset] = ()
        self._chosen = ""

    def compose(self) -> ComposeResult:
        """The line to find by, and the list."""
        self.border_subtitle = f"{key_name(self.app, 'setup.find', '/')} find"
        yield FindInput()
        yield Choices(compact=True)

    def show(self, presets: Sequence[Preset]) -> None:
        """Show these presets."""
        self._presets = presets
        # The panels below stay where they are while the list is narrowed down.
        self.styles.min_height = len(presets) + 2
        self._list(self.query_one(FindInput).value)

    def mark(self, name: str) -> None:
        """Mark the preset that the form was filled from."""
        self._chosen = name
        self._list(self.query_one(FindInput).value)

    @property
    def marked(self) -> str:
        """The name of the preset that is marked."""
        return self._chosen

    def find(self) -> None:
        """Start typing a name."""
        self.add_class("-finding")
        self.query_one(FindInput).focus()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._list(event.value)

    @on(FindInput.Key)
    def _steer(self, event: FindInput.Key) -> None:
        event.stop()
        choices = self.query_one(Choices)
        if event.what == "go":
            (choices.action_cursor_down if event.by > 0 else choices.action_cursor_up)()
        elif event.what == "choose" and choices.highlighted is not None:
            choices.action_select()
        elif event.what == "leave":
            self._stop_finding()
            self.post_message(self.Left())

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        preset = next(preset for preset in self._presets if preset.name == event.option_id)
        self._stop_finding()
        self.post_message(self.Chosen(preset))

    def _stop_finding(self) -> None:
        self.remove_class("-finding")
        with self.prevent(Input.Changed):
            self.query_one(FindInput).value = ""
        self._list("")

    def _list(self, words: str) -> None:
        choices = self.query_one(Choices)
        found = [preset for preset in self._presets if _fits(preset, words)]
        width = max((len(preset.name) for preset in self._presets), default=0) + 2
        choices.clear_options()
        choices.add_options([Option(_line(p, p.name == self._chosen, width), p.name) for p in found])
        names = [preset.name for preset in found]
        if names:
            choices.highlighted = names.index(self._chosen) if self._chosen in names and not words else 0
        self.border_title = "Presets" if found or not words else f"Presets · none with “{words}”"


def _fits(preset: Preset, words: str) -> bool:
    text = f"{preset.name} {preset.title}".casefold()
    return all(word in text for word in words.casefold().split())


def _line(preset: Preset, chosen: bool, width: int) -> Content:
    name = (f"{preset.name:<{width}}", "$accent" if chosen else "")
    title = (" ".join(preset.title.split()), "$muted" if preset.data else "$error")
    return Content.assemble(("▸ " if chosen else "  ", "$accent"), name, title)
