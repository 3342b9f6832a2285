"""N(a) = (a - mean(a))/√(variance(a) + 10⁻⁵) for each row by itself."""

import numpy as np


def normalise(a):
    """N(a), and what each row was multiplied by."""
    normal, scale = np.empty_like(a), np.empty(len(a))
    for b, row in enumerate(a):
        centred = row - row.mean()
        scale[b] = 1 / np.sqrt(np.mean(centred**2) + 1e-5)
        normal[b] = scale[b] * centred
    return normal, scale


def normalise_back(dnormal, normal, scale):
    """∂L/∂a, by the Jacobian of each row."""
    da = np.empty_like(normal)
    for b, row in enumerate(normal):
        n = len(row)
        da[b] = dnormal[b] @ (np.eye(n) - 1 / n - np.outer(row, row) / n) * scale[b]
    return da
