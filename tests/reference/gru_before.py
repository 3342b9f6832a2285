"""r, z = σ(·), n = tanh(x_t W_n + (r∘h_{t-1}) U_n + b_n), h_t = (1-z)∘n + z∘h_{t-1}."""

import numpy as np

from tests.reference.activations import sigmoid


def forward(x, parameters, start, variant=0):
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n) = _gates(parameters)
    h = [start[0]]
    gates, reset = [], []
    for x_t in x:
        r = sigmoid(x_t @ W_r + h[-1] @ U_r + b_r)
        z = sigmoid(x_t @ W_z + h[-1] @ U_z + b_z)
        reset.append(r * h[-1])
        n = np.tanh(x_t @ W_n + reset[-1] @ U_n + b_n)
        h.append((1 - z) * n + z * h[-1])
        gates.append([r, z, n])
    return (np.array(h),), (np.array(gates).swapaxes(0, 1), np.array(reset))


def backward(x, parameters, carried, record, dh, carry, variant=0):
    (W_r, W_z, W_n), (U_r, U_z, U_n), _ = _gates(parameters)
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db = (np.zeros_like(parameter) for parameter in parameters)
    later = carry[0]
    for t in reversed(range(len(x))):
        r, z, n = record[0][:, t]
        dh_t = dh_total[t] = dh[t] + later
        da_z = dh_t * (h[t] - n) * z * (1 - z)
        da_n = dh_t * (1 - z) * (1 - n**2)
        d_reset = da_n @ U_n.T
        da_r = d_reset * h[t] * r * (1 - r)
        da = np.hstack([da_r, da_z, da_n])
        dW += x[t].T @ da
        db += da.sum(0)
        dU += np.hstack([h[t].T @ da_r, h[t].T @ da_z, (r * h[t]).T @ da_n])
        dx[t] = da_r @ W_r.T + da_z @ W_z.T + da_n @ W_n.T
        later = dh_t * z + d_reset * r + da_r @ U_r.T + da_z @ U_z.T
    return dh_total, (later,), (dW, dU, db), dx


def _gates(parameters):
    return [np.split(parameter, 3, axis=-1) for parameter in parameters]
