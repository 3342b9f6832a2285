"""The simple recurrent network (Elman 1990)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from seqlab.cells.activations import CHANGES, KINDS, VARIANTS, Activation
from seqlab.cells.base import Arrays, Shape, State, derivatives_shape
from seqlab.cells.layer_norm import LayerNormed
from seqlab.methods.initialisers import Init


class RNN(LayerNormed):
    """One matrix, one nonlinearity, no gates."""

    summary: ClassVar[str] = "one nonlinearity, no gates (Elman 1990)"
    rank: ClassVar[int] = 1
    equations: ClassVar[str] = "h_t = φ(x_t W + h_{t-1} U + b)"
    changes: ClassVar[Mapping[str, str]] = {**CHANGES, **LayerNormed.changes}
    source: ClassVar[str] = 'J. L. Elman (1990), "Finding structure in time", Cognitive Science 14(2)'

    cell: Literal["rnn"] = "rnn"
    activation: Activation = Field("tanh", description="φ, the nonlinearity of the state")
    init: Literal[Init, "identity"] = Field(  # type: ignore[assignment]
        "uniform", description="how the weights start; identity with relu is the IRNN"
    )

    @property
    def gates(self) -> tuple[str, ...]:
        """The state alone."""
        return ("h",)

    @property
    def kernel(self) -> str:
        """A module of its own for tanh and relu, which most want, and one that is normalised."""
        if self.layer_norm:
            return "rnn_norm"
        return "rnn" if self.activation in ("tanh", "relu") else "rnn_more"

    @property
    def variant(self) -> int:
        """Which φ the kernel should use."""
        return VARIANTS[self.activation]

    def states(self) -> tuple[State, ...]:
        """The state alone, bounded as φ is."""
        return (State("h", "state", KINDS[self.activation]),)

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """The state after each step."""
        return {"h": carried[0][1:]}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Nothing, as φ' follows from h, unless sums are normalised."""
        return self.normal_record(timesteps, batch)

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a; normalised also ∂L/∂ of the sums."""
        da = derivatives_shape(1, timesteps, batch, self.hidden)
        return da, *self.normal_scratch(timesteps, batch)
