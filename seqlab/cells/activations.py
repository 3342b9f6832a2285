"""The nonlinearities that a cell without gates can have."""

from __future__ import annotations

from typing import Literal

Activation = Literal["tanh", "relu", "leaky_relu", "sigmoid", "hard_sigmoid", "softsign", "identity"]
"""φ by its name."""

FORMULAS: dict[Activation, str] = {
    "tanh": "tanh(a)",
    "relu": "max(a, 0)",
    "leaky_relu": "max(a, 0.01 a)",
    "sigmoid": "1/(1 + e^(-a))",
    "hard_sigmoid": "clip(a/6 + 1/2, 0, 1)",
    "softsign": "a/(1 + |a|)",
    "identity": "a",
}

CHANGES: dict[str, str] = {f'activation = "{name}"': f"φ(a) = {text}" for name, text in FORMULAS.items()}
"""As in `Cell.changes`, for a cell with such a field."""

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
