"""The lab: a run as it is trained, or as it was.

A `Follower` looks at the run folder in a thread and hands a frozen `Moment` to the panels and lines, which
draw only what changed. Keys turn into command files, or into a wish to see another step; until the worker has
obeyed, the status line says what was asked for. The run needs nobody: leaving the lab, or losing it, changes
nothing about the training.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen

from seqlab.runs.layout import RunError, home
from seqlab.runs.repro import repro_command
from seqlab.settings import key_hint, settings_of
from seqlab.tui.panels.base import Panel
from seqlab.tui.panels.gates import GatesPanel
from seqlab.tui.panels.gradient import GradientPanel
from seqlab.tui.panels.keys import LabKeys
from seqlab.tui.panels.lines import StatusLine, Strips, Trouble, Voice
from seqlab.tui.panels.loss import LossPanel
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.probe import ProbePanel
from seqlab.tui.panels.steering import Steering
from seqlab.tui.panels.words import help_text, troubles
from seqlab.tui.screens.follower import Follower
from seqlab.tui.screens.fork import ForkScreen
from seqlab.tui.screens.lab_keys import BINDINGS, STEERING
from seqlab.tui.screens.steer import SteerScreen
from seqlab.tui.state import Layout, last_layout, remember, save
from seqlab.tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.tui.app import LabApp


MOST_COPIED = 70_000
"""Characters of numbers for the clipboard: terminals take no more than 100,000 bytes, as base64."""


class LabScreen(Screen[None], inherit_bindings=False):
    """The lab on one run.

    Args:
        folder: the run folder.
        worker: the worker that trains it, if this program started it.
        others: the folders of runs to lay over it.
    """

    app: LabApp
    CSS_PATH: ClassVar[str] = "lab.tcss"
    BINDING_GROUP_TITLE = "Lab"
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    def __init__(self, folder: Path, worker: Worker | None = None, others: tuple[Path, ...] = ()) -> None:
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
        self.status, self.strips = StatusLine(), Strips(self.panels)
        self.trouble, self.voice = Trouble(), Voice()
        self.steering = Steering(folder, self._say)
        self.follower = Follower(folder, worker, lambda: self.steering.waits, self._unseen, others)

    def compose(self) -> ComposeResult:
        """Status, panels, strips, voice, keys."""
        yield self.status
        with Container(id="panels"):
            yield from self.panels
        yield self.strips
        yield self.trouble
        yield self.voice
        yield LabKeys()
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin to follow the run."""
        self.status.show("one moment")
        settings = settings_of(self.app)
        self.follower.pause = settings.pause
        if settings.fps:  # as they wish
            self.follower.share = 1.0
        left = last_layout()
        self.loss.logarithmic = left.logarithmic
        self.set_class(left.maximised, "-maximised")
        self._choose(self.panels[left.panel - 1])
        self.chosen.take_focus()
        self.app.theme_changed_signal.subscribe(self, self._recolour)
        self._follow()

    async def on_unmount(self) -> None:
        """Nobody is looking any more."""
        self.steering.close()
        await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        self.follower.leave()
        remember(Layout(self.chosen.number, self.has_class("-maximised"), self.loss.logarithmic))

    @property
    def HELP(self) -> str:  # type: ignore[override]  # noqa: N802
        """What this run is about and what the words on this screen mean, with the rungs as measured."""
        return help_text(self.moment)

    # Showing the run

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        """As long as the screen is there."""
        await self.follower.follow(self._show, lambda: self.is_running and self.is_attached)

    def _show(self, found: Moment | RunError) -> None:
        if isinstance(found, RunError):
            self.status.show(Content.styled("? the run cannot be read", "$error"))
            self.trouble.tell([str(found)])
            return
        before, self.moment = self.moment, found
        if before is not None and found.over and not before.over:
            self.app.tell_end(self.folder, found.snapshot.status, found.state)
        if before is None or before.state != found.state:
            self.refresh_bindings()
        self.steering.follow(found)
        self._redraw()
        self.trouble.tell(troubles(found))

    def _redraw(self) -> None:
        """Show the moment; what it changes nothing about is not drawn again."""
        if self.moment is not None and self.is_mounted:
            for panel in self.panels:
                panel.show(self.moment)
            self.status.show_moment(self.moment, self.steering)
            self.strips.show_moment(self.moment)
            self.voice.show_moment(self.moment, self.gradient.shown_layer)

    def _unseen(self) -> bool:
        """Whether the terminal is behind with what was sent already, or another screen covers this one."""
        front = next(reversed(self.app.screen_stack), self)
        return self.app.congested or (front is not self and not front.is_modal)

    def on_screen_resume(self) -> None:
        """In front again: much may have changed meanwhile."""
        self.follower.look()

    # Layout

    @on(Panel.Chosen)
    def _panel_chosen(self, event: Panel.Chosen) -> None:
        self._choose(event.panel)

    def _choose(self, chosen: Panel) -> None:
        """Make a panel the large one, wherever only one is large."""
        self.chosen = chosen
        for panel in self.panels:
            panel.set_class(panel is not chosen, "-aside")
        self.strips.leave_out(chosen)
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

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A layer can be chosen only where there are several; a run that is over cannot be steered."""
        if action == "layer":
            return self.moment is not None and self.moment.snapshot.spec.model.layers > 1
        if action in STEERING and self.moment is not None and self.moment.over:
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

    def action_steer(self) -> None:
        """Change what can be changed while the run trains."""
        if not self.steering.why_not(self.moment, "steer"):
            screen = SteerScreen(lambda: self.moment, self.steering)
            self.app.push_screen(screen, lambda sent: self._steered(bool(sent)))

    def action_fork(self) -> None:
        """Go on from the step that is shown in a second run."""
        if self.moment is None:
            self._say("cannot fork: there is no run to see yet", "warning")
        else:
            self.app.push_screen(ForkScreen(self.moment, partial(self.app.start_fork, self.folder)))

    def action_stop(self) -> None:
        """Stop the run."""
        self._steered(self.steering.stop(self.moment))

    def action_scrub(self, by: int) -> None:
        """Go back or on by so many kept frames."""
        moment = self.moment
        if moment is not None and not moment.snapshot.kept:
            self._say("no frame is kept yet to go back to", "information")
        elif moment is not None and self.follower.travel.scrub(moment, by):
            self.follower.look()

    def action_first(self) -> None:
        """Go back to the first kept frame."""
        if self.moment is not None and self.follower.travel.first(self.moment):
            self.follower.look()

    def action_live(self) -> None:
        """Come back to the present."""
        if self.follower.travel.live():
            self.follower.look()

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

    def action_copy(self) -> None:
        """Put the command that repeats the run, and the numbers of the panel, on the clipboard."""
        if self.moment is not None:
            snapshot = self.moment.snapshot
            as_planned = not {"changed", "initialised"} & {event["event"] for event in snapshot.events}
            command = repro_command(snapshot.spec, self.folder, as_planned)
            numbers, words = self.chosen.numbers(self.moment), f"and the numbers of the {self.chosen.label}"
            if len(numbers) > MOST_COPIED:
                saves = f"{key_hint(self.app, 'lab.save', 'e')} saves them"
                numbers, words = "", f"without the numbers of the {self.chosen.label}, too many: {saves}"
            self.app.copy_to_clipboard(f"{command}\n{numbers}")
            self.notify(f"{command}\n{words}", title="Copied", markup=False)

    def action_save(self) -> None:
        """Save the screen as a picture, and the numbers of the panel beside it."""
        numbers = self.chosen.numbers(self.moment) if self.moment is not None else ""
        files = {".svg": self.app.export_screenshot(), f"-{self.chosen.label}.csv": numbers}
        title, words, well = save({end: text for end, text in files.items() if text})
        self.notify(words, title=title, severity="information" if well else "error", markup=False)

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
        if moment is None or moment.over or self.follower.worker_is_dead or asked == "stopping":
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
            self.status.show_moment(self.moment, self.steering)
            self.follower.hurry()

    def _say(self, words: str, severity: str) -> None:
        self.notify(words, severity=severity)  # type: ignore[arg-type]
