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

import numpy as np

from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import Array, Arrays, inlined, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.matmul import SPARE, pack_transposed, product
from seqlab.kernels.matmul import pack as pack_columns


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
    pack_transposed(U, H, width, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, F, width, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    gates, m = record
    _, together, F = x.shape
    T, B, H = m.shape
    spare = np.empty(SPARE, h.dtype)
    N = B * H
    for t in range(T):
        before, now = t * N, (t * together + first) * F
        at = 0
        for gate in range(3):
            parts = 1 if gate < 2 else 0  # the candidate's h U stands alone, in m
            at = product(
                h, before, H, 1, parts, 0, H, x, now, F, F, packed[0], at, 0,
                gates, (gate * T + t) * N, H, B, H, spare,
            )  # fmt: skip
        product(h, before, H, 1, 1, 0, H, x, 0, 0, 0, packed[0], at, 0, m, t * N, H, B, H, spare)
        _step(
            gates[0, t].reshape(N), gates[1, t].reshape(N), gates[2, t].reshape(N), h[t].reshape(N),
            m[t].reshape(N), h[t + 1].reshape(N),
        )  # fmt: skip


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
    spare = np.empty(SPARE, h.dtype)
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            _step_back(
                dh[t].reshape(N), dh_carried.reshape(N),
                gates[0, t].reshape(N), gates[1, t].reshape(N), gates[2, t].reshape(N),
                m[t].reshape(N), h[t].reshape(N),
                pq[0, s].reshape(N), pq[1, s].reshape(N), pq[2, s].reshape(N), pq[3, s].reshape(N),
            )  # fmt: skip
            product(
                pq, s * N, H, 1, 2, S * N, H, pq, (3 * S + s) * N, H, H, packed[1], 0, 0,
                dh_carried, 0, H, B, H, spare,
            )  # fmt: skip
            _add_kept(dh[t].reshape(N), gates[1, t].reshape(N), dh_carried.reshape(N))
            if dx.shape[0] > 0:
                product(
                    pq, s * N, H, 1, 3, S * N, H, pq, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F, spare
                )  # fmt: skip
        steps = end - start
        for gate in range(3):
            at = gate * S * N
            of_h = at if gate < 2 else at + S * N
            add_gradients(
                x, (start * together + first) * F, together * F, F, h, start * N, H, pq, at, of_h, steps, B,
                dW, dU, db, 3 * H, gate * H, spare,
            )  # fmt: skip
        _add_rows(pq[3], steps, db_hn)


@inlined
def _add_rows(rows: Array, steps: int, total: Array) -> None:
    """Add the rows of the first timesteps of [S,B,H] to `total` [H]."""
    for s in range(steps):
        for i in range(rows.shape[1]):
            row = rows[s, i]
            for j in range(total.size):
                total[j] += row[j]


@inlined
def _step(r: Array, z: Array, n: Array, h_before: Array, m: Array, h: Array) -> None:
    """One timestep of all sequences, [B·H] each: the gates come as a, n without m, and leave activated."""
    for j in range(h.size):
        r[j] = sigmoid(r[j])
        z[j] = sigmoid(z[j])
        n[j] = tanh(n[j] + r[j] * m[j])
        h[j] = n[j] + z[j] * (h_before[j] - n[j])


@inlined
def _step_back(
    dh: Array, dh_carried: Array, r: Array, z: Array, n: Array, m: Array, h_before: Array,
    p_r: Array, p_z: Array, p_n: Array, q_n: Array,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills p and q."""
    one = dh.dtype.type(1)
    for j in range(dh.size):
        dh[j] += dh_carried[j]
        da_n = dh[j] * (one - z[j]) * (one - n[j] * n[j])
        p_r[j] = da_n * m[j] * r[j] * (one - r[j])
        p_z[j] = dh[j] * (h_before[j] - n[j]) * z[j] * (one - z[j])
        p_n[j] = da_n
        q_n[j] = da_n * r[j]


@inlined
def _add_kept(dh: Array, z: Array, dh_carried: Array) -> None:
    """Add δ_t ∘ z_t, what reaches h_{t-1} without passing any weight."""
    for j in range(dh.size):
        dh_carried[j] += dh[j] * z[j]
