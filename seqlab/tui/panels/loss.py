"""Panel 1: the loss against the rungs of the task."""

from __future__ import annotations

import numpy as np
from textual.app import ComposeResult
from textual.content import Content

from seqlab.runs.metrics import Series as Metric
from seqlab.runs.reader import RungValue, Snapshot
from seqlab.settings import key_hint
from seqlab.tui.panels.base import READING, Panel, tinted
from seqlab.tui.panels.marks import marks_of
from seqlab.tui.panels.moment import Moment, Other
from seqlab.tui.panels.numbers import loss_numbers
from seqlab.tui.panels.others import Entry, Legend, lettered, not_comparable
from seqlab.tui.panels.rival import rival_level
from seqlab.tui.widgets.axes import Limits, number, rounds_around
from seqlab.tui.widgets.lineplot import Level, LinePlot, PlotData, Series
from seqlab.tui.widgets.spark import spark

LOSS = "eval/loss"
_TRAIN = "train/loss"
_LEAST_STEPS = 20


def loss_plot(moment: Moment, log: bool) -> PlotData:
    """Train faint, eval bold, the rungs across, the rival if there is one, and marks where it was steered.

    The x axis holds `sight_of` steps, so that a curve grows in a picture that stands still. Who has gone back
    sees the whole of it, with the cursor at the step that the other panels show. Other runs have a line each,
    as far as their loss is measured in the same way.
    """
    snapshot = moment.snapshot
    behind, front, among = list[Series](), list[Series](), list[Series]()
    steps = [(moment.step, snapshot.status.steps)]
    for metric, label, role in ((_TRAIN, "train", "faint"), (LOSS, "eval", "bold")):
        own = snapshot.metrics.get(metric)
        if own is not None and len(own):
            curve = Series(own.steps, own.values, label, role)  # type: ignore[arg-type]
            if moment.others and metric == _own_metric(snapshot):
                front += lettered([curve], 0)
            else:
                behind.append(curve)
    for other, _, found in _beside(moment):
        among[:0] = lettered([Series(found.steps, found.values)], other.place)
        steps.append((other.moment.step, other.moment.snapshot.status.steps))
    series = [*behind, *among, *front]
    levels = [Level(rung.height, rung.label) for rung in rungs_of(snapshot)] if series else []
    if series and snapshot.rival is not None:
        levels.append(rival_level(snapshot.rival))
    return PlotData(
        series=tuple(series),
        levels=tuple(levels),
        marks=marks_of(moment) if series else (),
        cursor=None if moment.chosen is None else float(moment.at),
        y_limits=_log_limits(series, levels) if log else None,
        x_limits=(0.0, float(sight_of(*map(max, zip(*steps, strict=True))))),
        log=log,
        empty=moment.waiting_for("the first loss"),
    )


def sight_of(step: int, steps: int) -> int:
    """How many steps the x axis holds: all of them, halved as long as the curve still fits."""
    sight = max(1, steps)
    while sight > _LEAST_STEPS and -(-sight // 2) >= step:
        sight = -(-sight // 2)
    return max(sight, step, 1)


def legend_of(moment: Moment) -> list[Entry]:
    """Which run is which, with their losses at the cursor if there is one; none where one run is alone."""
    if not moment.others:
        return []
    drawn = {other.place: (metric, found) for other, metric, found in _beside(moment)}
    entries = [Entry(0, f" {moment.name}")]
    for other in moment.others:
        apart = not_comparable(moment.snapshot.spec, other.moment.snapshot.spec)
        if other.place in drawn:
            metric, found = drawn[other.place]
            more = " train" if metric == _TRAIN else ""
            if moment.chosen is not None and np.isfinite(value := found.at(moment.at)):
                more += f" {number(value)}"
            entries.append(Entry(other.place, f" {other.name}", more))
        else:
            more = ", not shown" if apart else ": no loss yet"
            entries.append(Entry(other.place, f": {apart}" if apart else f" {other.name}", more, False))
    return entries


def _beside(moment: Moment) -> list[tuple[Other, str, Metric]]:
    """The others that can be drawn, each with its metric and that metric's name."""
    found = []
    for other in moment.others:
        snapshot = other.moment.snapshot
        metric = _own_metric(snapshot)
        if metric and not not_comparable(moment.snapshot.spec, snapshot.spec):
            found.append((other, metric, snapshot.metrics[metric]))
    return found


def _own_metric(snapshot: Snapshot) -> str:
    """The loss by which a run stands beside others: on the eval split, else on batches; "" before either."""
    return next((name for name in (LOSS, _TRAIN) if len(snapshot.metrics.get(name, ()))), "")


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
    round_ones = rounds_around(low, high)
    below = max((each for each in round_ones if each <= low * (1 + 1e-9)), default=low)
    return below, min((each for each in round_ones if each > high), default=high)


class LossPanel(Panel):
    """The loss over the steps."""

    number = 1
    label = "loss"

    def __init__(self) -> None:
        super().__init__()
        self.plot, self.legend = LinePlot(PlotData(empty=READING)), Legend()
        self.logarithmic = True

    def compose(self) -> ComposeResult:
        """The plot, and which run is which if there are several."""
        yield self.plot
        yield self.legend

    def depends_on(self, moment: Moment) -> object:
        """Rows, rungs, the rival, marks, the cursor, the others, and before the first row what goes on."""
        snapshot = moment.snapshot
        waiting = "" if snapshot.rows else moment.waiting_for("")
        levels = snapshot.rungs, snapshot.rival
        cursor = None if moment.chosen is None else moment.at
        ends = moment.step, snapshot.status.steps
        others = [(each.place, each.name, each.moment.snapshot.rows) for each in moment.others]
        return snapshot.rows, ends, levels, marks_of(moment), cursor, self.logarithmic, waiting, others

    def draw(self, moment: Moment) -> None:
        """Draw the curves."""
        loss = moment.snapshot.spec.loss
        self.plot.show(loss_plot(moment, self.logarithmic))
        self.legend.tell(legend_of(moment), self.plot.palette, *self.content_size)
        hint = key_hint(self.app, "lab.log", "y")
        scale = Content.assemble(("log" if self.logarithmic else "linear", "$muted"), (f" {hint}", "$accent"))
        legend = self.plot.legend()
        right = Content(" · ").join([legend, scale]) if legend.cell_length else scale
        titles = (f"Loss ({loss.label}, {loss.unit})", f"Loss ({loss.label})", "Loss")
        fitting = (title for title in titles if right.cell_length <= self.room_beside(title))
        title = next(fitting, titles[-1])
        self.head(title, right if right.cell_length <= self.room_beside(title) else legend)

    def numbers(self, moment: Moment) -> str:
        """Every metric at every logged step."""
        return loss_numbers(moment)

    def strip(self, moment: Moment, width: int) -> Content:
        """The curve, the newest eval loss and the rung above it; until there is one the train loss."""
        train, found = moment.metric("train/loss"), moment.metric(LOSS)
        if train is None:
            return Content(moment.waiting_for("the first loss"))
        value, beside = f"  train {number(train.last)}", ""
        if found is not None:
            value = f"  eval {number(found.last)}"
            rungs = [rung for rung in rungs_of(moment.snapshot) if rung.height > found.last]
            beside = f"  below {rungs[-1].label} {number(rungs[-1].height)}" if rungs else ""
        palette = self.plot.palette
        room = max(0, width - len(value) - len(beside))
        curve = spark(train.values, room, log=self.logarithmic, charset=palette.charset)
        return Content.assemble(tinted(curve, palette.line(0)), value, (beside, "$muted"))
