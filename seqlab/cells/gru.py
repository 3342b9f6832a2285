"""Gated recurrent unit (Cho et al. 2014).

The reset gate acts after the matrix product, as in cuDNN and PyTorch, or before it, as first published. If
after, x_t W and h_{t-1} U may each be normalised, in rows of all three gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.cells.base import Arrays, Shape, State, derivatives_shape, packed_size
from seqlab.cells.layer_norm import LayerNormed


class GRU(LayerNormed):
    """One state that is both memory and output, behind two gates."""

    summary: ClassVar[str] = "reset and update gates, one state"
    rank: ClassVar[int] = 3
    equations: ClassVar[str] = """\
r_t = σ(x_t W_r + h_{t-1} U_r + b_r)
z_t = σ(x_t W_z + h_{t-1} U_z + b_z)
n_t = tanh(x_t W_n + b_n + r_t∘(h_{t-1} U_n + b_hn))
h_t = (1 - z_t)∘n_t + z_t∘h_{t-1}"""
    changes: ClassVar[Mapping[str, str]] = {
        'reset = "before"': "n_t = tanh(x_t W_n + (r_t∘h_{t-1}) U_n + b_n)",
        **LayerNormed.changes,
    }
    source: ClassVar[str] = (
        'K. Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder for statistical '
        'machine translation", EMNLP, with reset = "before"; after is that of cuDNN and PyTorch'
    )

    cell: Literal["gru"] = "gru"
    reset: Literal["after", "before"] = Field(
        "after", description="the reset gate acts after the product h U, as in PyTorch, or before (Cho 2014)"
    )

    @model_validator(mode="after")
    def _normalised_if_reset_after(self) -> Self:
        if self.layer_norm and self.reset == "before":
            raise ValueError(
                "layer_norm: h U is normalised for all gates together, and with reset = 'before' there is no "
                "such product: use reset = 'after', or layer_norm = false"
            )
        return self

    @property
    def gates(self) -> tuple[str, ...]:
        """Reset, update, candidate."""
        return ("r", "z", "n")

    @property
    def kernel(self) -> str:
        """One for each place of the reset gate, and one that is normalised."""
        if self.layer_norm:
            return "gru_norm"
        return "gru" if self.reset == "after" else "gru_before"

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
        """As every cell, and, if reset after, the candidate's second bias `bn`, inside the gate's reach."""
        second = {"bn": (self.hidden,)} if self.reset == "after" else {}
        return {**super().parameter_shapes(features), **second}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gates after activation, and h_{t-1} U_n + b_hn, or, if reset before, r∘h_{t-1}."""
        window = (timesteps, batch, self.hidden)
        return (3, *window), window, *self.normal_record(timesteps, batch)

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a of the two gates and the candidate, and ∂L/∂(h_{t-1} U_n), or ∂L/∂(r∘h_{t-1}) of one step."""
        if self.reset == "before":
            return derivatives_shape(3, timesteps, batch, self.hidden), (batch, self.hidden)
        da = derivatives_shape(4, timesteps, batch, self.hidden)
        return da, *self.normal_scratch(timesteps, batch)

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell, but the candidate's two sides are apart, or, if reset before, its way back is."""
        H = self.hidden
        if self.layer_norm:
            return *super().packed_shapes(features, below=below), (H,)
        if self.reset == "before":
            all_gates, _, inputs = super().packed_shapes(features, below=below)
            return all_gates, (packed_size(H, H) + packed_size(2 * H, H),), inputs
        forward = 2 * packed_size(H + features, H) + packed_size(features, H) + packed_size(H, H)
        return (forward,), *super().packed_shapes(features, below=below)[1:]

    def _second_bias(self, parameters: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        second = super()._second_bias(parameters)
        if self.reset == "after":
            second[2 * self.hidden :] = parameters["bn"]
        return second

    def _biases(self, first: NDArray[Any], second: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if self.reset == "before":
            return super()._biases(first, second)
        gates = second.copy()
        gates[2 * self.hidden :] = 0
        return {**super()._biases(first, gates), "bn": second[2 * self.hidden :]}
