"""h_t = φ(x_t W + h_{t-1} U + b)."""

import numpy as np

from tests.reference.activations import sigmoid

PHI = [
    np.tanh,
    lambda a: np.maximum(a, 0),
    lambda a: np.where(a > 0, a, 0.01 * a),
    sigmoid,
    lambda a: np.clip(a / 6 + 1 / 2, 0, 1),
    lambda a: a / (1 + np.abs(a)),
    lambda a: a,
]
"""φ by variant: tanh, relu, leaky_relu, sigmoid, hard_sigmoid, softsign, identity."""
SLOPE = [
    lambda h: 1 - h**2,
    lambda h: (h > 0).astype(float),
    lambda h: np.where(h > 0, 1, 0.01),
    lambda h: h * (1 - h),
    lambda h: np.where((h > 0) & (h < 1), 1 / 6, 0),
    lambda h: (1 - np.abs(h)) ** 2,
    np.ones_like,
]
"""φ' as it follows from h = φ(a)."""


def forward(x, parameters, start, variant=0):
    W, U, b = parameters
    h = [start[0]]
    for x_t in x:
        h.append(PHI[variant](x_t @ W + h[-1] @ U + b))
    return (np.array(h),), ()


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, b = parameters
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    later = carry[0]
    for t in reversed(range(len(x))):
        dh_total[t] = dh[t] + later
        da = dh_total[t] * SLOPE[variant](h[t + 1])
        dW += x[t].T @ da
        dU += h[t].T @ da
        db += da.sum(0)
        dx[t] = da @ W.T
        later = da @ U.T
    return dh_total, (later,), (dW, dU, db), dx
