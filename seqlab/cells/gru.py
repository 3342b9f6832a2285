"""Gated recurrent unit (Cho et al. 2014), reset after the matrix product, as in cuDNN and PyTorch.

r, z = σ(x_t W_· + h_{t-1} U_· + b_·); n = tanh(x_t W_n + b_n + r∘(h_{t-1} U_n + b_hn)); h_t = (1-z)∘n +
z∘h_{t-1}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.cells.base import Arrays, Cell, Shape, State, derivatives_shape, packed_size


class GRU(Cell):
    """One state that is both memory and output, behind two gates."""

    summary: ClassVar[str] = "reset and update gates, one state"
    rank: ClassVar[int] = 3

    cell: Literal["gru"] = "gru"

    @property
    def gates(self) -> tuple[str, ...]:
        """Reset, update, candidate."""
        return ("r", "z", "n")

    def states(self) -> tuple[State, ...]:
        """Two gates, the candidate, the state."""
        return (
            State("r", "reset gate", "gate"),
            State("z", "update gate", "gate"),
            State("n", "candidate", "signed"),
            State("h", "state", "signed"),
        )

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """Gates from the record, the state from what is carried."""
        return {**dict(zip(self.gates, record[0], strict=True)), "h": carried[0][1:]}

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell, and the candidate's second bias `bn`, inside the reset gate's reach."""
        return {**super().parameter_shapes(features), "bn": (self.hidden,)}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gates after activation, and h_{t-1} U_n + b_hn."""
        window = (timesteps, batch, self.hidden)
        return (3, *window), window

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a of the two gates and the candidate, and ∂L/∂(h_{t-1} U_n)."""
        return (derivatives_shape(4, timesteps, batch, self.hidden),)

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell, but the candidate's two sides are packed apart."""
        H = self.hidden
        forward = 2 * packed_size(H + features, H) + packed_size(features, H) + packed_size(H, H)
        return (forward,), *super().packed_shapes(features, below=below)[1:]

    def _second_bias(self, parameters: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        second = np.zeros_like(parameters["b"])
        second[2 * self.hidden :] = parameters["bn"]
        return second

    def _biases(self, first: NDArray[Any], second: NDArray[Any]) -> dict[str, NDArray[Any]]:
        gates = second.copy()
        gates[2 * self.hidden :] = 0
        return {**super()._biases(first, gates), "bn": second[2 * self.hidden :]}
