"""Minimal gated unit (Zhou et al. 2016), forward and backward.

    f_t = σ(x_t W_f + h_{t-1} U_f + b_f)
    k_t = f_t ∘ h_{t-1}                          n_t = tanh(x_t W_n + k_t U_n + b_n)
    h_t = (1 - f_t) ∘ h_{t-1} + f_t ∘ n_t

Two products depend on each other at each step, on the way there and on the way back, where with δ_t = ∂L/∂h_t
in total, from the last step to the first (a marks what σ and tanh are taken of):

    ∂L/∂a_n = δ_t ∘ f_t ∘ (1 - n_t²)             ∂L/∂k_t = ∂L/∂a_n U_nᵀ
    ∂L/∂a_f = (δ_t ∘ (n_t - h_{t-1}) + ∂L/∂k_t ∘ h_{t-1}) ∘ f_t(1 - f_t)
    δ_{t-1} += ∂L/∂a_f U_fᵀ + ∂L/∂k_t ∘ f_t + δ_t ∘ (1 - f_t)
    ∂L/∂x_t = ∂L/∂a_t Wᵀ       ∂L/∂W = Σ x_tᵀ ∂L/∂a_t        ∂L/∂b = Σ ∂L/∂a_t
    ∂L/∂U_f = Σ h_{t-1}ᵀ ∂L/∂a_f                 ∂L/∂U_n = Σ k_tᵀ ∂L/∂a_n

Shapes: W [F,2H], U [H,2H], b [2H], gates in the order f, n; `packed` has U_nᵀ before U_fᵀ; `carried` =
(h [T+1,B,H],); `record` = (gates [2,T,B,H] after activation, k [T,B,H]); `scratch` = (∂L/∂a [2,·,B,H] of
some steps, ∂L/∂k [B,H]).
"""

from seqlab.kernels.activations import tanh
from seqlab.kernels.gru_before import gated_state
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    H, F = U.shape[0], W.shape[0]
    width = 2 * H
    at = pack_columns(b, 0, U, width, H, W, width, F, 0, H, packed[0], 0)
    pack_columns(b, H, U, width, H, W, width, F, H, H, packed[0], at)
    at = pack_transposed(U, width, H, H, H, packed[1], 0)
    pack_transposed(U, width, 0, H, H, packed[1], at)
    if packed[2].size > 0:
        pack_transposed(W, width, 0, F, width, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    gates, k = record
    _, together, F = x.shape
    T, B, H = k.shape
    N = B * H
    for t in range(T):
        before, now = t * N, (t * together + first) * F
        f, n = t * N, (T + t) * N
        at = product(h, before, H, 1, 1, 0, H, x, now, F, F, packed[0], 0, 0, gates, f, H, B, H)
        gated_state(gates, f, h, before, k, t * N, N)
        product(k, t * N, H, 1, 1, 0, H, x, now, F, F, packed[0], at, 0, gates, n, H, B, H)
        _step(gates, f, gates, n, h, before, h, before + N, N)


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
    gates, k = record
    dh_carried = carry[0]
    dW, dU, db = gradients
    da, dk = scratch
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            at = t * N
            f, n = at, at + T * N
            da_f, da_n = s * N, (S + s) * N
            _step_back(dh, at, dh_carried, gates, f, gates, n, da, da_n, N)
            gate_at = product(
                da, da_n, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], 0, 0, dk, 0, H, B, H
            )  # fmt: skip
            _gate_back(dh, at, dk, gates, f, gates, n, h, at, da, da_f, N)
            product(
                da, da_f, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], gate_at, 0, dh_carried, 0, H, B, H
            )  # fmt: skip
            _add_kept(dh, at, dk, gates, f, dh_carried, N)
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 2, S * N, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        steps = end - start
        for gate in range(2):
            at = gate * S * N
            state = h if gate < 1 else k
            add_gradients(
                x, (start * together + first) * F, together * F, F, state, start * N, H, da, at, at, steps, B,
                dW, dU, db, 2 * H, gate * H
            )  # fmt: skip


@linked
def _step(
    f: Array, f_at: Int, n: Array, n_at: Int, h_before: Array, before_at: Int, h: Array, h_at: Int, N: Int
) -> None:
    """One timestep of all sequences, N = B·H numbers each: n comes as a and leaves activated."""
    vectorised()
    for j in range(N):
        n_j, h_j = tanh(n[n_at + j]), h_before[before_at + j]
        n[n_at + j], h[h_at + j] = n_j, h_j + f[f_at + j] * (n_j - h_j)


@linked
def _step_back(
    dh: Array, dh_at: Int, dh_carried: Array, f: Array, f_at: Int, n: Array, n_at: Int,
    da_n: Array, da_n_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills ∂L/∂a_n."""
    vectorised()
    for j in range(N):
        n_j, dh_j = n[n_at + j], dh[dh_at + j] + dh_carried[j]
        dh[dh_at + j] = dh_j
        da_n[da_n_at + j] = dh_j * f[f_at + j] * (type(n_j)(1) - n_j * n_j)


@linked
def _gate_back(
    dh: Array, dh_at: Int, dk: Array, f: Array, f_at: Int, n: Array, n_at: Int,
    h_before: Array, before_at: Int, da_f: Array, da_f_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: fills ∂L/∂a_f."""
    vectorised()
    for j in range(N):
        f_j, h_j = f[f_at + j], h_before[before_at + j]
        df_j = dh[dh_at + j] * (n[n_at + j] - h_j) + dk[j] * h_j
        da_f[da_f_at + j] = df_j * f_j * (type(f_j)(1) - f_j)


@linked
def _add_kept(dh: Array, dh_at: Int, dk: Array, f: Array, f_at: Int, dh_carried: Array, N: Int) -> None:
    """Add δ_t ∘ (1 - f_t) + ∂L/∂k_t ∘ f_t, what reaches h_{t-1} past the gate's own weights."""
    vectorised()
    for j in range(N):
        f_j = f[f_at + j]
        dh_carried[j] += dh[dh_at + j] * (type(f_j)(1) - f_j) + dk[j] * f_j
