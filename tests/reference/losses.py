"""The sum over unmasked steps of the loss times the scale, and its derivative."""

import numpy as np


def mse(y, target, mask, scale):
    loss, dy = 0.0, np.zeros_like(y)
    for t, b in np.argwhere(mask):
        error = y[t, b] - target[t, b]
        loss += scale * np.sum(error**2)
        dy[t, b] = scale * 2 * error
    return loss, dy


def cross_entropy(logits, classes, mask, scale):
    loss, dy = 0.0, np.zeros_like(logits)
    for t, b in np.argwhere(mask):
        z = logits[t, b] - logits[t, b].max()
        p = np.exp(z) / np.exp(z).sum()
        right = classes[t, b]
        loss -= scale * (z[right] - np.log(np.exp(z).sum()))
        dy[t, b] = scale * p
        dy[t, b, right] = -scale * np.delete(p, right).sum()  # p - 1, without its cancellation
    return loss, dy
