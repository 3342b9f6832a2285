"""Metrics as comma-separated values: a column each, a line for each logged step."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping

import numpy as np

from seqlab.runs.metrics import Series

_COUNTS = {"sequences", "train/clipped"}
_FIRST = ("wall", "sequences")


def csv_of(series: Mapping[str, Series], known: Iterable[str]) -> str:
    """The metrics of a run.

    Numbers are as in the run, in the fewest digits that give them back; what is not finite is written as NaN,
    Infinity or -Infinity. A metric that was not due leaves its cell empty.

    Args:
        series: each metric by name; at least one.
        known: names in the order of their columns; others come after them.
    """
    order = [*_FIRST, *known]
    names = sorted(series, key=lambda name: (order.index(name) if name in order else len(order), name))
    steps = np.unique(np.concatenate([series[name].steps for name in names]))
    columns = []
    for name in names:
        column = [""] * len(steps)
        places = np.searchsorted(steps, series[name].steps)
        for place_, value in zip(places.tolist(), series[name].values.tolist(), strict=True):
            column[place_] = _text(value, count=name in _COUNTS)
        columns.append(column)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *names])
    writer.writerows(zip(steps.tolist(), *columns, strict=True))
    return text.getvalue()


def _text(value: float, *, count: bool) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if count else repr(value)
