"""The lab: a run as it is trained, or as it was.

One loop polls the run folder in a thread and hands a frozen `Moment` to the panels, which draw only what changed. Keys turn
into command files; until the worker has obeyed, the status line says what was asked for. The run needs nobody: leaving the
lab, or losing it, changes nothing about the training.
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

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from seqlab.runs import control
from seqlab.runs.launch import worker_log_tail
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader, Snapshot
from seqlab.tui.panels.base import Line, Panel
from seqlab.tui.panels.gates import GatesPanel
from seqlab.tui.panels.gradient import GradientPanel
from seqlab.tui.panels.keys import LabKeys
from seqlab.tui.panels.loss import LossPanel
from seqlab.tui.panels.moment import LEARNING_RATE, Hearsay, Moment, observe
from seqlab.tui.panels.probe import ProbePanel
from seqlab.tui.panels.status import status_line
from seqlab.tui.panels.voice import voice
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker

TICK = 0.125
"""Seconds between looks at a run that is training."""
TICK_REMOTE = 0.2
"""The same over SSH."""
TICK_IDLE = 0.5
"""The same while nothing changes by itself."""
HURRY, HURRY_FOR = 0.05, 2.0
"""Seconds between looks, and for how long, after a key asked the worker for something."""
TOUCH = 2.0
"""Seconds between signs to the worker that somebody is looking."""
_BACKLOG = 2
"""Writes that may wait for the terminal; beyond that it does not keep up, and a tick is left out."""
_RATES = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0, 10.0)
"""Learning rates go by steps of about 1.25, as preferred numbers do (ISO 3, R10)."""
_RATE = Binding.Group("learning rate", compact=True)
_LOG_LINES = 6


class LabScreen(Screen[None], inherit_bindings=False):
    """The lab on one run.

    Args:
        folder: the run folder.
        worker: the worker that trains it, if this program started it.
    """

    CSS_PATH: ClassVar[str] = "lab.tcss"
    BINDING_GROUP_TITLE = "Lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", id="lab.pause", tooltip="Pause the training, or let it go on"),
        Binding("full_stop", "step", "step", key_display=".", id="lab.step", tooltip="Pause, and make one step"),
        Binding("left_square_bracket", "rate(-1)", "learning rate down", key_display="[", group=_RATE, id="lab.rate_down",
                tooltip="Lower the learning rate by a fifth"),
        Binding("right_square_bracket", "rate(1)", "learning rate up", key_display="]", group=_RATE, id="lab.rate_up",
                tooltip="Raise the learning rate by a quarter"),
        Binding("g", "gate(1)", "gate", id="lab.gate", tooltip="Show the next gate or state"),
        Binding("G", "gate(-1)", "gate back", show=False, id="lab.gate_back", tooltip="Show the gate or state before"),
        Binding("l", "layer", "layer", id="lab.layer", tooltip="Show the next layer"),
        Binding("y", "log", "log", id="lab.log", tooltip="Loss on a linear or a logarithmic axis"),
        Binding("m", "maximise", "maximise", id="lab.maximise", tooltip="Give one panel all the room, or back to four"),
        Binding("s", "stop", "stop", id="lab.stop", tooltip="Stop the run; it keeps a checkpoint and can be resumed"),
        Binding("n", "new", "new", id="lab.new", tooltip="Set up a new run; this one goes on"),
        Binding("1", "panel(1)", "loss", show=False, id="lab.panel1", tooltip="The loss panel"),
        Binding("2", "panel(2)", "gradient", show=False, id="lab.panel2", tooltip="The gradient panel"),
        Binding("3", "panel(3)", "gates", show=False, id="lab.panel3", tooltip="The gates panel; arrows move its cursor"),
        Binding("4", "panel(4)", "probe", show=False, id="lab.panel4", tooltip="The probe panel"),
        Binding("tab", "app.focus_next", "next panel", show=False, id="lab.tab", tooltip="The next panel"),
        Binding("shift+tab", "app.focus_previous", "panel before", show=False, id="lab.shift_tab"),
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
        self._asked = ""
        self._asked_from = ""
        self._rate_asked: float | None = None
        self._hurry_until = 0.0
        self._awake = asyncio.Event()
        self._events_seen: int | None = None

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
        self._follow()

    def on_unmount(self) -> None:
        """Nobody is looking any more."""
        control.forget_viewer(self.folder, self._viewer)

    @property
    def help(self) -> str:
        """What the words on this screen mean, with the rungs as measured on the run's own eval split."""
        rungs = self.moment.snapshot.rungs if self.moment else ()
        lines = [_HELP]
        if rungs:
            lines.append("Rungs of this run, by formula and as measured on its eval split:")
        lines += [f"  {r.metric}  {r.label}: {number(r.value)}, measured {number(r.measured)}" for r in rungs]
        return "\n".join(lines)

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
                    snapshot = await asyncio.to_thread(self._poll, reader)
                except RunError as error:
                    self._show_trouble([str(error)])
                else:
                    self._show(observe(snapshot, hearsay))
            self._awake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self._rest())

    def _poll(self, reader: RunReader) -> Snapshot:
        """Runs in a thread: the disk may be slow."""
        now = time.monotonic()
        if now - self._touched >= TOUCH:
            self._touched = now
            control.touch_viewer(self.folder, self._viewer)
        return reader.poll()

    def _rest(self) -> float:
        """Seconds until the next look."""
        if time.monotonic() < self._hurry_until:
            return HURRY
        if self.moment is None or self.moment.over or (self.moment.state == "paused" and not self._asked):
            return TICK_IDLE
        return TICK_REMOTE if "SSH_CONNECTION" in os.environ else TICK

    def _congested(self) -> bool:
        """Whether the terminal is behind with what was sent already."""
        # Textual has no public word for it, and blocks the whole lab once thirty writes wait.
        writer = getattr(self.app._driver, "_writer_thread", None)
        return writer is not None and writer._queue.qsize() > _BACKLOG

    def _hearsay(self) -> Hearsay | None:
        """Ask after the worker, before the folder is read."""
        worker = self._worker
        if worker is None:
            return None
        said = (str(worker.latest.get("state", "")), str(worker.latest.get("cell", "")))
        if said != self._heard[0]:
            self._heard = said, time.monotonic()
        return Hearsay(worker.alive, *said, time.monotonic() - self._heard[1])

    # Showing it

    def _show(self, moment: Moment) -> None:
        before, self.moment = self.moment, moment
        if before is None or before.state != moment.state:
            self._layers_changed(moment)
            self.refresh_bindings()
        self._settle(moment)
        self._report_refusals(moment)
        for panel in self.panels:
            panel.show(moment)
        self._show_status(moment)
        self._show_strips(moment)
        self._show_voice(moment)
        self._show_trouble(_troubles(moment, self._worker))

    def _show_status(self, moment: Moment) -> None:
        width = self.status.content_size.width
        self.status.show(status_line(moment, width, self._asked, self._rate_asked))

    def _show_strips(self, moment: Moment) -> None:
        if not self.strip_box.display:
            return
        for panel, line in zip(self.panels, self.strips, strict=True):
            if line.display:
                head = f"{panel.number} {panel.label:<9}"
                body = panel.strip(moment, line.content_size.width - len(head))
                line.show(Content.assemble((head, "$muted"), body))

    def _show_voice(self, moment: Moment) -> None:
        widget = self.query_one("#voice", Static)
        said = fitted(
            voice(moment, self.gradient.shown_layer), widget.content_size.width, widget.content_size.height
        )
        if said != getattr(widget.content, "plain", widget.content):
            widget.update(said, layout=False)

    def _show_trouble(self, lines: Sequence[str]) -> None:
        """Say what is wrong, above the voice; nothing if nothing is."""
        text = "\n".join(lines)
        if text != self.trouble.content:
            self.trouble.update(text)
            self.trouble.display = bool(text)
        if self.moment is None:
            self.status.show("no run to show")

    def _settle(self, moment: Moment) -> None:
        """Forget what was asked for once it has happened, or can no longer happen."""
        if self._asked and (moment.state != self._asked_from or moment.over):
            self._asked = ""
        if self._rate_asked is not None and (moment.learning_rate == self._rate_asked or moment.over):
            self._rate_asked = None

    def _report_refusals(self, moment: Moment) -> None:
        """Say what the worker refused, if it was refused since this screen opened."""
        events = moment.snapshot.events
        if self._events_seen is None:
            self._events_seen = len(events)
        for event in events[self._events_seen :]:
            if event["event"] == "refused":
                self._asked, self._rate_asked = "", None
                self.notify(
                    str(event.get("why", "")),
                    title=f"refused: {event.get('command', '')}",
                    severity="warning",
                )
        self._events_seen = len(events)

    def _layers_changed(self, moment: Moment) -> None:
        """A layer or gate that the run does not have cannot be shown."""
        layers = moment.snapshot.spec.model.layers
        if self.gates.shown_layer >= layers:
            self._show_layer(0)

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

    def _redraw(self) -> None:
        if self.moment is not None and self.is_mounted:
            for panel in self.panels:
                panel.show(self.moment)
            self._show_status(self.moment)
            self._show_strips(self.moment)
            self._show_voice(self.moment)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A layer can be chosen only where there are several."""
        if action == "layer":
            return self.moment is not None and self.moment.snapshot.spec.model.layers > 1
        return True

    def action_pause(self) -> None:
        """Pause, or go on."""
        if (moment := self._steerable("pause")) is None:
            return
        paused = moment.state == "paused"
        if self._asked:  # pressed again before the worker has answered: the other way round
            paused = self._asked != "going on"
        self._ask("continue" if paused else "pause", "going on" if paused else "pausing")

    def action_step(self) -> None:
        """Make a single step; a run under way is paused first."""
        if (moment := self._steerable("make a step")) is None:
            return
        if moment.state != "paused" and self._asked != "pausing":
            if not self._ask("pause", "pausing"):
                return
            self._ask("step", "pausing")
        else:
            self._ask("step", "")

    def action_rate(self, by: int) -> None:
        """Turn the learning rate down or up."""
        if (moment := self._steerable("change the learning rate")) is None:
            return
        rate = next_rate(self._rate_asked or moment.learning_rate, by)
        if self._send("set", LEARNING_RATE, rate):
            self._rate_asked = rate
            self._show_status(moment)

    def action_stop(self) -> None:
        """Stop the run."""
        if self.moment is None or self.moment.over:
            self._steerable("stop")
        else:
            self._ask("stop", "stopping")

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

    def action_new(self) -> None:
        """Back to Setup."""
        if self.moment is not None and not self.moment.over:
            self.notify(
                f"{self.folder.name} goes on; seqlab watch comes back to it", title="training goes on"
            )
        # By name, so that this screen does not have to know the app.
        self.call_later(self.run_action, "app.new_run")

    def _show_layer(self, layer: int) -> None:
        self.gradient.shown_layer = layer
        self.gradient.show_again()
        self.gates.show_layer(layer)
        self._redraw()

    def _steerable(self, what: str) -> Moment | None:
        """The moment, if the run can be steered now; else says why not."""
        moment = self.moment
        if moment is None:
            self.notify(f"cannot {what}: there is no run to see yet", severity="warning")
        elif moment.over:
            why = (
                "has no worker any more"
                if moment.state == "lost"
                else f"is {_PAST.get(moment.state, moment.state)}"
            )
            self.notify(f"cannot {what}: the run {why}", severity="warning")
        elif moment.doing:
            self.notify(f"cannot {what} yet: {moment.doing}", severity="warning")
        else:
            return moment
        return None

    def _ask(self, command: str, words: str) -> bool:
        """Send a command, and say so until it is obeyed."""
        if not self._send(command):
            return False
        if self.moment is not None:
            self._asked, self._asked_from = words, self.moment.state
            self._show_status(self.moment)
        return True

    def _send(self, command: str, field: str | None = None, value: Any = None) -> bool:
        try:
            control.send(self.folder, command, field, value)
        except RunError as error:
            self.notify(str(error), severity="error")
            return False
        self._hurry_until = time.monotonic() + HURRY_FOR
        self._awake.set()
        return True


_PAST = {"failed": "over: it failed", "diverged": "over: it diverged", "stopped": "stopped"}

_HELP = """\
Loss: train on each batch, faint; eval on a held-out split, bold. A rung is the loss of a predictor that knows less than \
the task needs; "on a rung" means within 5 % of it.
Gradient: the norm of ∂L/∂h at each timestep, over the probe sequences and all units, on a log axis. Walls cut it; beyond \
the last wall that a loss can see, steps get none. Faint: what full BPTT would send, and the credit of the last loss alone. \
"Below float32" is a gradient that is there but rounds to 0. It states reach and no more: networks learn inside a window \
what carries over.
Gates: the first probe sequence, units down, time across. Arrows move the cursor, with shift one by one.
Status: sequences a second, time left, learning rate, and the share of the last 100 logged steps whose gradient was clipped."""


def next_rate(rate: float, by: int) -> float:
    """The next learning rate of the R10 series, down or up."""
    power = 10.0 ** (len(f"{int(1 / rate)}") * -1 if rate < 1 else len(f"{int(rate)}") - 1)
    while power * 10 <= rate * (1 + 1e-9):
        power *= 10
    while power > rate * (1 + 1e-9):
        power /= 10
    candidates = [float(f"{f * p:.3g}") for p in (power / 10, power, power * 10) for f in _RATES]
    if by > 0:
        return min(each for each in candidates if each > rate * 1.01)
    return max(each for each in candidates if each < rate * 0.99)


def fitted(sentences: Sequence[str], width: int, height: int) -> str:
    """Whole sentences, as many as `height` lines of `width` cells hold."""
    if width < 1:
        return ""
    said = ""
    for sentence in sentences:
        longer = f"{said} {sentence}".strip()
        if _lines(longer, width) > max(1, height) and said:
            break
        said = longer
    return said


def _lines(text: str, width: int) -> int:
    """How many lines a text takes, broken at spaces."""
    lines, used = 1, 0
    for word in text.split():
        if used and used + 1 + len(word) > width:
            lines, used = lines + 1, 0
        used += len(word) + (1 if used else 0)
    return lines


def _troubles(moment: Moment, worker: Worker | None) -> list[str]:
    """What a person should know beyond the state: what cannot be read, and the last words of a worker that died."""
    snapshot = moment.snapshot
    lines = list(snapshot.problems[:3])
    if moment.state in ("training", "paused") and snapshot.status.message:
        lines.append(snapshot.status.message)
    if moment.state in ("lost", "failed"):
        if worker is not None and not worker.alive:
            lines.append(f"the worker ended with exit code {worker.exit_code}")
            lines += worker.stderr_tail().splitlines()[-_LOG_LINES:]
        tail = [line for line in worker_log_tail(snapshot.folder, _LOG_LINES) if line.strip()]
        lines += ["the end of worker.log:", *tail] if tail else ["worker.log is empty"]
    return lines
