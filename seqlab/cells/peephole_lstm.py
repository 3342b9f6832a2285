"""The LSTM whose gates see the cell state (Gers & Schmidhuber 2000), by a name of its own."""

from __future__ import annotations

from typing import ClassVar, Literal

from seqlab.cells.lstm import BaseLSTM


class PeepholeLSTM(BaseLSTM):
    """An additive cell state behind three gates that see it."""

    summary: ClassVar[str] = "an LSTM whose gates see the cell state: it can time"
    rank: ClassVar[int] = 4
    equations: ClassVar[str] = """\
i_t = σ(x_t W_i + h_{t-1} U_i + b_i + p_i∘c_{t-1})
f_t = σ(x_t W_f + h_{t-1} U_f + b_f + p_f∘c_{t-1})
g_t = tanh(x_t W_g + h_{t-1} U_g + b_g)
c_t = f_t∘c_{t-1} + i_t∘g_t
o_t = σ(x_t W_o + h_{t-1} U_o + b_o + p_o∘c_t)
h_t = o_t∘tanh(c_t)"""
    source: ClassVar[str] = (
        'F. A. Gers & J. Schmidhuber (2000), "Recurrent nets that time and count", IJCNN, volume 3'
    )

    cell: Literal["peephole_lstm"] = "peephole_lstm"

    @property
    def has_peepholes(self) -> bool:
        """Always."""
        return True
