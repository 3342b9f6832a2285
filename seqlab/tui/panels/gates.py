"""Panel 3: gates and states of the first probe sequence, units against time."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import ArrayLike
from textual import on
from textual.app import ComposeResult
from textual.content import Content

from seqlab.cells.base import ATTENTION, State
from seqlab.settings import key_hint, settings_of
from seqlab.tui.panels.base import READING, Line, Panel, tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.numbers import state_numbers
from seqlab.tui.widgets.axes import number, sequence_ticks
from seqlab.tui.widgets.heatmap import Heatmap
from seqlab.tui.widgets.raster import cell_of
from seqlab.tui.widgets.scale import Scale
from seqlab.tui.widgets.spark import spark

SECONDS_BACK = 1 / 10
"""Between two drawings of frames that somebody goes through; of those that come by themselves the settings
say it. A full map is the largest thing that the lab sends."""
_BAR, _LEAST_BAR = 24, 9


def scale_of(state: State, values: ArrayLike) -> Scale:
    """The scale of a state: [0, 1], [-1, 1], or around 0 as far as values reach, rounded up to 1, 2, 5."""
    if state.kind == "gate":
        return Scale(0.0, 1.0)
    if state.kind == "signed":
        return Scale(-1.0, 1.0, "diverging")
    magnitudes = np.abs(np.asarray(values, np.float64))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    most = min(1e300, max(1e-300, float(magnitudes.max(initial=0.0))))
    power = 10.0 ** math.floor(math.log10(most))
    limit = next((f * power for f in (1, 2, 5) if f * power >= most * (1 - 1e-6)), 10 * power)
    return Scale(-limit, limit, "diverging") if magnitudes.any() else Scale(-1.0, 1.0, "diverging")


def time_axis(timesteps: int, width: int) -> str:
    """Numbers of timesteps under a heatmap of `width` columns."""
    line = [" "] * width
    ticks = sequence_ticks(timesteps, max(2, width // 12))
    pairs = list(zip(ticks.values, ticks.labels, strict=True))
    for value, label in pairs[:1] + pairs[-1:] + pairs[1:-1]:
        start = min(max(cell_of(int(value) - 1, timesteps, width), 0), max(0, width - len(label)))
        around = line[max(0, start - 1) : start + len(label) + 1]
        if all(each == " " for each in around) and start + len(label) <= width:
            line[start : start + len(label)] = label
    return "".join(line).rstrip()


def counted(count: int, what: str = "unit") -> str:
    """`1 unit`, `32 units`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class GatesPanel(Panel, can_focus=False):
    """The gates as a heatmap; the cursor is the heatmap's."""

    number = 3
    label = "gates"

    def __init__(self) -> None:
        super().__init__()
        self.map = Heatmap(empty=READING)
        self.foot = Line()
        self.chosen = 0
        self.shown_layer = 0
        self._last = 0.0
        self._asked = True

    def compose(self) -> ComposeResult:
        """The map, and its time axis."""
        yield self.map
        yield self.foot

    def states(self) -> tuple[State, ...]:
        """What can be shown, once the run is known."""
        return self.moment.snapshot.spec.model.shown(self.shown_layer) if self.moment else ()

    def choose(self, by: int) -> None:
        """Go to another gate or state."""
        if self.states():
            self.chosen = (self.chosen + by) % len(self.states())
            self._asked = True
            self.show_again()

    def show_layer(self, layer: int) -> None:
        """Go to another layer."""
        self.shown_layer, self._asked = layer, True
        self.show_again()

    def numbers(self, moment: Moment) -> str:
        """What the map shows: a column for each unit."""
        return state_numbers(moment, self.shown_layer, self._state().name) if self.states() else ""

    def take_focus(self) -> None:
        """The map has the cursor."""
        self.map.focus(scroll_visible=False)

    def depends_on(self, moment: Moment) -> object:
        """The frame and the choice; before the first frame what goes on."""
        waiting = "" if moment.frame_step is not None else moment.waiting_for("")
        return moment.frame_step, self.chosen, self.shown_layer, waiting

    def may_draw(self) -> bool:
        """Not too often, unless a key asked for just this."""
        now = time.monotonic()
        back = self.moment is not None and self.moment.chosen is not None
        pause = SECONDS_BACK if back else settings_of(self.app).heatmap_pause
        if not self._asked and now - self._last < pause:
            return False
        self._last, self._asked = now, False
        return True

    def draw(self, moment: Moment) -> None:
        """Draw the map."""
        states = self.states()
        state = self._state()
        values = moment.tensor(f"layer{self.shown_layer}/state/{state.name}")
        scale = scale_of(state, np.empty(0) if values is None else values)
        self.map.show(None if values is None else values.T, scale, empty=moment.waiting_for("the gates"))
        self._write_foot()
        layers = moment.snapshot.spec.model.layers
        name = state.label if state.label == state.name else f"{state.label} {state.name}"
        keys = f"{name} {key_hint(self.app, 'lab.gate', 'g')}" if len(states) > 1 else name
        if layers > 1:
            hint = key_hint(self.app, "lab.layer", "l")
            keys += f"  layer {self.shown_layer + 1} of {layers} {hint}"
        title = keys[:1].upper() + keys[1:]
        room = self.room_beside(title)
        rows = self._rows(state)
        units = f" · {counted(rows, state.rows)} ↓{_strides(moment)}"
        bar = self.map.colour_bar(min(_BAR, max(room - len(units), min(_LEAST_BAR, room))))
        fits = bar.cell_length + len(units) <= room
        self.head(title, Content.assemble(bar, (units, "$muted")) if fits else bar)

    def _state(self) -> State:
        """What is chosen; another layer may show less."""
        states = self.states()
        return states[self.chosen % len(states)]

    def _rows(self, state: State) -> int:
        """Of how many rows it is."""
        assert self.moment is not None
        spec = self.moment.snapshot.spec
        return spec.task.encoder_steps if state is ATTENTION else spec.model.hidden

    @on(Heatmap.CursorMoved)
    def _follow_cursor(self) -> None:
        self._write_foot()

    def on_descendant_blur(self) -> None:
        """The cursor goes with the focus."""
        super().on_descendant_blur()
        self.call_after_refresh(self._write_foot)

    def on_descendant_focus(self) -> None:
        """The cursor comes with the focus."""
        super().on_descendant_focus()
        self._write_foot()

    def _write_foot(self) -> None:
        """The time axis; with the focus the value under the cursor instead."""
        moment, width = self.moment, self.foot.size.width
        if moment is None or moment.frame is None or not self.map.values.size or width < 1:
            self.foot.show("")
            return
        frame = moment.frame
        cursor, value = self.map.cursor, self.map.cursor_value
        if self.map.has_focus and cursor is not None and value is not None:
            unit, step = cursor[0] * frame.unit_stride + 1, cursor[1] * frame.time_stride + 1
            place = f"{self._state().rows} {unit:,}, step {step:,}: "
            said = Content.assemble(place, (number(value), "bold"))
            crowding = self._crowding(width - said.cell_length)
            self.foot.show(Content.assemble(said, (crowding, "$muted")))
            return
        self.foot.show(Content.styled(time_axis(moment.snapshot.spec.task.timesteps, width), "$muted"))

    def _crowding(self, room: int) -> str:
        """That a place of the map stands for several values, if it does, in at most `room` cells."""
        units, steps = self.map.cover
        parts = [counted(units, self._state().rows)] * (units > 1) + [f"{steps} steps"] * (steps > 1)
        if not parts:
            return ""
        farthest = " · farthest from the middle of the scale"
        ways = (f"{farthest}, of {' × '.join(parts)}", farthest, " · farthest from mid-scale")
        return next((words for words in ways if len(words) <= room), "")

    def strip(self, moment: Moment, width: int) -> Content:
        """The mean of every gate and state, and the chosen one over time."""
        means, chosen = [], None
        states = moment.snapshot.spec.model.shown(self.shown_layer)
        for index, state in enumerate(states):
            values = moment.tensor(f"layer{self.shown_layer}/state/{state.name}")
            if values is not None:
                with np.errstate(all="ignore"):  # states may be infinite
                    over_units = values.mean(axis=1, dtype=np.float64)
                    mean = float(over_units.mean())
                means.append(f"{state.name} {number(float(f'{mean:.2g}'))}")
                chosen = over_units if index == self.chosen % len(states) else chosen
        if not means or chosen is None:
            return Content(moment.waiting_for("the gates"))
        words = f"  means {'  '.join(means)}"
        palette = self.map.palette
        curve = spark(chosen, max(0, width - len(words)), charset=palette.charset)
        return Content.assemble(tinted(curve, palette.line(0)), (words, "$muted"))


def _strides(moment: Moment) -> str:
    """What a large frame leaves out."""
    frame = moment.frame
    if frame is None:
        return ""
    units = f", every {frame.unit_stride}th" if frame.unit_stride > 1 else ""
    return units + (f" · every {frame.time_stride}th step" if frame.time_stride > 1 else "")
