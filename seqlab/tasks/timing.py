"""Timing: spikes come at random intervals; say at each spike how long ago the last one was.

After the measuring of spike delays of Gers & Schmidhuber (2000) and Gers, Schraudolph & Schmidhuber (2002),
for which they gave the LSTM its peepholes. Between two spikes nothing comes in: a network has to count.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.tasks.base import Batch, Memory, Rung, Task


class Timing(Task):
    """A spike at the first step and after each interval; the target is the interval that has just ended.

    It is 0 for the shortest interval, 1 for the longest, and is asked for at each spike but the first.
    """

    summary: ClassVar[str] = "many-to-many: time since the last spike"
    rank: ClassVar[int] = 7
    loss: ClassVar[str] = "mse"

    name: Literal["timing"] = "timing"
    shortest: int = Field(
        10,
        ge=1,
        le=1_000,
        description="shortest interval between two spikes",
        json_schema_extra={"unit": "timesteps"},
    )
    longest: int = Field(
        20, ge=2, le=1_000, description="longest interval", json_schema_extra={"unit": "timesteps"}
    )
    intervals: int = Field(4, ge=1, le=100, description="how many in a sequence, which has room for all")

    @model_validator(mode="after")
    def _intervals_ascend(self) -> Self:
        if self.shortest >= self.longest:
            raise ValueError(f"shortest: {self.shortest} should be less than longest = {self.longest}")
        return self

    @property
    def timesteps(self) -> int:
        """T = 1 + intervals · longest; after the last spike it is quiet."""
        return 1 + self.intervals * self.longest

    @property
    def features(self) -> int:
        """Spike or none."""
        return 1

    @property
    def outputs(self) -> int:
        """The interval."""
        return 1

    def loss_steps(self) -> NDArray[np.int64]:
        """Where the spike after n intervals can be: n · shortest to n · longest steps after the first."""
        after = np.arange(1, self.timesteps)
        return after[-(-after // self.longest) <= after // self.shortest]

    def memory(self) -> Memory:
        """When the first spike was."""
        return Memory("the first spike", told=1, answered=1 + self.shortest)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw the intervals, each length with the same probability."""
        intervals = rng.integers(self.shortest, self.longest + 1, (count, self.intervals, size))
        spikes = np.cumsum(intervals, axis=1)
        batch, _, row = np.ogrid[:count, :1, :size]
        mask = np.zeros((count, self.timesteps, size), np.float32)
        mask[batch, spikes, row] = 1
        inputs = mask[..., None].copy()
        inputs[:, 0] = 1
        targets = np.zeros_like(inputs)
        targets[batch, spikes, row, 0] = (intervals - self.shortest) / (self.longest - self.shortest)
        return [Batch(inputs[n], targets[n], mask[n]) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """The variance (n² - 1)/12 of n equally probable lengths; the same within each half of them."""
        lengths = self.longest - self.shortest + 1
        unit = (lengths - 1) ** 2
        halves = (lengths // 2, lengths - lengths // 2)
        within = sum(half * (half**2 - 1) / 12 for half in halves) / lengths
        return (
            Rung("mean", "mean interval", (lengths**2 - 1) / 12 / unit),
            Rung("half", "short or long", within / unit),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """The mean of all lengths; the mean of those that are as short or as long."""
        most = self.longest - self.shortest
        half = (most + 1) // 2
        short, long = (half - 1) / (2 * most), (half + most) / (2 * most)
        targets = batch.targets
        return {
            ("eval/loss", "mean"): np.full(targets.shape, 0.5),
            ("eval/loss", "half"): np.where(np.rint(targets * most) < half, short, long),
        }

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Right means nearer to the interval than to any other."""
        asked = mask > 0
        off = np.abs(outputs[..., 0] - targets[..., 0])[asked]
        return int((off < 0.5 / (self.longest - self.shortest)).sum()), int(asked.sum())
