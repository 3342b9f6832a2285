"""i, f, o = σ(· + p∘c), g = tanh(·), c_t = f∘c_{t-1} + i∘g, h_t = o∘tanh(c_t), where o sees c_t.

`variant` adds up 1: there is p; 2: f = 1 - i; 4: f = 1; 8: σ(a) = clip(a/6 + 1/2, 0, 1).
"""

import numpy as np

from tests.reference.activations import sigmoid


def forward(x, parameters, start, variant=0):
    names, hard = _options(variant)
    W, U, b, *p = parameters
    sigma = (lambda a: np.clip(a / 6 + 1 / 2, 0, 1)) if hard else sigmoid
    p_i, p_f, p_o = [vector if vector.size else 0 for vector in p]
    h, c = [start[0]], [start[1]]
    gates = []
    for x_t in x:
        a = _by_name(names, x_t @ W + h[-1] @ U + b)
        i, g = sigma(a["i"] + p_i * c[-1]), np.tanh(a["g"])
        f = 1 - i if variant & 2 else 1
        if "f" in names:
            f = sigma(a["f"] + p_f * c[-1])
        c.append(f * c[-1] + i * g)
        o = sigma(a["o"] + p_o * c[-1])
        h.append(o * np.tanh(c[-1]))
        gates.append([i, f, g, o] if "f" in names else [i, g, o])
    return (np.array(h), np.array(c)), (np.array(gates).swapaxes(0, 1),)


def backward(x, parameters, carried, record, dh, carry, variant=0):
    names, hard = _options(variant)
    W, U, _, *p = parameters
    p_i, p_f, p_o = [vector if vector.size else 0 for vector in p]
    h, c = carried
    dh_total, dx = np.zeros_like(dh), np.zeros_like(x)
    dW, dU, db, *dp = [np.zeros_like(parameter) for parameter in parameters]
    dh_later, dc_later = carry

    def slope(y):
        return np.where((y > 0) & (y < 1), 1 / 6, 0) if hard else y * (1 - y)

    for t in reversed(range(len(x))):
        y = dict(zip(names, record[0][:, t], strict=True))
        i, g, o = y["i"], y["g"], y["o"]
        dh_t = dh_total[t] = dh[t] + dh_later
        da = {"o": dh_t * np.tanh(c[t + 1]) * slope(o)}
        dc = dc_later + dh_t * o * (1 - np.tanh(c[t + 1]) ** 2) + p_o * da["o"]
        di, df = dc * g, dc * c[t]
        if "f" in names:
            f = y["f"]
            da["f"] = df * slope(f)
        elif variant & 2:
            f, di = 1 - i, di - df
        else:
            f = 1
        da["i"], da["g"] = di * slope(i), dc * i * (1 - g**2)
        dc_later = dc * f + p_i * da["i"] + (p_f * da["f"] if "f" in names else 0)
        for name, dp_, seen in zip("ifo", dp, (c[t], c[t], c[t + 1]), strict=True):
            if dp_.size:
                dp_ += (da[name] * seen).sum(0)
        together = np.concatenate([da[name] for name in names], axis=1)
        dW += x[t].T @ together
        dU += h[t].T @ together
        db += together.sum(0)
        dx[t] = together @ W.T
        dh_later = together @ U.T
    return dh_total, (dh_later, dc_later), (dW, dU, db, *dp), dx


def _options(variant):
    """The gates with weights, and whether they are hard."""
    return "igo" if variant & 6 else "ifgo", bool(variant & 8)


def _by_name(names, a):
    return dict(zip(names, np.split(a, len(names), axis=1), strict=True))
