"""The simple recurrent network: h_t = φ(x_t W + h_{t-1} U + b) (Elman 1990)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from seqlab.cells.base import Arrays, Cell, Shape, State, derivatives_shape

_VARIANTS = {"tanh": 0, "relu": 1}


class RNN(Cell):
    """One matrix, one nonlinearity, no gates."""

    summary: ClassVar[str] = "one nonlinearity, no gates (Elman 1990)"
    rank: ClassVar[int] = 1

    cell: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = Field("tanh", description="φ, the nonlinearity of the state")
    init: Literal["uniform", "glorot", "orthogonal", "identity"] = Field(  # type: ignore[assignment]
        "uniform", description="how the weights start; identity with relu is the IRNN"
    )

    @property
    def gates(self) -> tuple[str, ...]:
        """The state alone."""
        return ("h",)

    @property
    def variant(self) -> int:
        """Which φ the kernel should use."""
        return _VARIANTS[self.activation]

    def states(self) -> tuple[State, ...]:
        """The state alone: bounded for tanh, not for relu."""
        return (State("h", "state", "signed" if self.activation == "tanh" else "free"),)

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """The state after each step."""
        return {"h": carried[0][1:]}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Nothing: φ' follows from h."""
        return ()

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a."""
        return (derivatives_shape(1, timesteps, batch, self.hidden),)
