"""Elman's recurrent network (1990), forward and backward through a window of time.

    a_t = x_t W + h_{t-1} U + b          h_t = φ(a_t),    φ = tanh or relu

Backward, with δ_t = ∂L/∂h_t in total, from the last step to the first:

    ∂L/∂a_t = δ_t ∘ φ'(a_t)              φ' = 1 - h_t² for tanh; 0 where h_t ≤ 0, else 1, for relu
    δ_{t-1} += ∂L/∂a_t Uᵀ                ∂L/∂x_t = ∂L/∂a_t Wᵀ
    ∂L/∂W = Σ x_tᵀ ∂L/∂a_t               ∂L/∂U = Σ h_{t-1}ᵀ ∂L/∂a_t        ∂L/∂b = Σ ∂L/∂a_t

Shapes: W [F,H], U [H,H], b [H]; `carried` = (h [T+1,B,H],); `record` = (); `scratch` = (∂L/∂a [1,·,B,H] of
some steps,); `variant` is `TANH` or `RELU`.
"""

from seqlab.kernels.activations import tanh
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product

TANH = 0
RELU = 1


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    H, F = U.shape[0], W.shape[0]
    pack_columns(b, 0, U, H, H, W, H, F, 0, H, packed[0], 0)
    pack_transposed(U, H, 0, H, H, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, H, 0, F, H, packed[2], 0)


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
    if variant == RELU:
        for j in range(N):
            a = h[h_at + j]
            h[h_at + j] = type(a)(0) if a < type(a)(0) else a
    else:
        for j in range(N):
            h[h_at + j] = tanh(h[h_at + j])


@linked
def step_back(
    dh: Array, dh_at: Int, dh_carried: Array, h: Array, h_at: Int, da: Array, da_at: Int, N: Int, variant: Int
) -> None:
    """One timestep of all sequences, N = B·H numbers each: completes `dh` and fills `da`."""
    vectorised()
    if variant == RELU:
        for j in range(N):
            dh_j, h_j = dh[dh_at + j] + dh_carried[j], h[h_at + j]
            dh[dh_at + j] = dh_j
            da[da_at + j] = type(h_j)(0) if h_j <= type(h_j)(0) else dh_j
    else:
        for j in range(N):
            dh_j, h_j = dh[dh_at + j] + dh_carried[j], h[h_at + j]
            dh[dh_at + j] = dh_j
            da[da_at + j] = dh_j * (type(h_j)(1) - h_j * h_j)
