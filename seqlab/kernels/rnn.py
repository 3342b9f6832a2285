"""Elman's recurrent network (1990), forward and backward through a window of time.

    a_t = x_t W + h_{t-1} U + b          h_t = φ(a_t),    φ = tanh or relu

Backward, with δ_t = ∂L/∂h_t in total, from the last step to the first:

    ∂L/∂a_t = δ_t ∘ φ'(a_t)              φ' = 1 - h_t² for tanh; 0 where h_t ≤ 0, else 1, for relu
    δ_{t-1} += ∂L/∂a_t Uᵀ                ∂L/∂x_t = ∂L/∂a_t Wᵀ
    ∂L/∂W = Σ x_tᵀ ∂L/∂a_t               ∂L/∂U = Σ h_{t-1}ᵀ ∂L/∂a_t        ∂L/∂b = Σ ∂L/∂a_t

Shapes: W [F,H], U [H,H], b [H]; `carried` = (h [T+1,B,H],); `record` = (); `variant` is `TANH` or `RELU`.
"""

import numpy as np

from seqlab.kernels.activations import tanh
from seqlab.kernels.jit import Array, Arrays, jit
from seqlab.kernels.linear import add_bias_gradient, add_weight_gradient

TANH = 0
RELU = 1


@jit
def forward(
    x: Array, parameters: Arrays, carried: Arrays, record: Arrays, scratch: Arrays, variant: int
) -> None:
    """Run the window forward: fills h[1:] from x and h[0]. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    h = carried[0]
    recurrent = scratch[0]
    T, B, F = x.shape
    H = h.shape[2]
    np.dot(x.reshape(T * B, F), W, h[1:].reshape(T * B, H))
    for t in range(T):
        np.dot(h[t], U, recurrent)
        for i in range(B):
            _step(h[t + 1, i], recurrent[i], b, variant)


@jit
def backward(
    x: Array,
    parameters: Arrays,
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
    W, U, _ = parameters
    h = carried[0]
    dh_carried = carry[0]
    dW, dU, db = gradients
    _, da, dW_product, dU_product = scratch
    T, B, F = x.shape
    H = h.shape[2]
    for t in range(T - 1, -1, -1):
        for i in range(B):
            _step_back(dh[t, i], dh_carried[i], h[t + 1, i], da[t, i], variant)
        np.dot(da[t], U.T, dh_carried)
    da_rows = da.reshape(T * B, H)
    add_weight_gradient(x.reshape(T * B, F), da_rows, dW_product, dW)
    add_weight_gradient(h[:T].reshape(T * B, H), da_rows, dU_product, dU)
    add_bias_gradient(da_rows, db)
    if dx.shape[0] > 0:
        np.dot(da_rows, W.T, dx.reshape(T * B, F))


@jit
def _step(h: Array, recurrent: Array, b: Array, variant: int) -> None:
    """One sequence, one timestep, rows [H]: `h` comes with x_t W and leaves as h_t."""
    if variant == RELU:
        zero = h.dtype.type(0)
        for j in range(h.size):
            a = h[j] + recurrent[j] + b[j]
            h[j] = zero if a < zero else a
    else:
        for j in range(h.size):
            h[j] = tanh(h[j] + recurrent[j] + b[j])


@jit
def _step_back(dh: Array, dh_carried: Array, h: Array, da: Array, variant: int) -> None:
    """One sequence, one timestep, rows [H]: completes `dh` and fills `da`."""
    if variant == RELU:
        zero = h.dtype.type(0)
        for j in range(h.size):
            dh[j] += dh_carried[j]
            da[j] = zero if h[j] <= zero else dh[j]
    else:
        one = h.dtype.type(1)
        for j in range(h.size):
            dh[j] += dh_carried[j]
            da[j] = dh[j] * (one - h[j] * h[j])
