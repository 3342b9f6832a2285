"""Elman's recurrent network with the less usual nonlinearities; `rnn` has tanh and relu.

    a_t = x_t W + h_{t-1} U + b          h_t = φ(a_t)

    φ                                    φ', as follows from h
    leaky_relu    a, 0.01 a below 0      1, 0.01 where h ≤ 0
    sigmoid       1/(1 + e^(-a))         h(1 - h)
    hard_sigmoid  clip(a/6 + 1/2, 0, 1)  1/6, 0 where h ≤ 0 or h ≥ 1
    softsign      a/(1 + |a|)            (1 - |h|)²
    identity      a                      1

Everything else, backward too, is as in `rnn`; `variant` is one of the numbers below. They have a module of
their own so that whoever wants none of them does not wait until they are compiled.
"""

from seqlab.kernels.activations import sigmoid
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import product
from seqlab.kernels.rnn import pack

__all__ = ["HARD_SIGMOID", "IDENTITY", "LEAKY_RELU", "SIGMOID", "SOFTSIGN", "backward", "forward", "pack"]

LEAKY_RELU = 2
SIGMOID = 3
HARD_SIGMOID = 4
SOFTSIGN = 5
IDENTITY = 6

LEAK = 0.01
"""The slope of leaky_relu below 0, PyTorch's."""

_LIMIT = 1e30  # softsign is 1 long before; beyond, 1/(1 + |a|) may come to 0


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] from x and h[0]. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    _, together, F = x.shape
    T, B, H = h.shape[0] - 1, h.shape[1], h.shape[2]
    N = B * H
    for t in range(T):
        product(
            h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], 0, 0,
            h, (t + 1) * N, H, B, H
        )  # fmt: skip
        activate(h, (t + 1) * N, N, variant)


@jit
def backward(
    x: Array,
    first: int,
    packed: Arrays,
    carried: Arrays,
    record: Arrays,
    dh: Array,
    carry: Arrays,
    gradients: Arrays,
    scratch: Arrays,
    dx: Array,
    variant: int,
) -> None:
    """Go back through the window that `forward` filled. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    dh_carried = carry[0]
    dW, dU, db = gradients
    da = scratch[0]
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            step_back(dh, t * N, dh_carried, h, (t + 1) * N, da, s * N, N, variant)
            product(
                da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], 0, 0, dh_carried, 0, H, B, H
            )  # fmt: skip
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        add_gradients(
            x, (start * together + first) * F, together * F, F, h, start * N, H, da, 0, 0, end - start, B,
            dW, dU, db, H, 0
        )  # fmt: skip


@linked
def activate(h: Array, h_at: Int, N: Int, variant: Int) -> None:
    """One timestep of all sequences, N = B·H numbers: they come as a and leave as φ(a)."""
    vectorised()
    # Limits are written as comparisons, which are false for NaN and so let it through.
    if variant == LEAKY_RELU:
        for j in range(N):
            a = h[h_at + j]
            h[h_at + j] = type(a)(LEAK) * a if a < type(a)(0) else a
    elif variant == SIGMOID:
        for j in range(N):
            h[h_at + j] = sigmoid(h[h_at + j])
    elif variant == HARD_SIGMOID:
        for j in range(N):
            a = h[h_at + j]
            zero, one = type(a)(0), type(a)(1)
            y = a / type(a)(6) + type(a)(0.5)
            y = zero if y < zero else y
            h[h_at + j] = one if y > one else y
    elif variant == SOFTSIGN:
        for j in range(N):
            a = h[h_at + j]
            limit = type(a)(_LIMIT)
            a = limit if a > limit else a
            a = -limit if a < -limit else a
            h[h_at + j] = a / (type(a)(1) + abs(a))


@linked
def step_back(
    dh: Array, dh_at: Int, dh_carried: Array, h: Array, h_at: Int, da: Array, da_at: Int, N: Int, variant: Int
) -> None:
    """One timestep of all sequences, N = B·H numbers each: completes `dh` and fills `da`."""
    vectorised()
    for j in range(N):
        dh[dh_at + j] += dh_carried[j]
    if variant == LEAKY_RELU:
        for j in range(N):
            dh_j, h_j = dh[dh_at + j], h[h_at + j]
            da[da_at + j] = type(h_j)(LEAK) * dh_j if h_j <= type(h_j)(0) else dh_j
    elif variant == SIGMOID:
        for j in range(N):
            h_j = h[h_at + j]
            da[da_at + j] = dh[dh_at + j] * h_j * (type(h_j)(1) - h_j)
    elif variant == HARD_SIGMOID:
        for j in range(N):
            h_j = h[h_at + j]
            zero, one = type(h_j)(0), type(h_j)(1)
            da_j = zero if h_j <= zero else dh[dh_at + j] / type(h_j)(6)
            da[da_at + j] = zero if h_j >= one else da_j
    elif variant == SOFTSIGN:
        for j in range(N):
            h_j = h[h_at + j]
            rest = type(h_j)(1) - abs(h_j)
            da[da_at + j] = dh[dh_at + j] * rest * rest
    else:
        for j in range(N):
            da[da_at + j] = dh[dh_at + j]
