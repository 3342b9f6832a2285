"""Panel 2: how large the gradient is at each timestep, and where it ends.

In front the gradient under the run's truncation, a line per layer. Behind it, faint and for the layer at
hand alone: what full backpropagation would send, and the credit of the last loss by itself. What equals the
line in front is left out. Other runs that lie over this one have a line each, for the layer at hand; then
that layer is all that is drawn of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.content import Content

from seqlab.spec.credit import reached, walls
from seqlab.tui.palette import Palette, Role
from seqlab.tui.panels.base import READING, Panel, tinted
from seqlab.tui.panels.moment import Moment, Other
from seqlab.tui.panels.numbers import gradient_numbers
from seqlab.tui.panels.others import Entry, Legend, lettered
from seqlab.tui.widgets.axes import number, sequence_ticks
from seqlab.tui.widgets.lineplot import LinePlot, PlotData, Series, Span, Wall
from seqlab.tui.widgets.spark import spark

Cut = int | tuple[int, int]
"""Every how many steps derivatives are cut (0: never); or every how many, and how far back they reach."""
BELOW = "below float32"
_NAMED_LAYERS = 4


@dataclass(frozen=True, eq=False)
class Reach:
    """Where a gradient can be at all.

    Attributes:
        timesteps: T.
        steps: bool [T], whether a timestep gets one.
        walls: the steps after which it is cut, counted from 1.
        last: the last timestep, from 1, with a loss; 0 without any.
    """

    timesteps: int
    steps: NDArray[np.bool_]
    walls: NDArray[np.int64]
    last: int

    @property
    def without(self) -> int:
        """How many timesteps get none, although there is a loss after them."""
        return int((~self.steps[: self.last]).sum())

    @property
    def end(self) -> int:
        """The last timestep, from 1, that gets one; 0 if none does."""
        return int(np.flatnonzero(self.steps)[-1]) + 1 if self.steps.any() else 0

    @property
    def cutting(self) -> NDArray[np.int64]:
        """The walls before the last loss: behind it there is nothing to cut."""
        return self.walls[self.walls < self.last]

    @property
    def wall(self) -> int | None:
        """The one wall at which it ends: none before, some after; None if it is not as simple as that."""
        if self.steps.all() or not self.steps.any():
            return None
        first = int(np.argmax(self.steps))
        simple = bool(self.steps[first : self.end].all()) and first in self.walls
        return first if simple else None


def reach_of(moment: Moment) -> Reach | None:
    """How far a gradient reaches under the truncation of the frame; None before the probe is known."""
    snapshot = moment.snapshot
    if snapshot.probe is None:
        return None
    mask = snapshot.probe["mask"]
    length = len(mask)
    truncation = snapshot.spec.training.cut
    if moment.frame is not None:
        truncation = _cut_in(moment.frame.metadata.get("truncation"), truncation)
    losses = np.flatnonzero((mask > 0).any(axis=1))
    # Padding behind the longest sequence gets none in any direction.
    longest = int(snapshot.probe["lengths"].max()) if "lengths" in snapshot.probe else length
    steps = np.zeros(length, np.bool_)
    steps[:longest] = reached(longest, truncation, losses, passes=snapshot.spec.model.passes)
    return Reach(length, steps, walls(length, truncation), int(losses[-1]) + 1 if losses.size else 0)


def _cut_in(found: Any, otherwise: Cut) -> Cut:
    """Where a frame's metadata say that derivatives were cut; what the spec says if they make no sense."""
    if type(found) is int and found >= 0:
        return found
    if isinstance(found, list | tuple) and len(found) == 2 and all(type(k) is int and k > 0 for k in found):
        return int(found[0]), int(found[1])
    return otherwise


