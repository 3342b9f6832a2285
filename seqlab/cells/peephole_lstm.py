"""The LSTM whose gates see the cell state through peepholes (Gers & Schmidhuber 2000), by a name of its own.

i, f = σ(x_t W_· + h_{t-1} U_· + b_· + p_·∘c_{t-1}); g = tanh(x_t W_g + h_{t-1} U_g + b_g);
c_t = f∘c_{t-1} + i∘g; o = σ(x_t W_o + h_{t-1} U_o + b_o + p_o∘c_t); h_t = o∘tanh(c_t).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from seqlab.cells.lstm import BaseLSTM


class PeepholeLSTM(BaseLSTM):
    """An additive cell state behind three gates that see it."""

    summary: ClassVar[str] = "an LSTM whose gates see the cell state: it can time"
    rank: ClassVar[int] = 4

    cell: Literal["peephole_lstm"] = "peephole_lstm"

    @property
    def has_peepholes(self) -> bool:
        """Always."""
        return True
