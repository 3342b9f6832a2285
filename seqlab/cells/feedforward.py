"""The control without memory.

What it learns needs no past; what only the others learn does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.cells.activations import CHANGES, KINDS, VARIANTS, Activation
from seqlab.cells.base import Arrays, Cell, Part, Shape, State, derivatives_shape, packed_size


class Feedforward(Cell):
    """Each step by itself."""

    summary: ClassVar[str] = "no memory: each step by itself, the control"
    rank: ClassVar[int] = 90
    equations: ClassVar[str] = "h_t = φ(x_t W + b)"
    changes: ClassVar[Mapping[str, str]] = CHANGES
    source: ClassVar[str] = (
        "a layer of the multilayer perceptron, the same at each step: D. E. Rumelhart, G. E. Hinton & "
        'R. J. Williams (1986), "Learning representations by back-propagating errors", Nature 323'
    )

    cell: Literal["feedforward"] = "feedforward"
    activation: Activation = Field("tanh", description="φ, the nonlinearity of the units")
    init: Literal["uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal"] = Field(
        "uniform", description="how the weights start"
    )

    @model_validator(mode="after")
    def _has_one_direction(self) -> Self:
        if self.bidirectional:
            raise ValueError(
                "bidirectional: feedforward sees each step by itself, so there is no direction to run in: "
                "bidirectional = false"
            )
        return self

    @property
    def gates(self) -> tuple[str, ...]:
        """The units alone."""
        return ("h",)

    @property
    def passes(self) -> Literal["both", "nowhere"]:
        """Nowhere, unless a decoder looks back."""
        return "both" if self.attention else "nowhere"

    @property
    def variant(self) -> int:
        """Which φ the kernel should use."""
        return VARIANTS[self.activation]

    def states(self) -> tuple[State, ...]:
        """The units alone, bounded as φ is."""
        return (State("h", "units", KINDS[self.activation]),)

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """The units at each step."""
        return {"h": carried[0][1:]}

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell, but for U: nothing comes from the step before."""
        return {"W": (features, self.hidden), "b": (self.hidden,)}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Nothing: φ' follows from h."""
        return ()

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a."""
        return (derivatives_shape(1, timesteps, batch, self.hidden),)

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell, with nothing for ∂L/∂h_{t-1}."""
        forward = packed_size(features, self.hidden)
        return (forward,), (0,), super().packed_shapes(features, below=below)[2]

    def to_torch(self, parameters: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """Copies of one layer's parameters, named as the inputs' side of a recurrent layer of PyTorch is."""
        return {
            f"weight_ih_l{layer}": parameters["W"].T.copy(),
            f"bias_ih_l{layer}": parameters["b"].copy(),
        }

    def from_torch(self, tensors: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """The inverse of `to_torch`.

        Raises:
            KeyError: a tensor is missing.
        """
        return {"W": tensors[f"weight_ih_l{layer}"].T, "b": tensors[f"bias_ih_l{layer}"]}
