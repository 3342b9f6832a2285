"""h_t = φ(x_t W + b)."""

import numpy as np

from tests.reference.rnn import PHI, SLOPE


def forward(x, parameters, start, variant=0):
    W, b = parameters
    return (np.array([start[0], *(PHI[variant](x_t @ W + b) for x_t in x)]),), ()


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, _ = parameters
    (h,) = carried
    dh_total = dh.copy()
    dh_total[-1] += carry[0]
    da = dh_total * SLOPE[variant](h[1:])
    dW = sum(x_t.T @ da_t for x_t, da_t in zip(x, da, strict=True))
    dx = np.array([da_t @ W.T for da_t in da])
    return dh_total, (np.zeros_like(carry[0]),), (dW, sum(da_t.sum(0) for da_t in da)), dx
