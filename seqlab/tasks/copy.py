"""Copy: hold a few symbols over a delay and give them back.

Hochreiter & Schmidhuber (1997) in the variant of Arjovsky et al. (2016, "urnn"): S symbols, D-1 blanks, a
marker, S blanks; the answer starts at the step after the marker, and the loss is over all steps.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.tasks.base import Batch, Memory, Rung, Signs, Task, numerals, right_classes


class Copy(Task):
    """One-hot symbols in; blanks until the delay is over, then the symbols out. Length D + 2S."""

    summary: ClassVar[str] = "many-to-many: symbols, given back later"
    rank: ClassVar[int] = 2
    loss: ClassVar[str] = "cross_entropy"

    name: Literal["copy"] = "copy"
    delay: int = Field(
        20,
        ge=1,
        le=100_000,
        description="from the last symbol to the marker that asks for them",
        json_schema_extra={"unit": "timesteps"},
    )
    symbols: int = Field(10, ge=1, le=1_000, description="how many symbols to hold")
    alphabet: int = Field(8, ge=2, le=256, description="how many different symbols there are")

    @property
    def timesteps(self) -> int:
        """T = D + 2S."""
        return self.delay + 2 * self.symbols

    @property
    def features(self) -> int:
        """One-hot: blank, K symbols, marker."""
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        """Classes: blank and K symbols."""
        return self.alphabet + 1

    def loss_steps(self) -> NDArray[np.int64]:
        """Every step."""
        return np.arange(self.timesteps)

    def signs(self) -> Signs:
        """A dot for blank, numerals for the symbols, ? for the marker."""
        symbols = numerals(self.alphabet)
        return Signs(("·", *symbols, "?"), ("·", *symbols), fillers=1, blank=True)

    def memory(self) -> Memory:
        """The symbols, until the step after the marker."""
        return Memory("what is to be copied", told=self.symbols, answered=self.symbols + self.delay + 1)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw the symbols; everything else is fixed."""
        symbols, length, marker = self.symbols, self.timesteps, self.symbols + self.delay - 1
        drawn = rng.integers(1, self.alphabet + 1, (count, symbols, size))
        inputs = np.zeros((count, length, size, self.features), np.float32)
        batch, place, row = np.ogrid[:count, :symbols, :size]
        inputs[batch, place, row, drawn] = 1
        inputs[:, symbols:, :, 0] = 1
        inputs[:, marker, :, 0] = 0
        inputs[:, marker, :, -1] = 1
        targets = np.zeros((count, length, size), np.int64)
        targets[:, -symbols:] = drawn
        mask = np.ones((length, size), np.float32)
        return [Batch(inputs[n], targets[n], mask) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """The entropy of the classes' frequencies; S·ln K / T for blanks, then a uniform guess."""
        length, count, alphabet = self.timesteps, self.symbols, self.alphabet
        blank, symbol = (length - count) / length, count / (length * alphabet)
        constant = -blank * math.log(blank) - alphabet * symbol * math.log(symbol)
        return (
            Rung("constant", "class frequencies", constant),
            Rung("blank", "blank, then guess", count * math.log(alphabet) / length),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Log-probabilities: the classes' frequencies everywhere; blank while waiting, then uniform."""
        length, count, alphabet = self.timesteps, self.symbols, self.alphabet
        shape = (length, batch.inputs.shape[1], self.outputs)
        constant = np.empty(shape)
        constant[..., 0] = math.log((length - count) / length)
        constant[..., 1:] = math.log(count / (length * alphabet))
        blank = np.full(shape, -np.inf)
        blank[:-count, :, 0] = 0.0
        blank[-count:, :, 1:] = -math.log(alphabet)
        return {("eval/loss", "constant"): constant, ("eval/loss", "blank"): blank}

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Only the recalled symbols are judged: blanks are free."""
        return right_classes(outputs, targets, targets > 0)
