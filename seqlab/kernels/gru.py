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
`record` = (gates [T,B,3H] after activation, m [T,B,H]).
"""

import numpy as np

from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import Array, Arrays, jit
from seqlab.kernels.linear import add_bias_gradient, add_row, add_weight_gradient


@jit
def forward(
    x: Array, parameters: Arrays, carried: Arrays, record: Arrays, scratch: Arrays, variant: int
) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    W, U, b, b_hn = parameters
    h = carried[0]
    gates, m = record
    recurrent = scratch[0]
    T, B, F = x.shape
    H = h.shape[2]
    np.dot(x.reshape(T * B, F), W, gates.reshape(T * B, 3 * H))
    for t in range(T):
        np.dot(h[t], U, recurrent)
        for i in range(B):
            _step(gates[t, i], recurrent[i], b, b_hn, h[t, i], m[t, i], h[t + 1, i])


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
    W, U, _, _ = parameters
    h = carried[0]
    gates, m = record
    dh_carried = carry[0]
    dW, dU, db, db_hn = gradients
    _, p, q, dW_product, dU_product = scratch
    T, B, F = x.shape
    H = h.shape[2]
    for t in range(T - 1, -1, -1):
        for i in range(B):
            _step_back(dh[t, i], dh_carried[i], gates[t, i], m[t, i], h[t, i], p[t, i], q[t, i])
        np.dot(q[t], U.T, dh_carried)
        for i in range(B):
            _add_kept(dh[t, i], gates[t, i], dh_carried[i])
    p_rows = p.reshape(T * B, 3 * H)
    q_rows = q.reshape(T * B, 3 * H)
    add_weight_gradient(x.reshape(T * B, F), p_rows, dW_product, dW)
    add_weight_gradient(h[:T].reshape(T * B, H), q_rows, dU_product, dU)
    add_bias_gradient(p_rows, db)
    for row in range(T * B):
        add_row(q_rows[row, 2 * H :], db_hn)
    if dx.shape[0] > 0:
        np.dot(p_rows, W.T, dx.reshape(T * B, F))


@jit
def _step(gates: Array, recurrent: Array, b: Array, b_hn: Array, h_before: Array, m: Array, h: Array) -> None:
    """One sequence, one timestep, rows [3H] and [H]: `gates` comes with x_t W and leaves activated."""
    H = h.size
    for j in range(2 * H):
        gates[j] = sigmoid(gates[j] + recurrent[j] + b[j])
    r, z, n = gates[:H], gates[H : 2 * H], gates[2 * H :]
    recurrent_n, b_n = recurrent[2 * H :], b[2 * H :]
    for j in range(H):
        m[j] = recurrent_n[j] + b_hn[j]
        n[j] = tanh(n[j] + b_n[j] + r[j] * m[j])
        h[j] = n[j] + z[j] * (h_before[j] - n[j])


@jit
def _step_back(
    dh: Array, dh_carried: Array, gates: Array, m: Array, h_before: Array, p: Array, q: Array
) -> None:
    """One sequence, one timestep, rows [3H] and [H]: completes `dh`, fills `p` and `q`."""
    H = dh.size
    one = dh.dtype.type(1)
    r, z, n = gates[:H], gates[H : 2 * H], gates[2 * H :]
    p_r, p_z, p_n = p[:H], p[H : 2 * H], p[2 * H :]
    q_m = q[2 * H :]
    for j in range(H):
        dh[j] += dh_carried[j]
        da_n = dh[j] * (one - z[j]) * (one - n[j] * n[j])
        da_z = dh[j] * (h_before[j] - n[j]) * z[j] * (one - z[j])
        da_r = da_n * m[j] * r[j] * (one - r[j])
        p_r[j] = da_r
        p_z[j] = da_z
        p_n[j] = da_n
        q_m[j] = da_n * r[j]
    for j in range(2 * H):
        q[j] = p[j]


@jit
def _add_kept(dh: Array, gates: Array, dh_carried: Array) -> None:
    """Add δ_t ∘ z_t, what reaches h_{t-1} without passing any weight."""
    H = dh.size
    z = gates[H : 2 * H]
    for j in range(H):
        dh_carried[j] += dh[j] * z[j]