def gradient_plot(moment: Moment, layer: int, palette: Palette) -> PlotData:
    """The plot for layer number `layer` (from 0) at hand."""
    reach = reach_of(moment)
    frame = moment.frame
    if reach is None or frame is None or moment.tensor("layer0/gradient") is None:
        return PlotData(empty=moment.waiting_for_probe("the gradient"))
    x = 1 + frame.time_stride * np.arange(len(frame.tensors["layer0/gradient"]))
    steps = reach.steps[x - 1]
    if moment.others:
        series, shown = _among_others(moment, reach, layer), [layer]
    else:
        until = int(np.searchsorted(x, reach.end, "right"))
        series = [*_behind(moment, layer, x[:until]), *_in_front(moment, reach, layer, palette)]
        shown = list(range(moment.snapshot.spec.model.layers))
    zeros = np.zeros(len(x), np.bool_)
    for each in shown:
        gradient = moment.tensor(f"layer{each}/gradient")
        if gradient is not None:
            zeros |= steps & (gradient == 0)
    longest = max([reach.timesteps, *(each.moment.snapshot.spec.task.timesteps for each in moment.others)])
    dead = [
        Span(float(x[a]), float(x[b - 1]), "no gradient" if x[a] <= reach.last else "no loss follows")
        for a, b in _stretches(~steps)
    ]
    below = [Span(float(x[a]), float(x[b - 1]), BELOW, hatched=False) for a, b in _stretches(zeros)]
    return PlotData(
        series=tuple(series),
        walls=_walls(reach, moment.snapshot.spec.task.encoder_steps),
        spans=(*dead, *below),
        x_limits=(1.0, float(max(2, longest))),
        x_ticks=sequence_ticks(longest),
        log=True,
    )


def legend_of(moment: Moment, layer: int) -> list[Entry]:
    """Which run is which, for layer number `layer`; none where one run is alone."""
    if not moment.others:
        return []
    entries = [Entry(0, f" {moment.name}")]
    for other in moment.others:
        shown = _layer_of(other, layer)
        drawn = bool(_curves(other.moment, reach_of(other.moment), shown))
        more = f" layer {shown + 1}" if shown != layer else ""
        entries.append(Entry(other.place, f" {other.name}", more if drawn else ": no gradient yet", drawn))
    return entries


def _in_front(moment: Moment, reach: Reach, layer: int, palette: Palette) -> list[Series]:
    """A line for each layer, the one at hand in bold."""
    layers = moment.snapshot.spec.model.layers
    front = []
    for each in range(layers):
        role: Role = "bold" if each == layer else "plain"
        mark = palette.mark(each) if layers > 1 else ""
        curves = _curves(moment, reach, each, _line_name(each, layer, layers), role)
        front += [replace(curve, hue=each, mark=mark) for curve in curves]
    return front


def _among_others(moment: Moment, reach: Reach, layer: int) -> list[Series]:
    """A line for each run, that of the one that is shown above the others."""
    lines = []
    for other in reversed(moment.others):
        curves = _curves(other.moment, reach_of(other.moment), _layer_of(other, layer))
        lines += lettered(curves, other.place)
    name = _line_name(layer, layer, moment.snapshot.spec.model.layers)
    return lines + lettered(_curves(moment, reach, layer, name, "bold"), 0)


def _layer_of(other: Other, layer: int) -> int:
    """The layer of another run that stands beside one of this run: its last, where it has fewer."""
    return min(layer, other.moment.snapshot.spec.model.layers - 1)


def _curves(
    moment: Moment, reach: Reach | None, layer: int, name: str = "", role: Role = "plain"
) -> list[Series]:
    """The gradient of a layer, a curve for each stretch that gets one; none before it is known."""
    frame, gradient = moment.frame, moment.tensor(f"layer{layer}/gradient")
    if reach is None or frame is None or gradient is None:
        return []
    x = 1 + frame.time_stride * np.arange(len(gradient))
    stretches = enumerate(_stretches(reach.steps[x - 1]))
    return [Series(x[a:b], gradient[a:b], "" if at else name, role) for at, (a, b) in stretches]


def _walls(reach: Reach, encoder: int) -> tuple[Wall, ...]:
    """Where derivatives are cut, and where an encoder of so many steps hands over to its decoder."""
    handover = (Wall(encoder + 0.5, "decoder"),) if encoder else ()
    named = _named(reach)
    cuts = (Wall(wall + 0.5, f"wall {wall}" if wall == named else "") for wall in reach.walls.tolist())
    return (*handover, *cuts)


