"""Metrics as comma-separated values: a column each, a row for each logged step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from seqlab.exports.base import Export, Format, Outputs, place
from seqlab.runs.layout import RunError
from seqlab.runs.values import csv_of

if TYPE_CHECKING:
    from seqlab.runs.run import Run


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
    """The metrics of a run; see `csv_of`.

    Raises:
        RunError: there are none yet.
    """
    series = run.metrics
    if not series:
        raise RunError(f"{run.path}: has no metrics yet")
    return csv_of(series, run.spec.metrics()).encode()
