"""As `gru`, with g_x∘N(x_t W) for x_t W and g_h∘N(h_{t-1} U) for h_{t-1} U, in rows of all three gates."""

import numpy as np

from tests.reference.activations import sigmoid
from tests.reference.normal import normalise, normalise_back


def forward(x, parameters, start, variant=0):
    W, U, b, gx, gh, b_hn = parameters
    h, record = [start[0]], []
    for x_t in x:
        of_x, x_scale = normalise(x_t @ W)
        of_h, h_scale = normalise(h[-1] @ U)
        x_r, x_z, x_n = np.split(gx * of_x + b, 3, axis=1)
        h_r, h_z, h_n = np.split(gh * of_h, 3, axis=1)
        r, z, m = sigmoid(x_r + h_r), sigmoid(x_z + h_z), h_n + b_hn
        n = np.tanh(x_n + r * m)
        h.append((1 - z) * n + z * h[-1])
        record.append(((r, z, n), m, of_x, of_h, x_scale, h_scale))
    gates, *others = (np.array(kind) for kind in zip(*record, strict=True))
    return (np.array(h),), (gates.swapaxes(0, 1), *others)


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, _, gx, gh, _ = parameters
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db, dgx, dgh, db_hn = gradients = tuple(np.zeros_like(parameter) for parameter in parameters)
    later = carry[0]
    for t in reversed(range(len(x))):
        r, z, n = record[0][:, t]
        m, of_x, of_h, x_scale, h_scale = (kind[t] for kind in record[1:])
        dh_t = dh_total[t] = dh[t] + later
        da_n = dh_t * (1 - z) * (1 - n**2)
        da_z = dh_t * (h[t] - n) * z * (1 - z)
        da_r = da_n * m * r * (1 - r)
        p, q = np.hstack([da_r, da_z, da_n]), np.hstack([da_r, da_z, da_n * r])
        dxW = normalise_back(p * gx, of_x, x_scale)
        dhU = normalise_back(q * gh, of_h, h_scale)
        dgx += (p * of_x).sum(0)
        dgh += (q * of_h).sum(0)
        db += p.sum(0)
        db_hn += (da_n * r).sum(0)
        dW += x[t].T @ dxW
        dU += h[t].T @ dhU
        dx[t] = dxW @ W.T
        later = dhU @ U.T + dh_t * z
    return dh_total, (later,), gradients, dx
