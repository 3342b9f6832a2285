"""Elman's recurrent network (1990), forward and backward through a window of time.

    a_t = x_t W + h_{t-1} U + b          h_t = φ(a_t),    φ = tanh or relu

Backward, with δ_t = ∂L/∂h_t in total, from the last step to the first:

    ∂L/∂a_t = δ_t ∘ φ'(a_t)              φ' = 1 - h_t² for tanh; 0 where h_t ≤ 0, else 1, for relu
    δ_{t-1} += ∂L/∂a_t Uᵀ                ∂L/∂x_t = ∂L/∂a_t Wᵀ
    ∂L/∂W = Σ x_tᵀ ∂L/∂a_t               ∂L/∂U = Σ h_{t-1}ᵀ ∂L/∂a_t        ∂L/∂b = Σ ∂L/∂a_t

Shapes: W [F,H], U [H,H], b [H]; `carried` = (h [T+1,B,H],); `record` = (); `scratch` = (∂L/∂a [1,·,B,H] of
some steps,); `variant` is `TANH` or `RELU`.
"""

import numpy as np

from seqlab.kernels.activations import tanh
from seqlab.kernels.jit import Array, Arrays, inlined, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.matmul import SPARE, pack_transposed, product
from seqlab.kernels.matmul import pack as pack_columns

TANH = 0
RELU = 1


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    H, F = U.shape[0], W.shape[0]
    pack_columns(b, 0, U, H, H, W, H, F, 0, H, packed[0], 0)
    pack_transposed(U, H, H, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, F, H, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] from x and h[0]. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    _, together, F = x.shape
    T, B, H = h.shape[0] - 1, h.shape[1], h.shape[2]
    spare = np.empty(SPARE, h.dtype)
    N = B * H
    for t in range(T):
        product(
            h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], 0, 0,
            h, (t + 1) * N, H, B, H, spare,
        )  # fmt: skip
        _activate(h[t + 1].reshape(N), variant)


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
    spare = np.empty(SPARE, h.dtype)
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            _step_back(
                dh[t].reshape(N), dh_carried.reshape(N), h[t + 1].reshape(N), da[0, s].reshape(N), variant
            )
            product(
                da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], 0, 0, dh_carried, 0, H, B, H, spare
            )  # fmt: skip
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F, spare
                )  # fmt: skip
        add_gradients(
            x, (start * together + first) * F, together * F, F, h, start * N, H, da, 0, 0, end - start, B,
            dW, dU, db, H, 0, spare,
        )  # fmt: skip


@inlined
def _activate(h: Array, variant: int) -> None:
    """One timestep of all sequences, [B·H]: `h` comes as a and leaves as φ(a)."""
    if variant == RELU:
        zero = h.dtype.type(0)
        for j in range(h.size):
            h[j] = zero if h[j] < zero else h[j]
    else:
        for j in range(h.size):
            h[j] = tanh(h[j])


@inlined
def _step_back(dh: Array, dh_carried: Array, h: Array, da: Array, variant: int) -> None:
    """One timestep of all sequences, [B·H] each: completes `dh` and fills `da`."""
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
