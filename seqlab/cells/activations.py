"""The nonlinearities that a cell without gates can have."""

from __future__ import annotations

from typing import Literal

Activation = Literal["tanh", "relu", "leaky_relu", "sigmoid", "hard_sigmoid", "softsign", "identity"]
"""φ by its name; leaky_relu has the slope 0.01 below 0, hard_sigmoid is clip(a/6 + 1/2, 0, 1)."""

KINDS: dict[Activation, Literal["gate", "signed", "free"]] = {
    "tanh": "signed",
    "relu": "free",
    "leaky_relu": "free",
    "sigmoid": "gate",
    "hard_sigmoid": "gate",
    "softsign": "signed",
    "identity": "free",
}
"""The bounds of what comes out, as in `State.kind`."""

VARIANTS: dict[Activation, int] = {name: number for number, name in enumerate(KINDS)}
"""Their numbers in `seqlab.kernels`: those of `rnn`, then those of `rnn_more`."""
