"""Gated recurrent unit (Cho et al. 2014), reset after the product as in cuDNN, forward and backward.

    r_t, z_t = σ(x_t W + h_{t-1} U + b)          each with its own columns
    m_t = h_{t-1} U_n + b_hn                     n_t = tanh(x_t W_n + b_n + r_t ∘ m_t)
    h_t = (1 - z_t) ∘ n_t + z_t ∘ h_{t-1}

Backward, with δ_t = ∂L/∂h_t in total, from the last step to the first (a marks what σ and tanh are taken of):

    ∂L/∂a_n = δ_t ∘ (1 - z_t) ∘ (1 - n_t²)       ∂L/∂m_t = ∂L/∂a_n ∘ r_t
    ∂L/∂a_r = ∂L/∂a_n ∘ m_t ∘ r_t(1 - r_t)       ∂L/∂a_z = δ_t ∘ (h_{t-1} - n_t) ∘ z_t(1 - z_t)

The inputs meet (a_r, a_z, a_n), the states (a_r, a_z, m); call their derivatives p_t and q_t:

    δ_{t-1} += q_t Uᵀ + δ_t ∘ z_t                ∂L/∂x_t = p_t Wᵀ
    ∂L/∂W = Σ x_tᵀ p_t        ∂L/∂b = Σ p_t      ∂L/∂U = Σ h_{t-1}ᵀ q_t        ∂L/∂b_hn = Σ ∂L/∂m_t

Shapes: W [F,3H], U [H,3H], b [3H], b_hn [H], gates in the order r, z, n; `carried` = (h [T+1,B,H],);
`record` = (gates [3,T,B,H] after activation, m [T,B,H]); `scratch` = (r, z, n of p and n of q [4,·,B,H] of
some steps,).
"""

from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_bias, add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b, b_hn = parameters
    H, F = U.shape[0], W.shape[0]
    width = 3 * H
    at = pack_columns(b, 0, U, width, H, W, width, F, 0, H, packed[0], 0)
    at = pack_columns(b, H, U, width, H, W, width, F, H, H, packed[0], at)
    at = pack_columns(b, 2 * H, U, width, 0, W, width, F, 2 * H, H, packed[0], at)
    pack_columns(b_hn, 0, U, width, H, W, width, 0, 2 * H, H, packed[0], at)
    pack_transposed(U, width, 0, H, width, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, width, 0, F, width, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    gates, m = record
    _, together, F = x.shape
    T, B, H = m.shape
    N = B * H
    for t in range(T):
        before, now = t * N, (t * together + first) * F
        at = 0
        for gate in range(3):
            parts = 1 if gate < 2 else 0  # the candidate's h U stands alone, in m
            at = product(
                h, before, H, 1, parts, 0, H, x, now, F, F, packed[0], at, 0,
                gates, (gate * T + t) * N, H, B, H
            )  # fmt: skip
        product(h, before, H, 1, 1, 0, H, x, 0, 0, 0, packed[0], at, 0, m, t * N, H, B, H)
        r, z, n = t * N, (T + t) * N, (2 * T + t) * N
        step(gates, r, gates, z, gates, n, h, before, m, t * N, h, before + N, N)


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
    gates, m = record
    dh_carried = carry[0]
    dW, dU, db, db_hn = gradients
    pq = scratch[0]
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = pq.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            at = t * N
            step_back(
                dh, at, dh_carried, gates, at, gates, at + T * N, gates, at + 2 * T * N, m, at, h, at,
                pq, s * N, pq, (S + s) * N, pq, (2 * S + s) * N, pq, (3 * S + s) * N, N,
            )  # fmt: skip
            product(
                pq, s * N, H, 1, 2, S * N, H, pq, (3 * S + s) * N, H, H, packed[1], 0, 0,
                dh_carried, 0, H, B, H
            )  # fmt: skip
            add_kept(dh, at, gates, at + T * N, dh_carried, N)
            if dx.shape[0] > 0:
                product(
                    pq, s * N, H, 1, 3, S * N, H, pq, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        steps = end - start
        for gate in range(3):
            at = gate * S * N
            of_h = at if gate < 2 else at + S * N
            add_gradients(
                x, (start * together + first) * F, together * F, F, h, start * N, H, pq, at, of_h, steps, B,
                dW, dU, db, 3 * H, gate * H
            )  # fmt: skip
        add_bias(pq, 3 * S * N, steps * B, db_hn, 0, H)


@linked
def step(
    r: Array, r_at: Int, z: Array, z_at: Int, n: Array, n_at: Int, h_before: Array, before_at: Int,
    m: Array, m_at: Int, h: Array, h_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences, N = B·H numbers each.

    The gates come as a, n without m, and leave activated.
    """
    vectorised()
    for j in range(N):
        r_j, z_j = sigmoid(r[r_at + j]), sigmoid(z[z_at + j])
        n_j = tanh(n[n_at + j] + r_j * m[m_at + j])
        r[r_at + j], z[z_at + j], n[n_at + j] = r_j, z_j, n_j
        h[h_at + j] = n_j + z_j * (h_before[before_at + j] - n_j)


@linked
def step_back(
    dh: Array, dh_at: Int, dh_carried: Array, r: Array, r_at: Int, z: Array, z_at: Int, n: Array, n_at: Int,
    m: Array, m_at: Int, h_before: Array, before_at: Int,
    p_r: Array, p_r_at: Int, p_z: Array, p_z_at: Int, p_n: Array, p_n_at: Int,
    q_n: Array, q_n_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills p and q."""
    vectorised()
    for j in range(N):
        r_j, z_j, n_j = r[r_at + j], z[z_at + j], n[n_at + j]
        dh_j = dh[dh_at + j] + dh_carried[j]
        one = type(r_j)(1)
        da_n = dh_j * (one - z_j) * (one - n_j * n_j)
        dh[dh_at + j] = dh_j
        p_r[p_r_at + j] = da_n * m[m_at + j] * r_j * (one - r_j)
        p_z[p_z_at + j] = dh_j * (h_before[before_at + j] - n_j) * z_j * (one - z_j)
        p_n[p_n_at + j] = da_n
        q_n[q_n_at + j] = da_n * r_j


@linked
def add_kept(dh: Array, dh_at: Int, z: Array, z_at: Int, dh_carried: Array, N: Int) -> None:
    """Add δ_t ∘ z_t, what reaches h_{t-1} without passing any weight."""
    vectorised()
    for j in range(N):
        dh_carried[j] += dh[dh_at + j] * z[z_at + j]
