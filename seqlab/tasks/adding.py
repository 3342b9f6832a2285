"""Adding: remember two marked numbers and give their sum at the end.

Hochreiter & Schmidhuber (1997), experiment 4, in the variant of Arjovsky et al. (2016, "urnn"): values
U[0,1], one marker in each half of the sequence, target the plain sum at the last step.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.tasks.base import Batch, Memory, Rung, Task, uniform

TOLERANCE = 0.04
"""An answer counts as right within this error (Hochreiter & Schmidhuber 1997)."""


class Adding(Task):
    """Two channels, values and markers; the target is the sum of the two marked values at the last step."""

    summary: ClassVar[str] = "many-to-one: the sum of two marked numbers"
    rank: ClassVar[int] = 1
    loss: ClassVar[str] = "mse"

    name: Literal["adding"] = "adding"
    length: int = Field(
        100, ge=2, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )

    @property
    def timesteps(self) -> int:
        """T = length."""
        return self.length

    @property
    def features(self) -> int:
        """Value and marker."""
        return 2

    @property
    def outputs(self) -> int:
        """The sum."""
        return 1

    def loss_steps(self) -> NDArray[np.int64]:
        """The last step alone."""
        return np.array([self.length - 1])

    def memory(self) -> Memory:
        """The first marked value, which stands in the first half."""
        return Memory("the first marker", told=self.length // 2, answered=self.length)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw values, and one marker in each half (the first in steps 1..⌊T/2⌋)."""
        length, half = self.length, self.length // 2
        inputs = np.zeros((count, length, size, 2), np.float32)
        inputs[..., 0] = uniform(rng, count, length, size)
        batch, row = np.ogrid[:count, :size]
        first = rng.integers(0, half, (count, size))
        second = rng.integers(half, length, (count, size))
        inputs[batch, first, row, 1] = 1
        inputs[batch, second, row, 1] = 1
        targets = np.zeros((count, length, size, 1), np.float32)
        targets[:, -1, :, 0] = inputs[batch, first, row, 0] + inputs[batch, second, row, 0]
        mask = np.zeros((length, size), np.float32)
        mask[-1] = 1
        return [
            Batch(inputs[n], targets[n], mask, known={"first": first[n], "second": second[n]})
            for n in range(count)
        ]

    def rungs(self) -> tuple[Rung, ...]:
        """Var(U1+U2) = 1/6; with one value known Var(U) = 1/12; both known, 0."""
        return (
            Rung("constant", "constant 1", 1 / 6),
            Rung("one", "one marker", 1 / 12),
            Rung("exact", "exact", 0.0),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Always 1; the second marked value plus the mean of the first; the sum itself."""
        constant = np.ones(batch.targets.shape)
        rows = np.arange(batch.inputs.shape[1])
        one = np.zeros(batch.targets.shape)
        one[-1, :, 0] = 0.5 + batch.inputs[batch.known["second"], rows, 0]
        exact = batch.targets.astype(np.float64)
        return {("eval/loss", "constant"): constant, ("eval/loss", "one"): one, ("eval/loss", "exact"): exact}

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Right means an error below 0.04 at the last step."""
        asked = mask > 0
        right = np.abs(outputs[..., 0] - targets[..., 0])[asked] < TOLERANCE
        return int(right.sum()), int(asked.sum())
