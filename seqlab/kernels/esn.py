"""Echo state network (Jaeger 2001), the reservoir: leaky units whose weights are drawn and never trained.

    a_t = x_t W + h_{t-1} U + b          h_t = (1 - α) h_{t-1} + α tanh(a_t)

Backward, as a gradient is asked for only to be looked at, with δ_t = ∂L/∂h_t in total:

    ∂L/∂a_t = α δ_t ∘ (1 - tanh²(a_t))          δ_{t-1} += (1 - α) δ_t + ∂L/∂a_t Uᵀ
    ∂L/∂α = Σ_t δ_t · (tanh(a_t) - h_{t-1})

Shapes: W [F,H], U [H,H], b [H], leak [1] (α); `carried` = (h [T+1,B,H],); `record` = (tanh(a) [T,B,H],);
`scratch` = (∂L/∂a of some steps, a product of one step).
"""

from seqlab.kernels.activations import tanh
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them, the leak last. Arguments as in `seqlab.kernels`."""
    W, U, b, leak = parameters
    H, F = U.shape[0], W.shape[0]
    pack_columns(b, 0, U, H, H, W, H, F, 0, H, packed[0], 0)
    pack_transposed(U, H, 0, H, H, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, H, 0, F, H, packed[2], 0)
    packed[3][0] = leak[0]


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] from x and h[0]. Arguments as in `seqlab.kernels`."""
    h, inner = carried[0], record[0]
    _, together, F = x.shape
    T, B, H = inner.shape
    N = B * H
    for t in range(T):
        product(
            h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], 0, 0,
            inner, t * N, H, B, H
        )  # fmt: skip
        _step(inner, t * N, h, t * N, h, (t + 1) * N, packed[3], N)


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
    h, inner = carried[0], record[0]
    dh_carried = carry[0]
    dW, dU, db, dleak = gradients
    da, back = scratch
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            _step_back(dh, t * N, dh_carried, inner, t * N, da, s * N, packed[3], N)
            product(da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], 0, 0, back, 0, H, B, H)
            _leak_back(dh, t * N, inner, t * N, h, t * N, back, dh_carried, packed[3], dleak, N)
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 1, 0, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        add_gradients(
            x, (start * together + first) * F, together * F, F, h, start * N, H, da, 0, 0, end - start, B,
            dW, dU, db, H, 0
        )  # fmt: skip


@linked
def _step(
    inner: Array, inner_at: Int, before: Array, before_at: Int, h: Array, h_at: Int, leak: Array, N: Int
) -> None:
    """One timestep of all sequences, N = B·H numbers each: `inner` comes as a and leaves as tanh(a)."""
    vectorised()
    alpha = leak[0]
    for j in range(N):
        inner_j = tanh(inner[inner_at + j])
        inner[inner_at + j] = inner_j
        h[h_at + j] = (type(alpha)(1) - alpha) * before[before_at + j] + alpha * inner_j


@linked
def _step_back(
    dh: Array, dh_at: Int, dh_carried: Array, inner: Array, inner_at: Int, da: Array, da_at: Int,
    leak: Array, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh` and fills `da`."""
    vectorised()
    alpha = leak[0]
    for j in range(N):
        dh_j, inner_j = dh[dh_at + j] + dh_carried[j], inner[inner_at + j]
        dh[dh_at + j] = dh_j
        da[da_at + j] = alpha * dh_j * (type(alpha)(1) - inner_j * inner_j)


@linked
def _leak_back(
    dh: Array, dh_at: Int, inner: Array, inner_at: Int, before: Array, before_at: Int, back: Array,
    dh_carried: Array, leak: Array, dleak: Array, N: Int,
) -> None:  # fmt: skip
    """What h_{t-1} gets, through the weights and past them; and what the leak gets."""
    vectorised()
    alpha = leak[0]
    total = alpha - alpha
    for j in range(N):
        dh_j = dh[dh_at + j]
        dh_carried[j] = back[j] + (type(alpha)(1) - alpha) * dh_j
        total += dh_j * (inner[inner_at + j] - before[before_at + j])
    dleak[0] += total
