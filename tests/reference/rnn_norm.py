"""h_t = φ(g_x∘N(x_t W) + g_h∘N(h_{t-1} U) + b)."""

import numpy as np

from tests.reference.normal import normalise, normalise_back
from tests.reference.rnn import PHI, SLOPE


def forward(x, parameters, start, variant=0):
    W, U, b, gx, gh = parameters
    h, record = [start[0]], []
    for x_t in x:
        of_x, x_scale = normalise(x_t @ W)
        of_h, h_scale = normalise(h[-1] @ U)
        h.append(PHI[variant](gx * of_x + gh * of_h + b))
        record.append((of_x, of_h, x_scale, h_scale))
    return (np.array(h),), tuple(np.array(kind) for kind in zip(*record, strict=True))


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, _, gx, gh = parameters
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db, dgx, dgh = gradients = tuple(np.zeros_like(parameter) for parameter in parameters)
    later = carry[0]
    for t in reversed(range(len(x))):
        of_x, of_h, x_scale, h_scale = (kind[t] for kind in record)
        dh_total[t] = dh[t] + later
        da = dh_total[t] * SLOPE[variant](h[t + 1])
        dxW = normalise_back(da * gx, of_x, x_scale)
        dhU = normalise_back(da * gh, of_h, h_scale)
        dgx += (da * of_x).sum(0)
        dgh += (da * of_h).sum(0)
        db += da.sum(0)
        dW += x[t].T @ dxW
        dU += h[t].T @ dhU
        dx[t] = dxW @ W.T
        later = dhU @ U.T
    return dh_total, (later,), gradients, dx
