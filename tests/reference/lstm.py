"""i, f, o = σ(·), g = tanh(·), c_t = f∘c_{t-1} + i∘g, h_t = o∘tanh(c_t)."""

import numpy as np

from tests.reference.activations import sigmoid


def forward(x, parameters, start, variant=0):
    W, U, b = parameters
    h, c = [start[0]], [start[1]]
    gates = []
    for x_t in x:
        a_i, a_f, a_g, a_o = np.split(x_t @ W + h[-1] @ U + b, 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c.append(f * c[-1] + i * g)
        h.append(o * np.tanh(c[-1]))
        gates.append([i, f, g, o])
    return (np.array(h), np.array(c)), (np.array(gates).swapaxes(0, 1),)


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, b = parameters
    h, c = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh_later, dc_later = carry
    for t in reversed(range(len(x))):
        i, f, g, o = record[0][:, t]
        dh_t = dh_total[t] = dh[t] + dh_later
        dc = dc_later + dh_t * o * (1 - np.tanh(c[t + 1]) ** 2)
        di, df, dg, do = dc * g, dc * c[t], dc * i, dh_t * np.tanh(c[t + 1])
        da = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
        dW += x[t].T @ da
        dU += h[t].T @ da
        db += da.sum(0)
        dx[t] = da @ W.T
        dh_later, dc_later = da @ U.T, dc * f
    return dh_total, (dh_later, dc_later), (dW, dU, db), dx
