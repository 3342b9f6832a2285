"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000).

i, f, o = σ(x_t W_· + h_{t-1} U_· + b_·); g = tanh(x_t W_g + h_{t-1} U_g + b_g);
c_t = f∘c_{t-1} + i∘g; h_t = o∘tanh(c_t).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.cells.base import Arrays, Cell, Shape, State, derivatives_shape


class LSTM(Cell):
    """An additive cell state behind three gates."""

    summary: ClassVar[str] = "input, forget and output gates around an additive memory"
    rank: ClassVar[int] = 2
    carried_names: ClassVar[tuple[str, ...]] = ("h", "c")

    cell: Literal["lstm"] = "lstm"
    forget_bias: float = Field(
        1.0, ge=-100.0, le=100.0, description="bias of the forget gate at the start; above 0 it starts open"
    )

    @property
    def gates(self) -> tuple[str, ...]:
        """Input, forget, candidate, output."""
        return ("i", "f", "g", "o")

    def states(self) -> tuple[State, ...]:
        """Four gates, then the memory and the output."""
        return (
            State("i", "input gate", "gate"),
            State("f", "forget gate", "gate"),
            State("g", "candidate", "signed"),
            State("o", "output gate", "gate"),
            State("c", "cell state", "free"),
            State("h", "output state", "signed"),
        )

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """Gates from the record, states from what is carried."""
        return {**dict(zip(self.gates, record[0], strict=True)), "c": carried[1][1:], "h": carried[0][1:]}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gates after activation."""
        return ((4, timesteps, batch, self.hidden),)

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a of the four gates."""
        return (derivatives_shape(4, timesteps, batch, self.hidden),)

    def initialise(self, rng: np.random.Generator, features: int) -> dict[str, NDArray[np.float64]]:
        """As every cell, with the forget gate's bias set (Gers 2000; Jozefowicz 2015)."""
        parameters = super().initialise(rng, features)
        parameters["b"][self.hidden : 2 * self.hidden] = self.forget_bias
        return parameters
