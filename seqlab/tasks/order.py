"""Order: two symbols stand far apart among others; say in which order they came.

Hochreiter & Schmidhuber (1997), experiment 6a: a sequence starts with E, ends with B, and is otherwise made
of a, b, c, d at random, but for two places, each of which holds X or Y. Its class, one of XX, XY, YX, YY, is
asked for at its last step. The places are drawn from steps T/10..T/5 and T/2..3T/5, which for T = 100 are
those of the paper. There T is drawn from 100..110 for each sequence; here `shortest` says from where on, and
what is missing to the longest is padding.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.tasks.base import Batch, Memory, Rung, Signs, Task, right_classes

_OTHERS = "abcd"
_INPUTS = (*_OTHERS, "X", "Y", "E", "B")
_X, _START, _END, _PADDING = _INPUTS.index("X"), _INPUTS.index("E"), _INPUTS.index("B"), len(_INPUTS)
_LEAST = 10
"""Timesteps of a sequence in which the two places lie apart, and after its start."""


class Order(Task):
    """One-hot symbols in; at the last step of each sequence one of four classes."""

    summary: ClassVar[str] = "many-to-one: the order of two far-off symbols"
    rank: ClassVar[int] = 5
    loss: ClassVar[str] = "cross_entropy"

    name: Literal["order"] = "order"
    length: int = Field(
        100,
        ge=_LEAST,
        le=100_000,
        description="length of a sequence, or of the longest",
        json_schema_extra={"unit": "timesteps"},
    )
    shortest: int = Field(
        0,
        ge=0,
        le=100_000,
        description="each sequence has a length from here to `length`, and padding behind it",
        json_schema_extra={"unit": "timesteps", "zero": "all of one length"},
    )

    @model_validator(mode="after")
    def _lengths_ascend(self) -> Self:
        if self.shortest and not _LEAST <= self.shortest <= self.length:
            raise ValueError(
                f"shortest: {self.shortest} should be from {_LEAST} to length = {self.length}, "
                "or 0 for sequences of one length"
            )
        return self

    @property
    def timesteps(self) -> int:
        """T = length, that of the longest."""
        return self.length

    @property
    def features(self) -> int:
        """One-hot: a, b, c, d, X, Y, E, B."""
        return len(_INPUTS)

    @property
    def outputs(self) -> int:
        """XX, XY, YX, YY."""
        return 4

    def loss_steps(self) -> NDArray[np.int64]:
        """The last step, or those that can be the last of a sequence."""
        return np.arange((self.shortest or self.length) - 1, self.length)

    def signs(self) -> Signs:
        """The letters of the paper; a, b, c and d say nothing."""
        return Signs(_INPUTS, ("XX", "XY", "YX", "YY"), fillers=len(_OTHERS))

    def memory(self) -> Memory:
        """The first of the two."""
        return Memory("the first X or Y", told=self.length // 5, answered=self.shortest or self.length)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw lengths, where they vary, two places and what stands there, and everything else."""
        length, batch, row = self.length, *np.ogrid[:count, :size]
        each = (count, size)
        lengths = rng.integers(self.shortest, length + 1, each) if self.shortest else np.full(each, length)
        first = rng.integers(np.maximum(2, lengths // 10) - 1, lengths // 5)
        second = rng.integers(lengths // 2 - 1, 3 * lengths // 5)
        one, two = rng.integers(0, 2, (2, *each))
        symbols = rng.integers(0, len(_OTHERS), (count, length, size))
        symbols[:, 0] = _START
        symbols[batch, first, row] = _X + one
        symbols[batch, second, row] = _X + two
        symbols[batch, lengths - 1, row] = _END
        symbols[np.arange(length)[:, None] >= lengths[:, None]] = _PADDING
        inputs = np.eye(len(_INPUTS) + 1, len(_INPUTS), dtype=np.float32)[symbols]
        targets = np.zeros(symbols.shape, np.int64)
        targets[batch, lengths - 1, row] = 2 * one + two
        mask = np.zeros(symbols.shape, np.float32)
        mask[batch, lengths - 1, row] = 1
        return [
            Batch(inputs[n], targets[n], mask[n], lengths=lengths[n] if self.shortest else None)
            for n in range(count)
        ]

    def rungs(self) -> tuple[Rung, ...]:
        """Any of the four classes, ln 4; with one symbol known, ln 2."""
        return (
            Rung("chance", "one of four", math.log(4)),
            Rung("one", "one symbol", math.log(2)),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Logits: all alike; the two classes that end like the right one."""
        classes = np.arange(self.outputs)
        alike = classes % 2 == batch.targets[:, :, None] % 2
        return {
            ("eval/loss", "chance"): np.zeros(alike.shape),
            ("eval/loss", "one"): np.where(alike, 0.0, -np.inf),
        }

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """The class at the last step."""
        return right_classes(outputs, targets, mask > 0)
