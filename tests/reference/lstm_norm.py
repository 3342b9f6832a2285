"""As `lstm_options`, but with a = g_x∘N(x_t W) + g_h∘N(h_{t-1} U) + b and h_t = o∘tanh(g_c∘N(c_t) + b_c)."""

import numpy as np

from tests.reference.activations import sigmoid
from tests.reference.normal import normalise, normalise_back


def forward(x, parameters, start, variant=0):
    W, U, b, gx, gh, gc, bc, *p = parameters
    p_i, p_f, p_o = [vector if vector.size else 0 for vector in p]
    has_f, sigma = not variant & 6, _hard_sigmoid if variant & 8 else sigmoid
    h, c, record = [start[0]], [start[1]], []
    for x_t in x:
        of_x, x_scale = normalise(x_t @ W)
        of_h, h_scale = normalise(h[-1] @ U)
        a = np.split(gx * of_x + gh * of_h + b, 4 if has_f else 3, axis=1)
        i, g = sigma(a[0] + p_i * c[-1]), np.tanh(a[-2])
        without = 1 - i if variant & 2 else 1
        f = sigma(a[1] + p_f * c[-1]) if has_f else without
        c.append(f * c[-1] + i * g)
        o = sigma(a[-1] + p_o * c[-1])
        of_c, c_scale = normalise(c[-1])
        h.append(o * np.tanh(gc * of_c + bc))
        record.append(((i, f, g, o) if has_f else (i, g, o), of_x, of_h, x_scale, h_scale, of_c, c_scale))
    gates, *others = (np.array(kind) for kind in zip(*record, strict=True))
    return (np.array(h), np.array(c)), (gates.swapaxes(0, 1), *others)


def backward(x, parameters, carried, record, dh, carry, variant=0):
    W, U, _, gx, gh, gc, bc, *p = parameters
    p_i, p_f, p_o = [vector if vector.size else 0 for vector in p]
    has_f, slope = not variant & 6, _hard_slope if variant & 8 else lambda y: y * (1 - y)
    h, c = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    gradients = tuple(np.zeros_like(parameter) for parameter in parameters)
    dW, dU, db, dgx, dgh, dgc, dbc, dp_i, dp_f, dp_o = gradients
    dh_later, dc_later = carry
    for t in reversed(range(len(x))):
        gates = record[0][:, t]
        of_x, of_h, x_scale, h_scale, of_c, c_scale = (kind[t] for kind in record[1:])
        i, g, o = gates[0], gates[-2], gates[-1]
        dh_t = dh_total[t] = dh[t] + dh_later
        told = np.tanh(gc * of_c + bc)
        da_o = dh_t * told * slope(o)
        dtold = dh_t * o * (1 - told**2)
        dgc += (dtold * of_c).sum(0)
        dbc += dtold.sum(0)
        dc = dc_later + normalise_back(dtold * gc, of_c, c_scale) + p_o * da_o
        da_g = dc * i * (1 - g**2)
        if has_f:
            f = gates[1]
            da_i, da_f = dc * g * slope(i), dc * c[t] * slope(f)
            da = np.hstack([da_i, da_f, da_g, da_o])
            dc_later = dc * f + p_i * da_i + p_f * da_f
        else:
            f = 1 - i if variant & 2 else 1
            da_i = dc * (g - c[t] if variant & 2 else g) * slope(i)
            da = np.hstack([da_i, da_g, da_o])
            dc_later = dc * f + p_i * da_i
        if dp_i.size:
            dp_i += (da_i * c[t]).sum(0)
        if dp_f.size:
            dp_f += (da_f * c[t]).sum(0)
        if dp_o.size:
            dp_o += (da_o * c[t + 1]).sum(0)
        dxW = normalise_back(da * gx, of_x, x_scale)
        dhU = normalise_back(da * gh, of_h, h_scale)
        dgx += (da * of_x).sum(0)
        dgh += (da * of_h).sum(0)
        db += da.sum(0)
        dW += x[t].T @ dxW
        dU += h[t].T @ dhU
        dx[t] = dxW @ W.T
        dh_later = dhU @ U.T
    return dh_total, (dh_later, dc_later), gradients, dx


def _hard_sigmoid(a):
    return np.clip(a / 6 + 1 / 2, 0, 1)


def _hard_slope(y):
    return np.where((y > 0) & (y < 1), 1 / 6, 0)
