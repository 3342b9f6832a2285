"""The probe sequence of a task that predicts at every step: truth, output, and the free forecast."""

from __future__ import annotations

import numpy as np
from textual.content import Content

from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.lineplot import PlotData, Series, Wall

_BEFORE = 2
"""How many times the horizon is shown of what came before the forecast."""


def forecast_plot(moment: Moment) -> PlotData:
    """What each timestep was, and what was predicted for it: at t the network predicts t + 1.

    Up to T + 1 every prediction rests on true values, after the wall on its own.
    """
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.snapshot.frame
    if probe is None or outputs is None or frame is None:
        return PlotData(empty=moment.waiting_for_probe("the probe sequence"))
    targets = probe["targets"][:, 0, 0]
    length = len(targets)
    future = probe["future"][:, 0, 0] if "future" in probe else np.empty(0, np.float32)
    free = moment.tensor("forecast")
    steps = 2 + frame.time_stride * np.arange(len(outputs))
    truth = np.concatenate([targets, future])
    said = outputs[:, 0] if free is None else np.concatenate([outputs[:, 0], free[:, 0]])
    said_at = steps if free is None else np.concatenate([steps, length + 2 + np.arange(len(free))])
    first = max(2, length + 1 - _BEFORE * len(future)) if len(future) else 2
    return PlotData(
        series=(
            Series(2 + np.arange(len(truth)), truth, "truth", "faint", None),
            Series(said_at, said, "network", "bold"),
        ),
        walls=(Wall(length + 1.5, "runs free"),) if len(future) else (),
        x_limits=(float(first), float(max(3, length + 1 + len(future)))),
    )


def forecast_words(moment: Moment) -> Content:
    """How far off the forecast is over the eval split, beside repeating the last value.

    Where there is no forecast, or no score of it yet: how far off the outputs on the probe sequence are.
    """
    snapshot = moment.snapshot
    found = snapshot.metrics.get("eval/forecast")
    if found is None or not len(found):
        first = min(snapshot.spec.training.eval_every, snapshot.status.steps)
        scored = snapshot.spec.task.forecast_horizon and not moment.over
        next_up = f" · first forecast score at step {first:,}" if scored else ""
        head = ("one step ahead, mse ", "$muted")
        return Content.assemble(head, number(_error(moment)), (f" on this sequence{next_up}", "$muted"))
    rungs = [rung for rung in moment.snapshot.rungs if rung.metric == "eval/forecast"]
    beside = "".join(f" · {rung.label} {number(rung.value)}" for rung in rungs)
    return Content.assemble(("free forecast, mse ", "$muted"), number(found.last), (beside, "$muted"))


def _error(moment: Moment) -> float:
    """Mean squared error of the outputs on the probe sequence, over the steps that the frame has."""
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.snapshot.frame
    if probe is None or outputs is None or frame is None:
        return float("nan")
    asked = probe["mask"][:: frame.time_stride, 0] > 0
    off = (outputs - probe["targets"][:: frame.time_stride, 0]).astype(np.float64)[asked]
    return float((off * off).mean()) if off.size else float("nan")
