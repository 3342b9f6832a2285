"""Gradient descent on flat arrays: one update of all parameters, and the norm and clipping before it.

Every optimiser has one signature, `name(theta, g, slots, step, hyper)`, with PyTorch's formulas:

    theta [N]   the parameters, updated in place
    g [N]       their gradient, left alone
    slots       what the optimiser remembers, arrays [N] of zeros before step 1, updated in place
    step        the number of this update, from 1
    hyper       float64 [K], the learning rate first, then what each optimiser names

The arithmetic is in the dtype of `theta`; factors that depend on the step alone are worked out in float64.
"""

import math

import numpy as np
import numpy.typing as npt

from seqlab.kernels.jit import Array, Arrays, jit

Hyper = npt.NDArray[np.float64]


@jit
def sgd(theta: Array, g: Array, slots: Arrays, step: int, hyper: Hyper) -> None:
    """Gradient descent with momentum: v ← μ v + g, θ ← θ - lr · v; at the first step v = g.

    With Nesterov's momentum (Sutskever et al. 2013, as PyTorch has it) θ ← θ - lr · (g + μ v).

    Args:
        theta: [N].
        g: [N].
        slots: (v,).
        step: from 1.
        hyper: lr, μ (0: plain gradient descent), 1 for Nesterov's momentum, else 0.
    """
    velocity = slots[0]
    lr, momentum = theta.dtype.type(hyper[0]), theta.dtype.type(hyper[1])
    if hyper[2] != 0.0:
        for k in range(theta.size):
            velocity[k] = momentum * velocity[k] + g[k]
            theta[k] -= lr * (g[k] + momentum * velocity[k])
    else:
        for k in range(theta.size):
            velocity[k] = momentum * velocity[k] + g[k]
            theta[k] -= lr * velocity[k]


@jit
def rmsprop(theta: Array, g: Array, slots: Arrays, step: int, hyper: Hyper) -> None:
    """RMSprop (Hinton 2012): s ← α s + (1 - α) g², v ← μ v + g / (√s + ε), θ ← θ - lr · v.

    Args:
        theta: [N].
        g: [N].
        slots: (s, v).
        step: from 1.
        hyper: lr, α (PyTorch: 0.99), ε (1e-8), μ (0).
    """
    square, velocity = slots
    lr, alpha = theta.dtype.type(hyper[0]), theta.dtype.type(hyper[1])
    epsilon, momentum = theta.dtype.type(hyper[2]), theta.dtype.type(hyper[3])
    beta = theta.dtype.type(1.0 - hyper[1])
    for k in range(theta.size):
        square[k] = alpha * square[k] + beta * g[k] * g[k]
        velocity[k] = momentum * velocity[k] + g[k] / (math.sqrt(square[k]) + epsilon)
        theta[k] -= lr * velocity[k]


@jit
def adam(theta: Array, g: Array, slots: Arrays, step: int, hyper: Hyper) -> None:
    """Adam (Kingma & Ba 2015, algorithm 1).

        m ← β₁ m + (1 - β₁) g,    v ← β₂ v + (1 - β₂) g²,    and at step n
        θ ← θ - lr · m̂ / (√v̂ + ε),    m̂ = m / (1 - β₁ⁿ),    v̂ = v / (1 - β₂ⁿ).

    Args:
        theta: [N].
        g: [N].
        slots: (m, v).
        step: n, from 1.
        hyper: lr, β₁ (PyTorch: 0.9), β₂ (0.999), ε (1e-8).
    """
    first, second = slots
    beta1, beta2 = theta.dtype.type(hyper[1]), theta.dtype.type(hyper[2])
    rest1, rest2 = theta.dtype.type(1.0 - hyper[1]), theta.dtype.type(1.0 - hyper[2])
    rate = theta.dtype.type(hyper[0] / (1.0 - hyper[1] ** step))
    spread = theta.dtype.type(1.0 / math.sqrt(1.0 - hyper[2] ** step))
    epsilon = theta.dtype.type(hyper[3])
    for k in range(theta.size):
        first[k] = beta1 * first[k] + rest1 * g[k]
        second[k] = beta2 * second[k] + rest2 * g[k] * g[k]
        theta[k] -= rate * first[k] / (math.sqrt(second[k]) * spread + epsilon)


@jit
def adamw(theta: Array, g: Array, slots: Arrays, step: int, hyper: Hyper) -> None:
    """Adam with weight decay of its own (Loshchilov & Hutter 2019): θ ← θ - lr λ θ, then as `adam`.

    Args:
        theta: [N].
        g: [N].
        slots: (m, v).
        step: n, from 1.
        hyper: as for `adam`, then λ (PyTorch: 0.01).
    """
    scale(theta, 1.0 - hyper[0] * hyper[4])
    adam(theta, g, slots, step, hyper)


@jit
def norm(g: Array) -> float:
    """The Euclidean norm of `g` [N], added up in float64; NaN or infinite if any element is."""
    total = 0.0
    for k in range(g.size):
        total += np.float64(g[k]) * np.float64(g[k])
    return math.sqrt(total)


@jit
def scale(g: Array, factor: float) -> None:
    """Multiply `g` [N] by `factor`, in place."""
    typed = g.dtype.type(factor)
    for k in range(g.size):
        g[k] *= typed


@jit
def clamp(g: Array, limit: float) -> None:
    """Bring each element of `g` [N] into [-limit, limit], in place; NaN stays NaN."""
    high = g.dtype.type(limit)
    low = g.dtype.type(-limit)
    for k in range(g.size):
        value = high if g[k] > high else g[k]
        g[k] = low if value < low else value
