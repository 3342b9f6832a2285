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
`record` = (gates [4,T,B,H] after activation, tanh_c [T,B,H]); `scratch` = (∂L/∂a [4,·,B,H] of some steps,).
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
    W, U, b = parameters
    H, F = U.shape[0], W.shape[0]
    at = 0
    for gate in range(4):
        at = pack_columns(b, gate * H, U, 4 * H, H, W, 4 * H, F, gate * H, H, packed[0], at)
    pack_transposed(U, H, U.shape[1], packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, F, W.shape[1], packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    h, c = carried
    gates, tanh_c = record
    _, together, F = x.shape
    T, B, H = tanh_c.shape
    spare = np.empty(SPARE, h.dtype)
    N = B * H
    for t in range(T):
        at = 0
        for gate in range(4):
            at = product(
                h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], at, 0,
                gates, (gate * T + t) * N, H, B, H, spare,
            )  # fmt: skip
        _step(
            gates[0, t].reshape(N), gates[1, t].reshape(N), gates[2, t].reshape(N), gates[3, t].reshape(N),
            c[t].reshape(N), c[t + 1].reshape(N), tanh_c[t].reshape(N), h[t + 1].reshape(N),
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
    h, c = carried
    gates, tanh_c = record
    dh_carried, dc = carry
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
                dh[t].reshape(N), dh_carried.reshape(N), dc.reshape(N),
                gates[0, t].reshape(N), gates[1, t].reshape(N),
                gates[2, t].reshape(N), gates[3, t].reshape(N),
                tanh_c[t].reshape(N), c[t].reshape(N),
                da[0, s].reshape(N), da[1, s].reshape(N), da[2, s].reshape(N), da[3, s].reshape(N),
            )  # fmt: skip
            product(
                da, s * N, H, 1, 4, S * N, H, da, 0, 0, 0, packed[1], 0, 0, dh_carried, 0, H, B, H, spare
            )  # fmt: skip
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 4, S * N, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F, spare
                )  # fmt: skip
        for gate in range(4):
            at = gate * S * N
            add_gradients(
                x, (start * together + first) * F, together * F, F, h, start * N, H, da, at, at,
                end - start, B, dW, dU, db, 4 * H, gate * H, spare,
            )  # fmt: skip


@inlined
def _step(i: Array, f: Array, g: Array, o: Array, c_before: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """One timestep of all sequences, [B·H] each: the gates come as a and leave activated."""
    for j in range(h.size):
        i[j] = sigmoid(i[j])
        f[j] = sigmoid(f[j])
        g[j] = tanh(g[j])
        o[j] = sigmoid(o[j])
        c[j] = f[j] * c_before[j] + i[j] * g[j]
        tanh_c[j] = tanh(c[j])
        h[j] = o[j] * tanh_c[j]


@inlined
def _step_back(
    dh: Array, dh_carried: Array, dc: Array, i: Array, f: Array, g: Array, o: Array, tanh_c: Array,
    c_before: Array, da_i: Array, da_f: Array, da_g: Array, da_o: Array,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills ∂L/∂a; `dc` comes from t+1 and leaves for t-1."""
    one = dh.dtype.type(1)
    for j in range(dh.size):
        dh[j] += dh_carried[j]
        dc_total = dc[j] + dh[j] * o[j] * (one - tanh_c[j] * tanh_c[j])
        da_i[j] = dc_total * g[j] * i[j] * (one - i[j])
        da_f[j] = dc_total * c_before[j] * f[j] * (one - f[j])
        da_g[j] = dc_total * i[j] * (one - g[j] * g[j])
        da_o[j] = dh[j] * tanh_c[j] * o[j] * (one - o[j])
        dc[j] = dc_total * f[j]
