"""Echo state network (Jaeger 2001): a reservoir that is never trained, and a readout by ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.cells.base import Arrays, Cell, Part, Shape, State, derivatives_shape


class ESN(Cell):
    """A reservoir. Each step of training adds a batch to what its readout is fitted to, exactly."""

    summary: ClassVar[str] = "a random reservoir; only the readout is fitted, in closed form"
    rank: ClassVar[int] = 80
    equations: ClassVar[str] = """\
h_t = (1 - α) h_{t-1} + α tanh(x_t W + h_{t-1} U + b)
V, d = argmin Σ ‖h_t V + d - y_t‖²/N + β ‖V‖², over all N answers y_t beyond the washout"""
    source: ClassVar[str] = (
        'H. Jaeger (2001), "The echo state approach to analysing and training recurrent neural networks", '
        "GMD Report 148"
    )

    cell: Literal["esn"] = "esn"
    hidden: int = Field(
        200, ge=1, le=4_096, description="units of the reservoir", json_schema_extra={"unit": "units"}
    )
    layers: Literal[1] = Field(1, description="there is one reservoir")
    init: Literal["reservoir"] = Field("reservoir", description="uniform, sparse, scaled to a radius")  # type: ignore[assignment]
    spectral_radius: float = Field(
        0.9, gt=0.0, le=100.0, description="ρ, the largest |eigenvalue| of U; below 1 the past fades"
    )
    leak: float = Field(1.0, gt=0.0, le=1.0, description="α, the share of a unit that is new at each step")
    input_scale: float = Field(1.0, gt=0.0, le=1e6, description="inputs' weights are drawn within ± this")
    bias_scale: float = Field(0.2, ge=0.0, le=1e6, description="biases are drawn within ± this")
    density: float = Field(0.1, gt=0.0, le=1.0, description="share of connections within the reservoir")
    ridge: float = Field(
        1e-6,
        ge=0.0,
        le=1e9,
        description="β: what the squared weights of the readout cost, beside the mean error",
    )
    washout: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="steps at the start of a sequence that the readout is not fitted to",
        json_schema_extra={"unit": "timesteps"},
    )

    @model_validator(mode="after")
    def _has_one_reservoir(self) -> Self:
        if self.residual:
            raise ValueError("residual: inputs are added to a layer that learns; a reservoir does not: false")
        return self

    @property
    def closed_form(self) -> bool:
        """The readout is solved for."""
        return True

    @property
    def gates(self) -> tuple[str, ...]:
        """The state alone."""
        return ("h",)

    def states(self) -> tuple[State, ...]:
        """The state alone."""
        return (State("h", "reservoir state", "signed"),)

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """The state after each step."""
        return {"h": carried[0][1:]}

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell, and the leak."""
        return {**super().parameter_shapes(features), "leak": (1,)}

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell, and the leak."""
        return (*super().packed_shapes(features, below=below), (1,))

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """tanh(a)."""
        return ((timesteps, batch, self.hidden),)

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a, and a product of one step."""
        return derivatives_shape(1, timesteps, batch, self.hidden), (batch, self.hidden)

    def initialise(self, rng: np.random.Generator, features: int) -> dict[str, NDArray[np.float64]]:
        """Draw the reservoir."""
        H = self.hidden
        U = rng.uniform(-1, 1, (H, H)) * (rng.random((H, H)) < self.density)
        radius = float(np.abs(np.linalg.eigvals(U)).max())
        if radius < 1e-9:  # too few connections to come back to where they start: a loop through all units
            U = np.roll(np.eye(H), 1, axis=1)
            radius = 1.0
        return {
            "W": rng.uniform(-self.input_scale, self.input_scale, (features, H)),
            "U": U * (self.spectral_radius / radius),
            "b": rng.uniform(-self.bias_scale, self.bias_scale, H),
            "leak": np.array([self.leak]),
        }

    def from_torch(self, tensors: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """As every cell; PyTorch knows no leak, and this one's is never another than the spec says.

        Raises:
            KeyError: a tensor is missing.
        """
        return {**super().from_torch(tensors, layer), "leak": np.array([self.leak])}
