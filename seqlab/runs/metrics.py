"""metrics.jsonl as columns: each metric's steps and values, growing as the file grows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs import files, layout
from seqlab.runs.layout import NewerFormatError
from seqlab.runs.tail import Tail


@dataclass(frozen=True)
class Series:
    """One metric of a run, at the rows that have it. The arrays are read-only.

    Attributes:
        steps: int64 [n], rising.
        values: float64 [n].
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def last(self) -> float:
        """The latest value; NaN if there is none."""
        return float(self.values[-1]) if len(self.values) else math.nan

    def at(self, step: int) -> float:
        """The value at `step`, or the latest one before it; NaN if there is none."""
        place = int(np.searchsorted(self.steps, step, side="right"))
        return float(self.values[place - 1]) if place else math.nan


class MetricsFile:
    """Follows metrics.jsonl.

    Rows that a resume has superseded are dropped. A line that is not a row (torn, damaged, or of a step that
    is not beyond the one before) is skipped and counted.
    """

    def __init__(self, path: Path):
        self._tail = Tail(path)
        self._series: dict[str, Series] | None = None
        self._begun = False  # with the first line, which names the format
        self._newer = ""
        self._clear()

    @property
    def rows(self) -> int:
        """How many rows count."""
        return self._rows.size

    @property
    def skipped(self) -> int:
        """How many lines are no rows, a torn last one included."""
        return self._skipped + self._tail.skipped + self._tail.torn

    @property
    def behind(self) -> bool:
        """Whether the last poll left something unread."""
        return self._tail.behind

    def poll(self, whole: bool = True) -> bool:
        """Read what has come; True if anything changed.

        Args:
            whole: read all of it, not only as much as a `Tail` takes at once.

        Raises:
            NewerFormatError: a newer format.
            OSError: the file cannot be read; a missing one is empty.
        """
        changed = self._poll()
        while whole and self.behind:
            changed = self._poll() or changed
        return changed

    def _poll(self) -> bool:
        restarts = self._tail.restarts
        lines = self._tail.poll()
        restarted = self._tail.restarts != restarts
        if restarted:
            self._clear()
        if self._newer:
            raise NewerFormatError(self._newer)
        if not lines:
            return restarted
        if not self._begun:
            self._begun = True
            lines = self._without_header(lines)
        self._read(lines)
        self._series = None
        return True

    def series(self) -> dict[str, Series]:
        """Every metric by name, also `wall` and `sequences`."""
        if self._series is None:
            self._series = {name: column.view() for name, column in self._columns.items() if column.size}
        return self._series

    def best(self) -> dict[str, float] | None:
        """`{"step": n, "eval/loss": x}` of the lowest eval/loss (the first of equals), or None."""
        losses = self.series().get("eval/loss")
        if losses is None or not np.isfinite(losses.values).any():
            return None
        place = int(np.argmin(np.where(np.isfinite(losses.values), losses.values, np.inf)))
        return {"step": int(losses.steps[place]), "eval/loss": float(losses.values[place])}

    def drop_after(self, step: int) -> None:
        """Drop the rows of later steps."""
        self._rows.drop_after(step)
        for column in self._columns.values():
            column.drop_after(step)
        self._series = None

    def _clear(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._rows = _Column()
        self._skipped = 0
        self._series = None
        self._begun, self._newer = False, ""

    def _without_header(self, lines: list[bytes]) -> list[bytes]:
        """All but a format line at the start; one that is damaged is skipped like any other."""
        try:
            layout.check_format(files.decode_row(lines[0]).get("format"), str(self._tail.path))
        except ValueError:
            return lines
        except NewerFormatError as error:
            self._newer = str(error)
            raise
        return lines[1:]

    def _read(self, lines: Iterable[bytes]) -> None:
        fresh: dict[str, tuple[list[int], list[float]]] = {}
        steps: list[int] = []
        last = self._rows.last_step
        for line in lines:
            row = _parsed(line)
            if row is None:
                self._skipped += 1
            elif "resumed" in row:
                self._extend(steps, fresh)
                self.drop_after(int(row["resumed"]))
                steps, fresh, last = [], {}, self._rows.last_step
            elif row["step"] <= last:
                self._skipped += 1
            else:
                last = int(row.pop("step"))
                steps.append(last)
                for name, value in row.items():
                    column = fresh.setdefault(name, ([], []))
                    column[0].append(last)
                    column[1].append(value)
        self._extend(steps, fresh)

    def _extend(self, steps: list[int], fresh: dict[str, tuple[list[int], list[float]]]) -> None:
        self._rows.extend(steps, [0.0] * len(steps))
        for name, (column_steps, values) in fresh.items():
            self._columns.setdefault(name, _Column()).extend(column_steps, values)


class _Column:
    """Steps and values in arrays that grow by doubling; views given out never change."""

    def __init__(self) -> None:
        self.size = 0
        self._steps = np.empty(0, np.int64)
        self._values = np.empty(0, np.float64)

    @property
    def last_step(self) -> int:
        return int(self._steps[self.size - 1]) if self.size else -1

    def extend(self, steps: list[int], values: list[float]) -> None:
        needed = self.size + len(steps)
        if needed > len(self._steps):
            self._move_to(max(needed, 2 * self.size))
        self._steps[self.size : needed] = steps
        self._values[self.size : needed] = values
        self.size = needed

    def drop_after(self, step: int) -> None:
        size = int(np.searchsorted(self._steps[: self.size], step, side="right"))
        if size < self.size:
            self.size = size
            self._move_to(size)  # what views show of the dropped rows must not be overwritten

    def view(self) -> Series:
        steps, values = self._steps[: self.size], self._values[: self.size]
        steps.flags.writeable = values.flags.writeable = False
        return Series(steps, values)

    def _move_to(self, capacity: int) -> None:
        steps, values = np.empty(capacity, np.int64), np.empty(capacity, np.float64)
        steps[: self.size], values[: self.size] = self._steps[: self.size], self._values[: self.size]
        self._steps, self._values = steps, values


def _parsed(line: bytes) -> dict[str, Any] | None:
    """`{"step", …}` or `{"resumed"}` with numbers that fit, else None."""
    try:
        row: dict[str, Any] = json.loads(line)
        key = "resumed" if "resumed" in row else "step"
        step = row.pop(key)
        if type(step) is not int or not 0 <= step < 2**62:
            return None
        for name, value in row.items():
            if type(value) is not float:
                row[name] = files.number(value)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    row[key] = step
    return row
