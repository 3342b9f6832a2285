"""The sum over unmasked steps of the loss times the scale, and its derivative."""

import numpy as np

from tests.reference.activations import sigmoid


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


def mae(y, target, mask, scale):
    loss, dy = 0.0, np.zeros_like(y)
    for t, b in np.argwhere(mask):
        error = y[t, b] - target[t, b]
        loss += scale * np.sum(np.abs(error))
        dy[t, b] = scale * np.sign(error)
    return loss, dy


def huber(y, target, mask, scale):
    loss, dy = 0.0, np.zeros_like(y)
    for t, b in np.argwhere(mask):
        error = y[t, b] - target[t, b]
        loss += scale * np.sum(np.where(np.abs(error) <= 1, error**2 / 2, np.abs(error) - 1 / 2))
        dy[t, b] = scale * np.clip(error, -1, 1)
    return loss, dy


def binary_cross_entropy(logits, target, mask, scale):
    loss, dy = 0.0, np.zeros_like(logits)
    for t, b in np.argwhere(mask):
        yes, no = sigmoid(logits[t, b]), sigmoid(-logits[t, b])
        loss -= scale * np.sum(target[t, b] * np.log(yes) + (1 - target[t, b]) * np.log(no))
        # p - target, without its cancellation
        dy[t, b] = scale * ((1 - target[t, b]) * yes - target[t, b] * no)
    return loss, dy
