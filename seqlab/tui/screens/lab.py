"""The lab: a run as it is trained, or as it was.

One loop polls the run folder in a thread and hands a frozen `Moment` to the panels, which draw only what
changed. Keys turn into command files; until the worker has obeyed, the status line says what was asked for.
The run needs nobody: leaving the lab, or losing it, changes nothing about the training.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from seqlab.runs import control
from seqlab.runs.layout import RunError, home
from seqlab.runs.reader import RunReader
from seqlab.spec.rival import has_rival
from seqlab.tui.panels.base import Line, Panel
from seqlab.tui.panels.gates import GatesPanel
from seqlab.tui.panels.gradient import GradientPanel
from seqlab.tui.panels.keys import LabKeys
from seqlab.tui.panels.loss import LOSS, LossPanel
from seqlab.tui.panels.moment import Hearsay, Moment, look
from seqlab.tui.panels.probe import ProbePanel
from seqlab.tui.panels.status import status_line
from seqlab.tui.panels.steering import Steering
from seqlab.tui.panels.voice import voice
from seqlab.tui.panels.words import fitted, help_text, troubles
from seqlab.tui.terminal import Terminal
from seqlab.tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker

TICK = 0.25
"""Seconds between looks at a run that is training."""
TICK_REMOTE = 0.4
"""The same over SSH."""
TICK_FIRST = 0.1
"""The same until there is a first point."""
TICK_IDLE = 0.5
"""The same while nothing changes by itself."""
HURRY, HURRY_FOR = 0.05, 2.0
"""Seconds between looks, and for how long, after a key asked the worker for something."""
TOUCH = 2.0
"""Seconds between signs to the worker that somebody is looking."""
_STEERING = ("pause", "step", "rate", "stop")
"""Actions that need a worker."""
_RATE = Binding.Group("learning rate", compact=True)


def _key(key: str, action: str, description: str, tooltip: str, **more: Any) -> Binding:
    return Binding(
        key, action, description, tooltip=tooltip, id=f"lab.{description.replace(' ', '_')}", **more
    )


class LabScreen(Screen[None], inherit_bindings=False):
    """The lab on one run.

    Args:
        folder: the run folder.
        worker: the worker that trains it, if this program started it.
    """

    CSS_PATH: ClassVar[str] = "lab.tcss"
    BINDING_GROUP_TITLE = "Lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("space", "pause", "pause", "Pause the training, or let it go on"),
        _key("full_stop", "step", "step", "Pause, and make one step", key_display="."),
        _key("left_square_bracket", "rate(-1)", "learning rate down", "Lower the learning rate by a fifth",
             key_display="[", group=_RATE),
        _key("right_square_bracket", "rate(1)", "learning rate up", "Raise the learning rate by a quarter",
             key_display="]", group=_RATE),
        _key("g", "gate(1)", "gate", "Show the next gate or state"),
        _key("G", "gate(-1)", "gate back", "Show the gate or state before", show=False),
        _key("l", "layer", "layer", "Show the next layer"),
        _key("y", "log", "log", "Show the loss on a linear or a logarithmic axis"),
        _key("m", "maximise", "maximise", "Give one panel all the room, or go back to four"),
        _key("s", "stop", "stop", "Stop the run; it keeps a checkpoint and can be resumed"),
        _key("n", "new", "new", "Set up a new run; this one goes on"),
        _key("1", "panel(1)", "loss", "Go to the loss", show=False),
        _key("2", "panel(2)", "gradient", "Go to the gradient", show=False),
        _key("3", "panel(3)", "gates", "Go to the gates, where arrows move a cursor", show=False),
        _key("4", "panel(4)", "probe", "Go to the probe sequence", show=False),
        _key("tab", "app.focus_next", "next panel", "Go to the next panel", show=False),
        _key("shift+tab", "app.focus_previous", "panel before", "Go to the panel before", show=False),
    ]  # fmt: skip

    def __init__(self, folder: Path, worker: Worker | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.moment: Moment | None = None
        self.loss, self.gradient, self.gates, self.probe = (
            LossPanel(),
            GradientPanel(),
            GatesPanel(),
            ProbePanel(),
        )
        self.panels: tuple[Panel, ...] = (self.loss, self.gradient, self.gates, self.probe)
        self.chosen: Panel = self.loss
        self.status = Line(id="status")
        self.strips = tuple(Line(classes="strip") for _ in self.panels)
        self.strip_box = Vertical(id="strips")
        self.trouble = Static("", id="trouble", markup=False)
        self.voice = Static("", id="voice", markup=False)
        self._worker = worker
        self._heard: tuple[tuple[str, str], float] = (("", ""), time.monotonic())
        self._viewer = f"lab-{os.getpid()}-{secrets.token_hex(4)}"
        self._touched = -TOUCH
        self._challenged = False
        self.steering = Steering(folder, self._say)
        self._hurry_until = 0.0
        self._said: object = None
        self._awake = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Status, panels, strips, voice, keys."""
        yield self.status
        with Container(id="panels"):
            yield from self.panels
        with self.strip_box:
            yield from self.strips
        yield self.trouble
        yield self.voice
        yield LabKeys()
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin to follow the run."""
        self.status.show("one moment")
        self._choose(self.loss)
        self.loss.take_focus()
        self.app.theme_changed_signal.subscribe(self, self._recolour)
        self._follow()

    async def on_unmount(self) -> None:
        """Nobody is looking any more."""
        self.steering.close()
        await asyncio.to_thread(control.forget_viewer, self.folder, self._viewer)

    @property
    def HELP(self) -> str:  # type: ignore[override]  # noqa: N802
        """What this run is about and what the words on this screen mean, with the rungs as measured."""
        return help_text(self.moment)

    # Following the run

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        """Poll, show, rest, as long as the screen is there."""
        reader: RunReader | None = None
        while True:
            if not self._congested():
                hearsay = self._hearsay()
                try:
                    if reader is None:
                        reader = await asyncio.to_thread(RunReader, self.folder)
                    moment = await asyncio.to_thread(self._poll, reader, hearsay)
                except RunError as error:
                    found: Moment | RunError = error
                else:
                    found = moment
                # The screen may have been left in the meantime, and its parts with it.
                if not self.is_running or not self.is_attached:
                    return
                if isinstance(found, Moment):
                    self._show(found)
                else:
                    self.status.show(Content.styled("? the run cannot be read", "$error"))
                    self._show_trouble([str(found)])
            self._awake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self._rest())

    def _poll(self, reader: RunReader, hearsay: Hearsay | None) -> Moment:
        """Runs in a thread: the disk may be slow."""
        now = time.monotonic()
        if now - self._touched >= TOUCH:
            self._touched = now
            control.touch_viewer(self.folder, self._viewer)
        moment = look(reader, hearsay, self._worker)
        live = moment.state in ("training", "paused")
        # Beside what the network evaluates to: before that there is nothing to rival.
        if not self._challenged and live and len(moment.snapshot.metrics.get(LOSS, ())):
            self._challenged = True
            if moment.snapshot.rival is None and has_rival(moment.snapshot.spec):
                with contextlib.suppress(RunError):  # a folder that one may only look at
                    control.send(self.folder, "rival")
        return moment

    def _rest(self) -> float:
        """Seconds until the next look."""
        if time.monotonic() < self._hurry_until:
            return HURRY
        moment = self.moment
        if moment is None or moment.over or (moment.state == "paused" and not self.steering.asked):
            return TICK_IDLE
        if not moment.snapshot.metrics:
            return TICK_FIRST
        return TICK_REMOTE if "SSH_CONNECTION" in os.environ else TICK

    def _congested(self) -> bool:
        """Whether the terminal is behind with what was sent already: then a tick is left out."""
        driver = self.app._driver
        return isinstance(driver, Terminal) and not driver.keeps_up

    def _hearsay(self) -> Hearsay | None:
        """Ask after the worker, before the folder is read."""
        worker = self._worker
        if worker is None:
            return None
        said = (str(worker.latest.get("state", "")), str(worker.latest.get("cell", "")))
        if said != self._heard[0]:
            self._heard = said, time.monotonic()
        return Hearsay(worker.exit_code, *said, time.monotonic() - self._heard[1])

    # Showing it

    def _show(self, moment: Moment) -> None:
        before, self.moment = self.moment, moment
        if before is None or before.state != moment.state:
            self.refresh_bindings()
        self.steering.follow(moment)
        for panel in self.panels:
            panel.show(moment)
        self._show_status(moment)
        self._show_strips(moment)
        self._show_voice(moment)
        self._show_trouble(troubles(moment))

    def _show_status(self, moment: Moment) -> None:
        width = self.status.content_size.width
        self.status.show(status_line(moment, width, self.steering.asked, self.steering.rate_asked))

    def _show_strips(self, moment: Moment) -> None:
        if not self.strip_box.display:
            return
        for panel, line in zip(self.panels, self.strips, strict=True):
            if line.display:
                head = f"{panel.number} {panel.label:<9}"
                body = panel.strip(moment, line.content_size.width - len(head))
                line.show(Content.assemble((head, "$muted"), body))

    def _show_voice(self, moment: Moment) -> None:
        losses = len(moment.snapshot.metrics.get("eval/loss", ()))
        shown = self.gradient.shown_layer, self.voice.content_size
        key = moment.frame_step, losses, moment.snapshot.rival, *shown
        if key != self._said:
            self._said = key
            said = fitted(voice(moment, self.gradient.shown_layer), *self.voice.content_size)
            self.voice.update(said, layout=False)

    def _show_trouble(self, lines: Sequence[str]) -> None:
        """Say what is wrong, above the voice; nothing if nothing is."""
        text = "\n".join(lines)
        if text != self.trouble.content:
            self.trouble.update(text)
            self.trouble.display = bool(text)

    # Layout

    @on(Panel.Chosen)
    def _panel_chosen(self, event: Panel.Chosen) -> None:
        self._choose(event.panel)

    def _choose(self, chosen: Panel) -> None:
        """Make a panel the large one, wherever only one is large."""
        self.chosen = chosen
        for panel, strip in zip(self.panels, self.strips, strict=True):
            panel.set_class(panel is not chosen, "-aside")
            strip.set_class(panel is not chosen, "-aside")
        self._show_again()

    def on_resize(self) -> None:
        """Fit the lines to the width."""
        self._show_again()

    def _show_again(self) -> None:
        """Draw once more, after the layout has settled."""
        self.call_after_refresh(self._redraw)

    def _recolour(self, _: object) -> None:
        """Draw everything in the colours of the theme, even if nothing of the run changes any more."""
        for panel in self.panels:
            panel.show_again()
        self._show_again()

    def _redraw(self) -> None:
        if self.moment is not None and self.is_mounted:
            for panel in self.panels:
                panel.show(self.moment)
            self._show_status(self.moment)
            self._show_strips(self.moment)
            self._show_voice(self.moment)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A layer can be chosen only where there are several; a run that is over cannot be steered."""
        if action == "layer":
            return self.moment is not None and self.moment.snapshot.spec.model.layers > 1
        if action in _STEERING and self.moment is not None and self.moment.over:
            return None
        return True

    def on_key(self, event: events.Key) -> None:
        """A dimmed key says why it is."""
        active = self.active_bindings.get(event.key)
        if active is not None and active.node is self and not active.enabled:
            self.steering.why_not(self.moment, active.binding.action.partition("(")[0])
            event.stop()

    def action_pause(self) -> None:
        """Pause, or go on."""
        self._steered(self.steering.pause(self.moment))

    def action_step(self) -> None:
        """Make a single step; a run under way is paused first."""
        self._steered(self.steering.step(self.moment))

    def action_rate(self, by: int) -> None:
        """Turn the learning rate down or up."""
        self._steered(self.steering.rate(self.moment, by))

    def action_stop(self) -> None:
        """Stop the run."""
        self._steered(self.steering.stop(self.moment))

    def action_gate(self, by: int) -> None:
        """Show another gate or state."""
        self.gates.choose(by)

    def action_layer(self) -> None:
        """Show another layer."""
        if self.moment is not None:
            self._show_layer((self.gates.shown_layer + 1) % self.moment.snapshot.spec.model.layers)

    def action_log(self) -> None:
        """Switch the axis of the loss."""
        self.loss.logarithmic = not self.loss.logarithmic
        self.loss.show_again()
        self._redraw()

    def action_panel(self, digit: int) -> None:
        """Choose a panel."""
        panel = self.panels[digit - 1]
        self._choose(panel)
        self.call_after_refresh(panel.take_focus)

    def action_maximise(self) -> None:
        """One large panel, or four."""
        self.toggle_class("-maximised")
        self._show_again()

    async def action_new(self) -> None:
        """Back to Setup."""
        app, title = self.app, self._left_behind()
        # By name, so that this screen does not have to know the app.
        await self.run_action("app.new_run")
        if title:
            named = self.folder.name if self.folder.parent == home() else self.folder
            app.notify(f"seqlab watch {named} comes back to it", title=title, markup=False)

    def _left_behind(self) -> str:
        """What the run does while nobody looks; "" if it does nothing any more."""
        moment, asked = self.moment, self.steering.asked
        dead = self._worker is not None and self._worker.exit_code is not None
        if moment is None or moment.over or dead or asked == "stopping":
            return ""
        paused = asked == "pausing" if asked else moment.state == "paused"
        return "The run stays paused" if paused else "The run goes on"

    def _show_layer(self, layer: int) -> None:
        self.gradient.shown_layer = layer
        self.gradient.show_again()
        self.gates.show_layer(layer)
        self._redraw()

    def _steered(self, sent: bool) -> None:
        """Show at once what was asked for, and look for the answer soon."""
        if sent and self.moment is not None:
            self._show_status(self.moment)
            self._hurry_until = time.monotonic() + HURRY_FOR
            self._awake.set()

    def _say(self, words: str, severity: str) -> None:
        self.notify(words, severity=severity)  # type: ignore[arg-type]
