"""y_t = h_t V + d."""

import numpy as np


def forward(h, parameters):
    V, d = parameters
    return np.array([h_t @ V + d for h_t in h])


def backward(h, parameters, dy):
    """The derivatives (dV, dd) and dh."""
    V, _ = parameters
    dV = sum(h_t.T @ dy_t for h_t, dy_t in zip(h, dy, strict=True))
    return (dV, dy.sum((0, 1))), np.array([dy_t @ V.T for dy_t in dy])
