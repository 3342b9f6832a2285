"""h_t = φ(x_t W + h_{t-1} U + b)."""

import numpy as np


def forward(x, parameters, start, variant=0):
    W, U, b = parameters
    phi = [np.tanh, lambda a: np.maximum(a, 0)][variant]
    h = [start[0]]
    for x_t in x:
        h.append(phi(x_t @ W + h[-1] @ U + b))
    return (np.array(h),), ()


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, b = parameters
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    later = carry[0]
    for t in reversed(range(len(x))):
        dh_total[t] = dh[t] + later
        slope = [1 - h[t + 1] ** 2, (h[t + 1] > 0).astype(float)][variant]
        da = dh_total[t] * slope
        dW += x[t].T @ da
        dU += h[t].T @ da
        db += da.sum(0)
        dx[t] = da @ W.T
        later = da @ U.T
    return dh_total, (later,), (dW, dU, db), dx
