"""The leaky reservoir, step by step."""

import numpy as np


def forward(x, parameters, start, variant=0):
    W, U, b, leak = parameters
    h, inner = [start[0]], []
    for x_t in x:
        inner.append(np.tanh(x_t @ W + h[-1] @ U + b))
        h.append((1 - leak) * h[-1] + leak * inner[-1])
    return (np.stack(h),), (np.stack(inner),)


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, b, leak = parameters
    (h,), (inner,) = carried, record
    total, dx = dh.copy(), np.zeros_like(x)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dleak = np.zeros_like(leak)
    after = carry[0]
    for t in reversed(range(len(x))):
        total[t] += after
        dleak += np.sum(total[t] * (inner[t] - h[t]))
        da = leak * total[t] * (1 - inner[t] ** 2)
        dW += x[t].T @ da
        dU += h[t].T @ da
        db += da.sum(axis=0)
        dx[t] = da @ W.T
        after = (1 - leak) * total[t] + da @ U.T
    return total, (after,), (dW, dU, db, dleak), dx
