"""The lines around the panels. Each shows a moment, and is sent again only when it says something else.

Above stands the status; below a line for each panel that is not in sight, what is wrong, and the lab's voice.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from seqlab.settings import key_name
from seqlab.tui.panels.base import Line, Panel
from seqlab.tui.panels.loss import LOSS
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.status import status_line
from seqlab.tui.panels.steering import Steering
from seqlab.tui.panels.voice import voice
from seqlab.tui.panels.words import fitted


class StatusLine(Line):
    """What runs, how far, how fast, and what was asked of it."""

    def __init__(self) -> None:
        super().__init__(id="status")

    def show_moment(self, moment: Moment, steering: Steering) -> None:
        """Show a moment, and what the worker was asked for and has not done yet."""
        width = self.content_size.width
        live = key_name(self.app, "lab.live", "end")
        self.show(status_line(moment, width, steering.wishes, steering.rate_asked, live))


class Strips(Vertical):
    """A line for each panel, for when another one has all the room.

    Args:
        panels: the lines stand for.

    Attributes:
        lines: in their order.
    """

    def __init__(self, panels: Sequence[Panel]) -> None:
        super().__init__(id="strips")
        self.panels = panels
        self.lines = tuple(Line(classes="strip") for _ in panels)

    def compose(self) -> ComposeResult:
        """The lines."""
        yield from self.lines

    def leave_out(self, chosen: Panel) -> None:
        """One panel is in sight itself."""
        for panel, line in zip(self.panels, self.lines, strict=True):
            line.set_class(panel is not chosen, "-aside")

    def show_moment(self, moment: Moment) -> None:
        """Show a moment in the lines that are in sight."""
        if not self.display:
            return
        for panel, line in zip(self.panels, self.lines, strict=True):
            if line.display:
                head = f"{panel.number} {panel.label:<9}"
                body = panel.strip(moment, line.content_size.width - len(head))
                line.show(Content.assemble((head, "$muted"), body))


class Voice(Static):
    """What happens, in a sentence or two."""

    def __init__(self) -> None:
        super().__init__("", id="voice", markup=False)
        self._said: object = None

    def show_moment(self, moment: Moment, layer: int) -> None:
        """Say what there is to say of a moment and a layer, from 0."""
        losses = len(moment.metric(LOSS) or ())
        key = moment.frame_step, losses, moment.snapshot.rival, layer, self.content_size
        if key != self._said:
            self._said = key
            self.update(fitted(voice(moment, layer), *self.content_size), layout=False)


class Trouble(Static):
    """What is wrong; nothing if nothing is."""

    def __init__(self) -> None:
        super().__init__("", id="trouble", markup=False)

    def tell(self, lines: Sequence[str]) -> None:
        """Say this."""
        text = "\n".join(lines)
        if text != self.content:
            self.update(text)
            self.display = bool(text)
