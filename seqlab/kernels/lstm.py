"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers 2000), forward and backward.

    i_t, f_t, o_t = σ(x_t W + h_{t-1} U + b)     g_t = tanh(x_t W + h_{t-1} U + b)     (own columns each)
    c_t = f_t ∘ c_{t-1} + i_t ∘ g_t              h_t = o_t ∘ tanh(c_t)

Backward, with δ_t = ∂L/∂h_t and γ_t = ∂L/∂c_t in total, from the last step to the first (a is what σ and tanh
are taken of):

    γ_t += δ_t ∘ o_t ∘ (1 - tanh²(c_t))
    ∂L/∂a_i = γ_t ∘ g_t ∘ i_t(1 - i_t)           ∂L/∂a_f = γ_t ∘ c_{t-1} ∘ f_t(1 - f_t)
    ∂L/∂a_g = γ_t ∘ i_t ∘ (1 - g_t²)             ∂L/∂a_o = δ_t ∘ tanh(c_t) ∘ o_t(1 - o_t)
    γ_{t-1} = γ_t ∘ f_t                          δ_{t-1} += ∂L/∂a_t Uᵀ
    ∂L/∂x_t = ∂L/∂a_t Wᵀ,    ∂L/∂W = Σ x_tᵀ ∂L/∂a_t,    ∂L/∂U = Σ h_{t-1}ᵀ ∂L/∂a_t,    ∂L/∂b = Σ ∂L/∂a_t

Shapes: W [F,4H], U [H,4H], b [4H], gates in the order i, f, g, o; `carried` = (h [T+1,B,H], c [T+1,B,H]);
`record` = (gates [T,B,4H] after activation, tanh_c [T,B,H]).
"""

import numpy as np

from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import Array, Arrays, jit
from seqlab.kernels.linear import add_bias_gradient, add_weight_gradient


@jit
def forward(
    x: Array, parameters: Arrays, carried: Arrays, record: Arrays, scratch: Arrays, variant: int
) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    h, c = carried
    gates, tanh_c = record
    recurrent = scratch[0]
    T, B, F = x.shape
    H = h.shape[2]
    np.dot(x.reshape(T * B, F), W, gates.reshape(T * B, 4 * H))
    for t in range(T):
        np.dot(h[t], U, recurrent)
        for n in range(B):
            _step(gates[t, n], recurrent[n], b, c[t, n], c[t + 1, n], tanh_c[t, n], h[t + 1, n])


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
    h, c = carried
    gates, tanh_c = record
    dh_carried, dc = carry
    dW, dU, db = gradients
    _, da, dW_product, dU_product = scratch
    T, B, F = x.shape
    H = h.shape[2]
    for t in range(T - 1, -1, -1):
        for n in range(B):
            _step_back(dh[t, n], dh_carried[n], dc[n], gates[t, n], tanh_c[t, n], c[t, n], da[t, n])
        np.dot(da[t], U.T, dh_carried)
    da_rows = da.reshape(T * B, 4 * H)
    add_weight_gradient(x.reshape(T * B, F), da_rows, dW_product, dW)
    add_weight_gradient(h[:T].reshape(T * B, H), da_rows, dU_product, dU)
    add_bias_gradient(da_rows, db)
    if dx.shape[0] > 0:
        np.dot(da_rows, W.T, dx.reshape(T * B, F))


@jit
def _step(
    gates: Array, recurrent: Array, b: Array, c_before: Array, c: Array, tanh_c: Array, h: Array
) -> None:
    """One sequence, one timestep, rows [4H] and [H]: `gates` comes with x_t W and leaves activated."""
    H = h.size
    for j in range(4 * H):
        gates[j] += recurrent[j] + b[j]
    i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    for j in range(H):
        i[j] = sigmoid(i[j])
        f[j] = sigmoid(f[j])
        g[j] = tanh(g[j])
        o[j] = sigmoid(o[j])
        c[j] = f[j] * c_before[j] + i[j] * g[j]
        tanh_c[j] = tanh(c[j])
        h[j] = o[j] * tanh_c[j]


@jit
def _step_back(
    dh: Array, dh_carried: Array, dc: Array, gates: Array, tanh_c: Array, c_before: Array, da: Array
) -> None:
    """One sequence, one timestep: completes `dh`, fills `da`; `dc` comes from t+1 and leaves for t-1."""
    H = dh.size
    one = dh.dtype.type(1)
    i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    da_i, da_f, da_g, da_o = da[:H], da[H : 2 * H], da[2 * H : 3 * H], da[3 * H :]
    for j in range(H):
        dh[j] += dh_carried[j]
        dc_total = dc[j] + dh[j] * o[j] * (one - tanh_c[j] * tanh_c[j])
        da_i[j] = dc_total * g[j] * i[j] * (one - i[j])
        da_f[j] = dc_total * c_before[j] * f[j] * (one - f[j])
        da_g[j] = dc_total * i[j] * (one - g[j] * g[j])
        da_o[j] = dh[j] * tanh_c[j] * o[j] * (one - o[j])
        dc[j] = dc_total * f[j]