def _line_name(each: int, chosen: int, layers: int) -> str:
    """Short enough for the legend: of three layers or more the one at hand in full, of many it alone."""
    if layers == 1:
        return "gradient"
    if layers == 2 or each == chosen:
        return f"layer {each + 1}"
    return f"{each + 1}" if layers <= _NAMED_LAYERS else ""


def _behind(moment: Moment, layer: int, x: NDArray[np.int64]) -> list[Series]:
    gradient, full, credit = (
        moment.tensor(f"layer{layer}/{name}") for name in ("gradient", "gradient_full", "credit")
    )
    found = []
    if credit is not None and not _same(credit, full):
        found.append(Series(x, credit[: len(x)], "credit", "faint", None))
    if full is not None and not _same(full, gradient):
        several = moment.snapshot.spec.model.layers > 1
        found.append(Series(x, full[: len(x)], "full" if several else "full BPTT", "faint", layer))
    return found


def _named(reach: Reach) -> int | None:
    """The wall that is named: the one before the last loss that gets a gradient."""
    return int(reach.cutting[-1]) if reach.cutting.size else None


def _same(one: NDArray[Any], other: NDArray[Any] | None) -> bool:
    return other is not None and np.array_equal(one, other, equal_nan=True)


def _stretches(where: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


class GradientPanel(Panel):
    """The gradient along the sequence."""

    number = 2
    label = "gradient"

    def __init__(self) -> None:
        super().__init__()
        self.plot, self.legend = LinePlot(PlotData(empty=READING)), Legend()
        self.shown_layer = 0

    def compose(self) -> ComposeResult:
        """The plot, and which run is which if there are several."""
        yield self.plot
        yield self.legend

    def depends_on(self, moment: Moment) -> object:
        """The frame, those of the others, and before the first one what goes on."""
        snapshot = moment.snapshot
        waiting = (
            "" if moment.frame is not None and snapshot.probe is not None else moment.waiting_for_probe("")
        )
        others = [
            (each.place, each.name, each.moment.frame_step, each.moment.snapshot.probe is None)
            for each in moment.others
        ]
        return moment.frame_step, snapshot.probe is None, self.shown_layer, waiting, others

    def draw(self, moment: Moment) -> None:
        """Draw the curves."""
        self.plot.show(gradient_plot(moment, self.shown_layer, self.plot.palette))
        self.legend.tell(legend_of(moment, self.shown_layer), self.plot.palette, *self.content_size)
        legend = self.plot.legend()
        titles = ("Gradient at each timestep ‖∂L/∂h_t‖", "Gradient ‖∂L/∂h_t‖", "Gradient")
        title = next((each for each in titles if legend.cell_length <= self.room_beside(each)), titles[-1])
        with_scale = Content.assemble(legend, ("  log", "$muted"))
        right = with_scale if with_scale.cell_length <= self.room_beside(title) else legend
        self.head(title, right)

    def numbers(self, moment: Moment) -> str:
        """The norms at each timestep, of every layer."""
        return gradient_numbers(moment)

    def strip(self, moment: Moment, width: int) -> Content:
        """The curve, and its value at the first and the last step that has one."""
        reach, gradient = reach_of(moment), moment.tensor(f"layer{self.shown_layer}/gradient")
        frame = moment.frame
        if reach is None or gradient is None or frame is None:
            return Content(moment.waiting_for_probe("the gradient"))
        x = 1 + frame.time_stride * np.arange(len(gradient))
        steps = np.flatnonzero(reach.steps[x - 1])
        if not steps.size:
            return Content("no step gets a gradient")
        first, last = int(steps[0]), int(steps[-1])
        words = f"  step {x[first]:,} {_value(gradient[first])} · step {x[last]:,} {_value(gradient[last])}"
        if first:
            words += " · none before"
        palette = self.plot.palette
        shown = np.where(reach.steps[x - 1], gradient, 0.0)
        curve = spark(shown, max(0, width - len(words)), log=True, charset=palette.charset)
        return Content.assemble(tinted(curve, palette.line(self.shown_layer)), (words, "$muted"))


def _value(value: float) -> str:
    return number(float(value)) if value else BELOW
