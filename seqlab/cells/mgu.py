"""Minimal gated unit (Zhou et al. 2016): a GRU whose one gate both resets and updates."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from seqlab.cells.base import Arrays, Cell, Shape, State, derivatives_shape, packed_size


class MGU(Cell):
    """One state behind one gate."""

    summary: ClassVar[str] = "a single gate, which both resets and updates"
    rank: ClassVar[int] = 5
    equations: ClassVar[str] = """\
f_t = σ(x_t W_f + h_{t-1} U_f + b_f)
n_t = tanh(x_t W_n + (f_t∘h_{t-1}) U_n + b_n)
h_t = (1 - f_t)∘h_{t-1} + f_t∘n_t"""
    source: ClassVar[str] = (
        'G.-B. Zhou, J. Wu, C.-L. Zhang & Z.-H. Zhou (2016), "Minimal gated unit for recurrent neural '
        'networks", International Journal of Automation and Computing 13(3)'
    )

    cell: Literal["mgu"] = "mgu"

    @property
    def gates(self) -> tuple[str, ...]:
        """Forget, candidate."""
        return ("f", "n")

    def states(self) -> tuple[State, ...]:
        """The gate, the candidate, the state."""
        return (
            State("f", "forget gate", "gate"),
            State("n", "candidate", "signed"),
            State("h", "state", "signed"),
        )

    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """Gates from the record, the state from what is carried."""
        return {**dict(zip(self.gates, record[0], strict=True)), "h": carried[0][1:]}

    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """The gate and the candidate after activation, and f∘h_{t-1}."""
        window = (timesteps, batch, self.hidden)
        return (2, *window), window

    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """∂L/∂a of the gate and the candidate, and ∂L/∂(f∘h_{t-1}) of one step."""
        return derivatives_shape(2, timesteps, batch, self.hidden), (batch, self.hidden)

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell, but on the way back the candidate is packed apart."""
        forward, _, inputs = super().packed_shapes(features, below=below)
        return forward, (2 * packed_size(self.hidden, self.hidden),), inputs
