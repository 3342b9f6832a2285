"""Early stopping: how long a metric has not improved, and which step was the best.

Two things are kept apart. The best value is the best of all. Patience is counted from the last value that
was better by more than `min_delta` than the one it was counted from before, so that a slow creep does not
pass for progress.

All of it goes into the metadata of every checkpoint, so that a run that goes on from one decides as it would
have without a stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seqlab.spec.schema import Stop


class Stopping:
    """Follows a metric from evaluation to evaluation.

    Args:
        stop: what the spec says.
        saved: what `state` said when the run was left, if it goes on.

    Attributes:
        best_step: the step with the best value so far, or None.
        waited: how many evaluations have brought no improvement since the last one.
    """

    def __init__(self, stop: Stop, saved: Mapping[str, Any] | None = None) -> None:
        saved = saved or {}
        self._stop = stop
        self._best = saved.get("best")
        self._mark = saved.get("mark")
        self.best_step: int | None = saved.get("best_step")
        self.waited = int(saved.get("waited", 0))

    @property
    def metric(self) -> str:
        """What is followed; empty for nothing."""
        return self._stop.metric

    @property
    def struck(self) -> bool:
        """Whether the run is to end."""
        return bool(self.metric) and self.waited >= self._stop.patience

    def look(self, step: int, value: float) -> bool:
        """Take in an evaluation; True if it is the best so far. What is not a number never is.

        Args:
            step: after which it was made.
            value: of the metric.
        """
        self.waited += 1
        if self._better(value, self._mark, self._stop.min_delta):
            self._mark, self.waited = value, 0
        if not self._better(value, self._best, 0.0):
            return False
        self._best, self.best_step = value, step
        return True

    def renew(self) -> None:
        """Wait anew: somebody wants the run to go on."""
        self.waited = 0

    def state(self) -> dict[str, Any]:
        """What another one can start from."""
        return {"best": self._best, "best_step": self.best_step, "mark": self._mark, "waited": self.waited}

    def in_words(self, step: int) -> str:
        """Why the run ended: what has not improved, and for how long."""
        enough = f" by more than {self._stop.min_delta:g}" if self._stop.min_delta else ""
        times = "1 evaluation" if self.waited == 1 else f"{self.waited:,} evaluations"
        return f"stopped early at step {step:,}: {self.metric} has not improved{enough} for {times}"

    def _better(self, value: float, than: float | None, by: float) -> bool:
        if not math.isfinite(value):
            return False
        return than is None or (value - than > by if self._stop.upwards else than - value > by)
