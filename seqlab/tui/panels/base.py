"""What all panels share: a border with two titles, the focus, and a line that stands in for them."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style as RichStyle
from textual import events
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.visual import VisualType
from textual.widget import Widget

from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.canvas import shorten

READING = "nothing read of the run yet"
"""What a panel says before it was given anything."""
_AROUND = 6
"""Cells of a border line that a title cannot have."""


def tinted(text: str, style: RichStyle) -> Content:
    """Text in a style of the palette."""
    return Content.styled(text, Style.from_rich_style(style))


class Line(Widget):
    """One line of text, sent again only when it changed."""

    DEFAULT_CSS = """
    Line { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.content = Content("")

    def show(self, content: Content | str) -> None:
        """Show this."""
        content = Content(content) if isinstance(content, str) else content
        if content.plain != self.content.plain or content.spans != self.content.spans:
            self.content = content
            self.refresh()

    def render(self) -> VisualType:
        """The text."""
        return self.content


class Panel(Vertical, can_focus=True):
    """A bordered part of the lab. `draw` shows a moment, `strip` says the same in one line.

    Class attributes:
        number: the digit that chooses it.
        label: its name where there is only a line for it.
    """

    number: ClassVar[int]
    label: ClassVar[str]
    ALLOW_SELECT = False

    class Chosen(Message):
        """A panel got the focus."""

        def __init__(self, panel: Panel) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self) -> None:
        super().__init__(id=f"panel-{self.number}")
        self.moment: Moment | None = None
        self._drawn: object = None
        self._heading: tuple[str, Content] = ("", Content(""))
        self._written = Content("")

    def show(self, moment: Moment) -> None:
        """Show a moment; drawn again only if what it depends on changed."""
        self.moment = moment
        if not self.display or not self.is_mounted:
            self._drawn = None
            return
        key = self.app.theme, self.depends_on(moment)
        if key != self._drawn and self.may_draw():
            self._drawn = key
            self.draw(moment)

    def show_again(self) -> None:
        """Draw what was shown last again: something other than the run has changed."""
        self._drawn = None
        if self.moment is not None:
            self.show(self.moment)

    def depends_on(self, moment: Moment) -> object:
        """What a drawing depends on: the same again means that there is nothing to draw."""
        raise NotImplementedError

    def may_draw(self) -> bool:
        """Whether it is time for another drawing."""
        return True

    def draw(self, moment: Moment) -> None:
        """Draw a moment."""
        raise NotImplementedError

    def strip(self, moment: Moment, width: int) -> Content:
        """The moment in one line of at most `width` cells."""
        raise NotImplementedError

    def numbers(self, moment: Moment) -> str:
        """What is drawn of a moment, as comma-separated values; "" if there is nothing yet."""
        raise NotImplementedError

    def take_focus(self) -> None:
        """Give the focus to the part that can use it."""
        self.focus(scroll_visible=False)

    def head(self, left: str, right: Content | str = "") -> None:
        """Set the titles on the left and the right of the border."""
        self._heading = left, Content(right) if isinstance(right, str) else right
        self._write_heading()

    def room_beside(self, left: str) -> int:
        """Cells for a title on the right."""
        return self.outer_size.width - _AROUND - len(left) - 5

    def _write_heading(self) -> None:
        left, right = self._heading
        room = self.outer_size.width - _AROUND
        if room < 4:
            return
        number = f"{self.number} "
        left = shorten(left, room - len(number))
        line = Style(foreground=self.styles.border_top[1])
        title = Content.assemble((number, "$muted"), (left, "bold" if self.has_focus_within else ""))
        filler = room - title.cell_length - right.cell_length - 2
        if right.cell_length and filler >= 1:
            title = Content("").join([title, Content.styled(f" {'─' * filler} ", line), right])
        # A new title sends the whole panel again.
        if title.plain != self._written.plain or title.spans != self._written.spans:
            self._written = title
            self.border_title = title

    def on_mount(self) -> None:
        """Say which panel this is, before there is anything to show."""
        self.head(self.label.capitalize())

    def on_resize(self, event: events.Resize) -> None:
        """Fit the titles, and whatever was fitted to the width."""
        self.show_again()
        self._write_heading()

    def on_descendant_focus(self) -> None:
        """Tell the screen which panel is in hand."""
        self._write_heading()
        self.post_message(self.Chosen(self))

    def on_focus(self) -> None:
        """Tell the screen which panel is in hand."""
        self.on_descendant_focus()

    def on_descendant_blur(self) -> None:
        """Another panel is in hand."""
        self.call_after_refresh(self._write_heading)

    def on_blur(self) -> None:
        """Another panel is in hand."""
        self.on_descendant_blur()
