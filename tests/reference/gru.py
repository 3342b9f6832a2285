"""r, z = σ(·), n = tanh(x_t W_n + b_n + r∘(h_{t-1} U_n + b_hn)), h_t = (1-z)∘n + z∘h_{t-1}."""

import numpy as np

from tests.reference.activations import sigmoid


def forward(x, parameters, start, variant=0):
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n), b_hn = _gates(parameters)
    h = [start[0]]
    gates, inner = [], []
    for x_t in x:
        r = sigmoid(x_t @ W_r + h[-1] @ U_r + b_r)
        z = sigmoid(x_t @ W_z + h[-1] @ U_z + b_z)
        m = h[-1] @ U_n + b_hn
        n = np.tanh(x_t @ W_n + b_n + r * m)
        h.append((1 - z) * n + z * h[-1])
        gates.append([r, z, n])
        inner.append(m)
    return (np.array(h),), (np.array(gates).swapaxes(0, 1), np.array(inner))


def backward(x, parameters, carried, record, dh, carry, variant=0):
    Ws, Us, _, b_hn = _gates(parameters)
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU = [np.zeros_like(W) for W in Ws], [np.zeros_like(U) for U in Us]
    db, db_hn = [np.zeros_like(b_hn) for _ in range(3)], np.zeros_like(b_hn)
    later = carry[0]
    for t in reversed(range(len(x))):
        r, z, n = record[0][:, t]
        m = record[1][t]
        dh_t = dh_total[t] = dh[t] + later
        da_n = dh_t * (1 - z) * (1 - n**2)
        da_z = dh_t * (h[t] - n) * z * (1 - z)
        da_r = da_n * m * r * (1 - r)
        dm = da_n * r
        later = dh_t * z
        for k, (from_input, from_state) in enumerate([(da_r, da_r), (da_z, da_z), (da_n, dm)]):
            dW[k] += x[t].T @ from_input
            db[k] += from_input.sum(0)
            dx[t] += from_input @ Ws[k].T
            dU[k] += h[t].T @ from_state
            later = later + from_state @ Us[k].T
        db_hn += dm.sum(0)
    return dh_total, (later,), (np.hstack(dW), np.hstack(dU), np.hstack(db), db_hn), dx


def _gates(parameters):
    W, U, b, b_hn = parameters
    return np.split(W, 3, axis=1), np.split(U, 3, axis=1), np.split(b, 3), b_hn
