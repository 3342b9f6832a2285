"""The probe sequence of a task that asks for numbers: truth, output, and the free forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from seqlab.tui.palette import MARKS
from seqlab.tui.panels import rival as rivals
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.lineplot import PlotData, Series, Wall

_BEFORE = 2
"""How many times the horizon is shown of what came before the forecast."""


def forecast_plot(moment: Moment, mark: str = MARKS[rivals.HUE]) -> PlotData:
    """What was asked for, and what the network said, at the steps that they are for: a forecast's are t + 1.

    Up to T + 1 every forecast rests on true values, after the wall on its own. Of a task that asks at some
    steps alone, these are shown, with walls where something came in, unless that is most of the time. A rival
    stands beside the network, where something runs free from there on.

    Args:
        moment: what is to be shown.
        mark: tells the rival's curve from the others.
    """
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.frame
    if probe is None or outputs is None or frame is None:
        return PlotData(empty=moment.waiting_for_probe("the probe sequence"))
    lead, length = moment.snapshot.spec.task.lead, len(probe["mask"])
    asked = np.flatnonzero(probe["mask"][:, 0] > 0)
    seen = asked[asked % frame.time_stride == 0]
    future = probe["future"][:, 0, 0] if "future" in probe else np.empty(0, np.float32)
    free = moment.tensor("forecast")
    beyond = length + np.arange(len(future))
    truth = np.concatenate([probe["targets"][asked, 0, 0], future])
    said = outputs[seen // frame.time_stride, 0]
    said_at = seen
    if free is not None:
        said, said_at = np.concatenate([said, free[:, 0]]), np.concatenate([seen, beyond])
    first = max(0, length - 1 - _BEFORE * len(future)) if len(future) else 0
    here = 1 + lead
    series = [
        Series(here + np.concatenate([asked, beyond]), truth, "truth", "faint", None),
        Series(here + said_at, said, "network", "bold"),
    ]
    if (rival := moment.snapshot.rival) is not None:
        series.insert(1, Series(here + rival.steps, rival.said, rival.label, hue=rivals.HUE, mark=mark))
    return PlotData(
        series=tuple(series),
        walls=(Wall(length + 0.5 + lead, "runs free"),) if len(future) else _events(probe["inputs"][:, 0]),
        x_limits=(float(here + first), float(max(here + 1, lead + length + len(future)))),
    )


def _events(inputs: NDArray[np.float32]) -> tuple[Wall, ...]:
    """The steps after the first at which something comes in [T, F]; none if it does at most of them."""
    steps = np.flatnonzero((inputs != 0).any(axis=1))
    return tuple(Wall(float(1 + step)) for step in steps[1:]) if 2 * len(steps) < len(inputs) else ()


def forecast_words(moment: Moment, width: int | None = None) -> Content:
    """How far off the forecast is over the eval split, beside repeating the last value, and the rival.

    Where there is no forecast, or no score of it yet: how far off the outputs on the probe sequence are.
    Of the rungs, the highest give way where `width` cells are too few.
    """
    snapshot = moment.snapshot
    found = moment.metric("eval/forecast")
    if found is None:
        first = min(snapshot.spec.training.eval_every, snapshot.status.steps)
        scored = snapshot.spec.task.forecast_horizon and not moment.over
        next_up = f" · first forecast score at step {first:,}" if scored else ""
        head = ("one step ahead, mse " if snapshot.spec.task.lead else "mse ", "$muted")
        return Content.assemble(head, number(_error(moment)), (f" on this sequence{next_up}", "$muted"))
    rungs = [rung for rung in moment.snapshot.rungs if rung.metric == "eval/forecast"]
    lead, value = "free forecast, mse ", number(found.last)
    beside = [
        f" · {rung.label} {number(rung.height)}" for rung in sorted(rungs, key=lambda rung: -rung.height)
    ]
    if (rival := snapshot.rival) is not None and rival.forecast is not None:
        beside.append(f" · {rival.label} {number(rival.forecast)}")
    while width is not None and beside and len(lead + value + "".join(beside)) > width:
        beside.pop(0)
    return Content.assemble((lead, "$muted"), value, ("".join(beside), "$muted"))


def _error(moment: Moment) -> float:
    """Mean squared error of the outputs on the probe sequence, over the steps that the frame has."""
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.frame
    if probe is None or outputs is None or frame is None:
        return float("nan")
    asked = probe["mask"][:: frame.time_stride, 0] > 0
    off = (outputs - probe["targets"][:: frame.time_stride, 0]).astype(np.float64)[asked]
    return float((off * off).mean()) if off.size else float("nan")
