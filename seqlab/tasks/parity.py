"""Parity: at every step, whether the ones so far are odd in number.

The smallest task for which one bit has to be kept for ever and turned over exactly: who forgets any of the
bits, or miscounts one, knows nothing. A network with two units can do it (Minsky 1967 gives the machine with
two states); gradients find it hard as sequences get longer, as all parts of the answer look alike (Bengio et
al. 1994).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.tasks.base import Batch, Memory, Rung, Signs, Task


class Parity(Task):
    """Bits in, one-hot; the parity of all of them so far out, as the logit of a bit."""

    summary: ClassVar[str] = "many-to-many: whether the ones so far are odd"
    rank: ClassVar[int] = 9
    loss: ClassVar[str] = "binary_cross_entropy"

    name: Literal["parity"] = "parity"
    length: int = Field(
        12, ge=1, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )

    @property
    def timesteps(self) -> int:
        """T = length."""
        return self.length

    @property
    def features(self) -> int:
        """One-hot: 0 or 1."""
        return 2

    @property
    def outputs(self) -> int:
        """The logit that they are odd."""
        return 1

    def loss_steps(self) -> NDArray[np.int64]:
        """Every step."""
        return np.arange(self.length)

    def signs(self) -> Signs:
        """0 and 1."""
        return Signs(("0", "1"), ("0", "1"))

    def memory(self) -> Memory:
        """The first bit, for ever."""
        return Memory("the first bit", told=1, answered=1)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw the bits."""
        bits = rng.integers(0, 2, (count, self.length, size))
        inputs = np.eye(2, dtype=np.float32)[bits]
        odd = (np.cumsum(bits, axis=1) % 2).astype(np.float32)[..., None]
        mask = np.ones((self.length, size), np.float32)
        return [Batch(inputs[n], odd[n], mask) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """The entropy of a coin: any bit that is not known makes both answers alike."""
        return (Rung("chance", "odd or even", math.log(2)),)

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Logits of 0."""
        return {("eval/loss", "chance"): np.zeros(batch.targets.shape)}

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """The likelier of the two, at each step."""
        asked = mask > 0
        right = ((outputs[..., 0] > 0) == (targets[..., 0] > 0)) & asked
        return int(right.sum()), int(asked.sum())
