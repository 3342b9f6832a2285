"""Gated recurrent unit as first published (Cho et al. 2014), reset before the product, forward and backward.

    r_t, z_t = σ(x_t W + h_{t-1} U + b)          each with its own columns
    k_t = r_t ∘ h_{t-1}                          n_t = tanh(x_t W_n + k_t U_n + b_n)
    h_t = (1 - z_t) ∘ n_t + z_t ∘ h_{t-1}

Two products depend on each other at each step, on the way there and on the way back, where with δ_t = ∂L/∂h_t
in total, from the last step to the first (a marks what σ and tanh are taken of):

    ∂L/∂a_n = δ_t ∘ (1 - z_t) ∘ (1 - n_t²)       ∂L/∂a_z = δ_t ∘ (h_{t-1} - n_t) ∘ z_t(1 - z_t)
    ∂L/∂k_t = ∂L/∂a_n U_nᵀ                       ∂L/∂a_r = ∂L/∂k_t ∘ h_{t-1} ∘ r_t(1 - r_t)
    δ_{t-1} += ∂L/∂a_r U_rᵀ + ∂L/∂a_z U_zᵀ + ∂L/∂k_t ∘ r_t + δ_t ∘ z_t
    ∂L/∂x_t = ∂L/∂a_t Wᵀ       ∂L/∂W = Σ x_tᵀ ∂L/∂a_t        ∂L/∂b = Σ ∂L/∂a_t
    ∂L/∂U = Σ h_{t-1}ᵀ ∂L/∂a_t for r and z       ∂L/∂U_n = Σ k_tᵀ ∂L/∂a_n

Shapes: W [F,3H], U [H,3H], b [3H], gates in the order r, z, n; `packed` has U_nᵀ before the U_rᵀ and U_zᵀ;
`carried` = (h [T+1,B,H],); `record` = (gates [3,T,B,H] after activation, k [T,B,H]); `scratch` = (∂L/∂a
[3,·,B,H] of some steps, ∂L/∂k [B,H]).
"""

from seqlab.kernels.activations import sigmoid, tanh
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
    width = 3 * H
    at = 0
    for gate in range(3):
        at = pack_columns(b, gate * H, U, width, H, W, width, F, gate * H, H, packed[0], at)
    at = pack_transposed(U, width, 2 * H, H, H, packed[1], 0)
    pack_transposed(U, width, 0, H, 2 * H, packed[1], at)
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
        r, z, n = t * N, (T + t) * N, (2 * T + t) * N
        at = 0
        for gate in range(2):
            at = product(
                h, before, H, 1, 1, 0, H, x, now, F, F, packed[0], at, 0, gates, (gate * T + t) * N, H, B, H
            )  # fmt: skip
        gated_state(gates, r, h, before, k, t * N, N)
        product(k, t * N, H, 1, 1, 0, H, x, now, F, F, packed[0], at, 0, gates, n, H, B, H)
        _step(gates, z, gates, n, h, before, h, before + N, N)


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
            r, z, n = at, at + T * N, at + 2 * T * N
            da_r, da_z, da_n = s * N, (S + s) * N, (2 * S + s) * N
            _step_back(dh, at, dh_carried, gates, z, gates, n, h, at, da, da_z, da, da_n, N)
            gates_at = product(
                da, da_n, H, 1, 1, 0, H, da, 0, 0, 0, packed[1], 0, 0, dk, 0, H, B, H
            )  # fmt: skip
            _reset_back(dk, gates, r, h, at, da, da_r, N)
            product(
                da, da_r, H, 1, 2, S * N, H, da, 0, 0, 0, packed[1], gates_at, 0, dh_carried, 0, H, B, H
            )  # fmt: skip
            _add_kept(dh, at, gates, z, dk, gates, r, dh_carried, N)
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 3, S * N, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        steps = end - start
        for gate in range(3):
            at = gate * S * N
            state = h if gate < 2 else k
            add_gradients(
                x, (start * together + first) * F, together * F, F, state, start * N, H, da, at, at, steps, B,
                dW, dU, db, 3 * H, gate * H
            )  # fmt: skip


@linked
def gated_state(gate: Array, gate_at: Int, h: Array, h_at: Int, k: Array, k_at: Int, N: Int) -> None:
    """One timestep of all sequences, N = B·H numbers each: fills k = gate ∘ h.

    The gate comes as a and leaves activated.
    """
    vectorised()
    for j in range(N):
        gate_j = sigmoid(gate[gate_at + j])
        gate[gate_at + j], k[k_at + j] = gate_j, gate_j * h[h_at + j]


@linked
def _step(
    z: Array, z_at: Int, n: Array, n_at: Int, h_before: Array, before_at: Int, h: Array, h_at: Int, N: Int
) -> None:
    """One timestep of all sequences: z and n come as a and leave activated."""
    vectorised()
    for j in range(N):
        z_j, n_j = sigmoid(z[z_at + j]), tanh(n[n_at + j])
        z[z_at + j], n[n_at + j] = z_j, n_j
        h[h_at + j] = n_j + z_j * (h_before[before_at + j] - n_j)


@linked
def _step_back(
    dh: Array, dh_at: Int, dh_carried: Array, z: Array, z_at: Int, n: Array, n_at: Int,
    h_before: Array, before_at: Int, da_z: Array, da_z_at: Int, da_n: Array, da_n_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills ∂L/∂a_z and ∂L/∂a_n."""
    vectorised()
    for j in range(N):
        z_j, n_j = z[z_at + j], n[n_at + j]
        dh_j = dh[dh_at + j] + dh_carried[j]
        one = type(z_j)(1)
        dh[dh_at + j] = dh_j
        da_z[da_z_at + j] = dh_j * (h_before[before_at + j] - n_j) * z_j * (one - z_j)
        da_n[da_n_at + j] = dh_j * (one - z_j) * (one - n_j * n_j)


@linked
def _reset_back(
    dk: Array, r: Array, r_at: Int, h_before: Array, before_at: Int, da_r: Array, da_r_at: Int, N: Int
) -> None:
    """One timestep of all sequences: fills ∂L/∂a_r."""
    vectorised()
    for j in range(N):
        r_j = r[r_at + j]
        da_r[da_r_at + j] = dk[j] * h_before[before_at + j] * r_j * (type(r_j)(1) - r_j)


@linked
def _add_kept(
    dh: Array, dh_at: Int, z: Array, z_at: Int, dk: Array, r: Array, r_at: Int, dh_carried: Array, N: Int
) -> None:
    """Add δ_t ∘ z_t + ∂L/∂k_t ∘ r_t, what reaches h_{t-1} past the gates' own weights."""
    vectorised()
    for j in range(N):
        dh_carried[j] += dh[dh_at + j] * z[z_at + j] + dk[j] * r[r_at + j]
