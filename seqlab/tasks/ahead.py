"""Ahead: say at each step which symbol will come some steps later.

A symbol is kept for the next step with probability λ (`stay`), or else drawn anew from all K. So d steps
later it is the same with probability λ^d + (1 - λ^d)/K, and each other one with (1 - λ^d)/K. What came before
says nothing more (a Markov chain): no guess from the past alone can do better. A network that also runs from
the end to the start has seen the answer; for such tasks it was made (Schuster & Paliwal 1997).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.tasks.base import Batch, Rung, Signs, Task, numerals, right_classes, uniform


class Ahead(Task):
    """One-hot symbols in; at step t the symbol of step t + d out, as long as there is one."""

    summary: ClassVar[str] = "many-to-many: the symbol a few steps ahead"
    rank: ClassVar[int] = 6
    loss: ClassVar[str] = "cross_entropy"

    name: Literal["ahead"] = "ahead"
    length: int = Field(
        30, ge=2, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )
    distance: int = Field(
        3,
        ge=1,
        le=10_000,
        description="how far ahead the answer lies",
        json_schema_extra={"unit": "timesteps"},
    )
    alphabet: int = Field(4, ge=2, le=256, description="how many different symbols there are")
    stay: float = Field(
        0.8, ge=0.0, le=0.999, description="probability that a symbol is kept for the next step"
    )

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if self.distance >= self.length:
            raise ValueError(
                f"distance: {self.distance} steps ahead of the first lie beyond the end: "
                f"at most {self.length - 1}, or a longer sequence"
            )
        return self

    @property
    def timesteps(self) -> int:
        """T = length."""
        return self.length

    @property
    def features(self) -> int:
        """One-hot: K symbols."""
        return self.alphabet

    @property
    def outputs(self) -> int:
        """K symbols."""
        return self.alphabet

    def loss_steps(self) -> NDArray[np.int64]:
        """All but the last d steps."""
        return np.arange(self.length - self.distance)

    def signs(self) -> Signs:
        """Numerals."""
        symbols = numerals(self.alphabet)
        return Signs(symbols, symbols)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw a symbol for each step, and whether the one before is kept instead."""
        length, asked = self.length, self.length - self.distance
        drawn = rng.integers(0, self.alphabet, (count, length, size))
        kept = uniform(rng, count, length, size) < self.stay
        since = np.maximum.accumulate(np.where(kept, 0, np.arange(length)[:, None]), axis=1)
        symbols = np.take_along_axis(drawn, since, axis=1)
        inputs = np.eye(self.alphabet, dtype=np.float32)[symbols]
        targets = np.zeros(symbols.shape, np.int64)
        targets[:, :asked] = symbols[:, self.distance :]
        mask = np.zeros((length, size), np.float32)
        mask[:asked] = 1
        return [Batch(inputs[n], targets[n], mask) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """Any of the symbols, ln K; from the past alone, the entropy of x_{t+d} given x_t."""
        same, other = self._later()
        past = -same * math.log(same) - (self.alphabet - 1) * other * math.log(other)
        return (
            Rung("chance", "one of the symbols", math.log(self.alphabet)),
            Rung("past", "the past alone", past),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Log-probabilities: all alike; those that follow from the present symbol."""
        same, other = self._later()
        return {
            ("eval/loss", "chance"): np.zeros(batch.inputs.shape),
            ("eval/loss", "past"): np.where(batch.inputs > 0, math.log(same), math.log(other)),
        }

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Every answer that is asked for."""
        return right_classes(outputs, targets, mask > 0)

    def _later(self) -> tuple[float, float]:
        """How probable the present symbol is d steps later, and how probable each other one."""
        kept = self.stay**self.distance
        other = (1 - kept) / self.alphabet
        return kept + other, other
