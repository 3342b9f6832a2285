"""Panel 1: the loss against the rungs of the task."""

from __future__ import annotations

import math

import numpy as np
from textual.app import ComposeResult
from textual.content import Content

from seqlab.runs.reader import RungValue, Snapshot
from seqlab.tui.panels.base import READING, Panel, tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.rival import rival_level
from seqlab.tui.widgets.axes import Limits, number
from seqlab.tui.widgets.lineplot import Level, LinePlot, PlotData, Series
from seqlab.tui.widgets.spark import spark

LOSS = "eval/loss"
_LEAST_STEPS = 20


def loss_plot(moment: Moment, log: bool) -> PlotData:
    """Train faint, eval bold, the rungs across, and the rival if there is one.

    The x axis holds `sight_of` steps, so that a curve grows in a picture that stands still.
    """
    snapshot = moment.snapshot
    series = []
    for metric, label, role in (("train/loss", "train", "faint"), (LOSS, "eval", "bold")):
        found = snapshot.metrics.get(metric)
        if found is not None and len(found):
            series.append(Series(found.steps, found.values, label, role))  # type: ignore[arg-type]
    levels = [Level(rung.height, rung.label) for rung in rungs_of(snapshot)] if series else []
    if series and snapshot.rival is not None:
        levels.append(rival_level(snapshot.rival))
    return PlotData(
        series=tuple(series),
        levels=tuple(levels),
        y_limits=_log_limits(series, levels) if log else None,
        x_limits=(0.0, float(sight_of(moment.step, snapshot.status.steps))),
        log=log,
        empty=moment.waiting_for("the first loss"),
    )


def sight_of(step: int, steps: int) -> int:
    """How many steps the x axis holds: all of them, halved as long as the curve still fits."""
    sight = max(1, steps)
    while sight > _LEAST_STEPS and -(-sight // 2) >= step:
        sight = -(-sight // 2)
    return max(sight, step, 1)


def rungs_of(snapshot: Snapshot) -> tuple[RungValue, ...]:
    """The rungs of the loss, highest first."""
    rungs = (rung for rung in snapshot.rungs if rung.metric == LOSS)
    return tuple(sorted(rungs, key=lambda rung: -rung.height))


def _log_limits(series: list[Series], levels: list[Level]) -> Limits | None:
    """Limits at 1, 2 or 5 × 10^n around curves and levels: whole decades would leave half a plot empty."""
    found = [np.asarray(each.y, np.float64) for each in series]
    values = np.concatenate([*found, np.array([level.value for level in levels])]) if found else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high)) + 1
    round_ones = [base * 10.0**power for power in range(first, last + 1) for base in (1, 2, 5)]
    below = max((each for each in round_ones if each <= low * (1 + 1e-9)), default=low)
    return below, min(each for each in round_ones if each > high)


class LossPanel(Panel):
    """The loss over the steps."""

    number = 1
    label = "loss"

    def __init__(self) -> None:
        super().__init__()
        self.plot = LinePlot(PlotData(empty=READING))
        self.logarithmic = True

    def compose(self) -> ComposeResult:
        """The plot."""
        yield self.plot

    def depends_on(self, moment: Moment) -> object:
        """Rows, rungs, the rival, and before the first row what goes on."""
        snapshot = moment.snapshot
        waiting = "" if snapshot.rows else moment.waiting_for("")
        levels = snapshot.rungs, snapshot.rival
        return snapshot.rows, moment.step, levels, snapshot.status.steps, self.logarithmic, waiting

    def draw(self, moment: Moment) -> None:
        """Draw the curves."""
        loss = moment.snapshot.spec.loss
        self.plot.show(loss_plot(moment, self.logarithmic))
        scale = Content.assemble(("log" if self.logarithmic else "linear", "$muted"), (" ‹y›", "$accent"))
        legend = self.plot.legend()
        right = Content(" · ").join([legend, scale]) if legend.cell_length else scale
        title = f"Loss ({loss.label}, {loss.unit})"
        fits = right.cell_length <= self.room_beside(title)
        self.head(title if fits else f"Loss ({loss.label})", right)

    def strip(self, moment: Moment, width: int) -> Content:
        """The curve, the newest eval loss and the rung above it; until there is one the train loss."""
        train, found = (moment.snapshot.metrics.get(metric) for metric in ("train/loss", LOSS))
        if train is None or not len(train):
            return Content(moment.waiting_for("the first loss"))
        value, beside = f"  train {number(train.last)}", ""
        if found is not None and len(found):
            value = f"  eval {number(found.last)}"
            rungs = [rung for rung in rungs_of(moment.snapshot) if rung.height > found.last]
            beside = f"  below {rungs[-1].label} {number(rungs[-1].height)}" if rungs else ""
        palette = self.plot.palette
        room = max(0, width - len(value) - len(beside))
        curve = spark(train.values, room, log=self.logarithmic, charset=palette.charset)
        return Content.assemble(tinted(curve, palette.line(0)), value, (beside, "$muted"))
