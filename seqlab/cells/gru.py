"""Gated recurrent unit (Cho et al. 2014), reset after the matrix product, as in cuDNN and PyTorch.

r, z = σ(x_t W_· + h_{t-1} U_· + b_·); n = tanh(x_t W_n + b_n + r∘(h_{t-1} U_n + b_hn)); h_t = (1-z)∘n +
z∘h_{t-1}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.cells.base import Arrays, Cell, Shape, State


class GRU(Cell):
    """One state that is both memory and output, behind two gates."""

    summary: ClassVar[str] = "reset and update gates, one state"
    rank: ClassVar[int] = 3
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")

    cell: Literal["gru"] = "gru"

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
        H = self.hidden
        named = {name: record[0][:, :, g * H : (g + 1) * H] for g, name in enumerate(self.gates)}
        return {**named, "h": carried[0][1:]}

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell, and the candidate's second bias `bn`, inside the reset gate's reach."""
        return {**super().parameter_shapes(features), "bn": (self.hidden,)}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gates after activation, and h_{t-1} U_n + b_hn."""
        return (timesteps, batch, 3 * self.hidden), (timesteps, batch, self.hidden)

    def scratch_shapes(self, timesteps: int, batch: int, features: int) -> tuple[Shape, ...]:
        """h_{t-1} U of one step; derivatives on the side of x and of h; the products for W and U."""
        width = 3 * self.hidden
        window = (timesteps, batch, width)
        return (batch, width), window, window, (features, width), (self.hidden, width)

    def _second_bias(self, parameters: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        second = np.zeros_like(parameters["b"])
        second[2 * self.hidden :] = parameters["bn"]
        return second

    def _biases(self, first: NDArray[Any], second: NDArray[Any]) -> dict[str, NDArray[Any]]:
        gates = second.copy()
        gates[2 * self.hidden :] = 0
        return {**super()._biases(first, gates), "bn": second[2 * self.hidden :]}
