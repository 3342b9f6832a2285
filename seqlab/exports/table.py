"""Metrics as comma-separated values: a column each, a row for each logged step."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from seqlab.exports.base import Export, Format, Outputs, place
from seqlab.runs.layout import RunError

if TYPE_CHECKING:
    from seqlab.runs.run import Run

_COUNTS = {"sequences", "train/clipped"}
_FIRST = ("wall", "sequences")


class CSV(Format):
    """A table for spreadsheets, pandas, R."""

    summary: ClassVar[str] = "every metric as a column, a row for each logged step"
    rank: ClassVar[int] = 3
    of_a_step: ClassVar[bool] = False

    to: Literal["csv"] = "csv"

    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """One row a step; a metric that was not due leaves its cell empty."""
        content = table(run)
        rows = content.count(b"\n") - 1
        return Export({place(run, out, ".csv"): content}, (f"rows: {rows:,}",))


def table(run: Run) -> bytes:
    """The metrics of a run.

    Numbers are as in the run, in the fewest digits that give them back; what is not finite is written as NaN,
    Infinity or -Infinity.

    Raises:
        RunError: there are none yet.
    """
    series = run.metrics
    if not series:
        raise RunError(f"{run.path}: has no metrics yet")
    known = run.spec.metrics()
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
    return text.getvalue().encode()


def _text(value: float, *, count: bool) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if count else repr(value)
