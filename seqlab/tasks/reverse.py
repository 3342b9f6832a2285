"""Reverse: read a few symbols to their end, then give them back from the last to the first.

The task of an encoder and a decoder (Cho et al. 2014; Sutskever et al. 2014 read their sentences backwards):
the encoder reads S symbols and says nothing; the decoder starts from the encoder's last states, with a start
sign as its first input, and from then on the symbol that was asked for before (teacher forcing, Williams &
Zipser 1989). Left to itself it reads what it has said instead. The first symbol in is the last one out, so it
has the farthest to go.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.tasks.base import Batch, Memory, Rung, Signs, Task, numerals, right_classes

_START = 0
"""The input that asks for the first answer; symbol n is input n + 1 and class n."""


class Reverse(Task):
    """One-hot symbols in, then a start sign and the right answers so far; the symbols reversed out."""

    summary: ClassVar[str] = "encoder-decoder: symbols, given back reversed"
    rank: ClassVar[int] = 8
    loss: ClassVar[str] = "cross_entropy"

    name: Literal["reverse"] = "reverse"
    symbols: int = Field(10, ge=1, le=10_000, description="how many symbols are read")
    alphabet: int = Field(8, ge=2, le=256, description="how many different symbols there are")

    @property
    def timesteps(self) -> int:
        """T = 2S: the encoder's and the decoder's."""
        return 2 * self.symbols

    @property
    def encoder_steps(self) -> int:
        """S."""
        return self.symbols

    @property
    def features(self) -> int:
        """One-hot: the start sign and K symbols."""
        return self.alphabet + 1

    @property
    def outputs(self) -> int:
        """Classes: K symbols."""
        return self.alphabet

    def loss_steps(self) -> NDArray[np.int64]:
        """Every step of the decoder."""
        return np.arange(self.symbols, 2 * self.symbols)

    def signs(self) -> Signs:
        """Numerals for the symbols, > for the start sign."""
        symbols = numerals(self.alphabet)
        return Signs((">", *symbols), symbols)

    def memory(self) -> Memory:
        """The first symbol, until the last step."""
        return Memory("the first symbol", told=1, answered=2 * self.symbols)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw the symbols."""
        half = self.symbols
        drawn = rng.integers(0, self.alphabet, (count, half, size))
        targets = np.zeros((count, 2 * half, size), np.int64)
        targets[:, half:] = drawn[:, ::-1]
        read = np.full(targets.shape, _START)
        read[:, :half] = drawn + 1
        read[:, half + 1 :] = targets[:, half:-1] + 1
        inputs = np.eye(self.features, dtype=np.float32)[read]
        mask = np.zeros((2 * half, size), np.float32)
        mask[half:] = 1
        return [Batch(inputs[n], targets[n], mask) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """Any symbol at every step, ln K; at the last step alone, for the symbol that came in first."""
        guess = math.log(self.alphabet)
        return (
            Rung("chance", "any symbol", guess),
            Rung("first", "all but the first symbol", guess / self.symbols),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Logits: all alike; those of the right symbols but at the last step."""
        right = np.arange(self.outputs) == batch.targets[:, :, None]
        first = np.where(right, 0.0, -np.inf)
        first[-1] = 0.0
        return {("eval/loss", "chance"): np.zeros(right.shape), ("eval/loss", "first"): first}

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Each symbol."""
        return right_classes(outputs, targets, mask > 0)

    def feed(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """The likeliest symbol, one-hot."""
        said: NDArray[Any] = np.eye(self.features, dtype=outputs.dtype)[outputs.argmax(axis=-1) + 1]
        return said
