"""Panel 2: how large the gradient is at each timestep, and where it ends.

In front the gradient under the run's truncation, a line per layer. Behind it, faint and for the layer at
hand alone: what full backpropagation would send, and the credit of the last loss by itself. What equals the
line in front is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.content import Content

from seqlab.runs.reader import Snapshot
from seqlab.spec.credit import reached, walls
from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import READING, Panel, tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.axes import number, sequence_ticks
from seqlab.tui.widgets.lineplot import LinePlot, PlotData, Series, Span, Wall
from seqlab.tui.widgets.spark import spark

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


def reach_of(snapshot: Snapshot) -> Reach | None:
    """How far a gradient reaches under the truncation of the newest frame; None before the probe is known."""
    if snapshot.probe is None:
        return None
    mask = snapshot.probe["mask"]
    length = len(mask)
    truncation = snapshot.spec.training.cut
    if snapshot.frame is not None:
        kept = snapshot.frame.metadata.get("truncation", truncation)
        truncation = (int(kept[0]), int(kept[1])) if isinstance(kept, list | tuple) else int(kept)
    losses = np.flatnonzero((mask > 0).any(axis=1))
    # Padding behind the longest sequence gets none in any direction.
    longest = int(snapshot.probe["lengths"].max()) if "lengths" in snapshot.probe else length
    steps = np.zeros(length, np.bool_)
    steps[:longest] = reached(longest, truncation, losses, passes=snapshot.spec.model.passes)
    return Reach(length, steps, walls(length, truncation), int(losses[-1]) + 1 if losses.size else 0)


def gradient_plot(moment: Moment, layer: int, palette: Palette) -> PlotData:
    """The plot for layer number `layer` (from 0) at hand."""
    reach = reach_of(moment.snapshot)
    frame = moment.snapshot.frame
    if reach is None or frame is None or moment.tensor("layer0/gradient") is None:
        return PlotData(empty=moment.waiting_for_probe("the gradient"))
    layers = moment.snapshot.spec.model.layers
    x = 1 + frame.time_stride * np.arange(len(frame.tensors["layer0/gradient"]))
    steps = reach.steps[x - 1]
    until = int(np.searchsorted(x, reach.end, "right"))
    behind, front, zeros = _behind(moment, layer, x[:until]), [], np.zeros(len(x), np.bool_)
    for each in range(layers):
        gradient = moment.tensor(f"layer{each}/gradient")
        if gradient is None:
            continue
        zeros |= steps & (gradient == 0)
        mark = palette.mark(each) if layers > 1 else ""
        name = _line_name(each, layer, layers)
        for start, stop in _stretches(steps):
            front.append(
                Series(
                    x[start:stop],
                    gradient[start:stop],
                    name,
                    "bold" if each == layer else "plain",
                    each,
                    mark,
                )
            )
            name = ""
    dead = [
        Span(float(x[a]), float(x[b - 1]), "no gradient" if x[a] <= reach.last else "no loss follows")
        for a, b in _stretches(~steps)
    ]
    below = [Span(float(x[a]), float(x[b - 1]), BELOW, hatched=False) for a, b in _stretches(zeros)]
    return PlotData(
        series=(*behind, *front),
        walls=_walls(reach, moment.snapshot.spec.task.encoder_steps),
        spans=(*dead, *below),
        x_limits=(1.0, float(max(2, reach.timesteps))),
        x_ticks=sequence_ticks(reach.timesteps),
        log=True,
    )


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
        self.plot = LinePlot(PlotData(empty=READING))
        self.shown_layer = 0

    def compose(self) -> ComposeResult:
        """The plot."""
        yield self.plot

    def depends_on(self, moment: Moment) -> object:
        """The frame, and before the first one what goes on."""
        snapshot = moment.snapshot
        waiting = (
            "" if snapshot.frame is not None and snapshot.probe is not None else moment.waiting_for_probe("")
        )
        return moment.frame_step, snapshot.probe is None, self.shown_layer, waiting

    def draw(self, moment: Moment) -> None:
        """Draw the curves."""
        self.plot.show(gradient_plot(moment, self.shown_layer, self.plot.palette))
        legend = self.plot.legend()
        titles = ("Gradient at each timestep ‖∂L/∂h_t‖", "Gradient ‖∂L/∂h_t‖", "Gradient")
        title = next((each for each in titles if legend.cell_length <= self.room_beside(each)), titles[-1])
        with_scale = Content.assemble(legend, ("  log", "$muted"))
        right = with_scale if with_scale.cell_length <= self.room_beside(title) else legend
        self.head(title, right)

    def strip(self, moment: Moment, width: int) -> Content:
        """The curve, and its value at the first and the last step that has one."""
        reach, gradient = reach_of(moment.snapshot), moment.tensor(f"layer{self.shown_layer}/gradient")
        frame = moment.snapshot.frame
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
