"""f = σ(·), n = tanh(x_t W_n + (f∘h_{t-1}) U_n + b_n), h_t = (1-f)∘h_{t-1} + f∘n."""

import numpy as np

from tests.reference.activations import sigmoid


def forward(x, parameters, start, variant=0):
    (W_f, W_n), (U_f, U_n), (b_f, b_n) = _gates(parameters)
    h = [start[0]]
    gates, kept = [], []
    for x_t in x:
        f = sigmoid(x_t @ W_f + h[-1] @ U_f + b_f)
        kept.append(f * h[-1])
        n = np.tanh(x_t @ W_n + kept[-1] @ U_n + b_n)
        h.append((1 - f) * h[-1] + f * n)
        gates.append([f, n])
    return (np.array(h),), (np.array(gates).swapaxes(0, 1), np.array(kept))


def backward(x, parameters, carried, record, dh, carry, variant=0):
    (W_f, W_n), (U_f, U_n), _ = _gates(parameters)
    (h,) = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db = (np.zeros_like(parameter) for parameter in parameters)
    later = carry[0]
    for t in reversed(range(len(x))):
        f, n = record[0][:, t]
        dh_t = dh_total[t] = dh[t] + later
        da_n = dh_t * f * (1 - n**2)
        d_kept = da_n @ U_n.T
        da_f = (dh_t * (n - h[t]) + d_kept * h[t]) * f * (1 - f)
        da = np.hstack([da_f, da_n])
        dW += x[t].T @ da
        db += da.sum(0)
        dU += np.hstack([h[t].T @ da_f, (f * h[t]).T @ da_n])
        dx[t] = da_f @ W_f.T + da_n @ W_n.T
        later = dh_t * (1 - f) + d_kept * f + da_f @ U_f.T
    return dh_total, (later,), (dW, dU, db), dx


def _gates(parameters):
    return [np.split(parameter, 2, axis=-1) for parameter in parameters]
