"""Gradient noise (Neelakantan et al. 2015): N(0, η/(1 + n)^0.55) on every number of update n's gradient."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

DECAY = 0.55
"""γ of the paper."""
NOISE_STREAM = 1 << 61
"""Noise is drawn under this and the number of the update, a key that no batch, mask or weight can have."""


def gradient_noise(eta: float, seed: int, update: int, size: int) -> NDArray[np.float64]:
    """The noise [size] of an update: a pure function of its arguments, the same in either precision.

    Args:
        eta: η, its variance at the start.
        seed: the training seed.
        update: n, from 1.
        size: how many numbers.
    """
    key = np.array([seed, NOISE_STREAM | update], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    return math.sqrt(eta / (1 + update) ** DECAY) * rng.standard_normal(size)
