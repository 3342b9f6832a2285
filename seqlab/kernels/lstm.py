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
from seqlab.kernels.matmul import SPARE, multiply, pack_transposed
from seqlab.kernels.matmul import pack as pack_columns


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b = parameters
    H, F = U.shape[0], W.shape[0]
    at = np.intp(0)
    for gate in range(4):
        at = pack_columns(b, gate * H, U, H, W, F, gate * H, H, packed[0], at)
    pack_transposed(U, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    h, c = carried
    gates, tanh_c = record
    _, together, F = x.shape
    T, B, H = tanh_c.shape
    inputs, states, a = x.reshape(x.size), h.reshape(h.size), gates.reshape(gates.size)
    spare, none, one = np.empty(SPARE, h.dtype), np.intp(0), np.intp(1)
    N = B * H
    for t in range(T):
        at = none
        for gate in range(4):
            at = multiply(
                states, t * N, H, one, none, H, inputs, (t * together + first) * F, F, F, packed[0], at,
                a, (gate * T + t) * N, H, B, H, spare,
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
    parts, S, N, F = da.shape[0], da.shape[1], B * H, x.shape[2]
    dz, to_before, to_below = da.reshape(da.size), dh_carried.reshape(N), dx.reshape(dx.size)
    spare, none = np.empty(SPARE, h.dtype), np.intp(0)
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            _step_back(
                dh[t].reshape(N), to_before, dc.reshape(N),
                gates[0, t].reshape(N), gates[1, t].reshape(N), gates[2, t].reshape(N), gates[3, t].reshape(N),
                tanh_c[t].reshape(N), c[t].reshape(N),
                da[0, s].reshape(N), da[1, s].reshape(N), da[2, s].reshape(N), da[3, s].reshape(N),
            )  # fmt: skip
            multiply(
                dz, s * N, H, parts, S * N, H, dz, none, none, none, packed[1], none, to_before, none, H, B, H, spare
            )  # fmt: skip
            if dx.shape[0] > 0:
                multiply(
                    dz, s * N, H, parts, S * N, H, dz, none, none, none, packed[2], none, to_below, t * B * F, F, B, F,
                    spare,
                )  # fmt: skip
        for gate in range(4):
            at = gate * S * N
            add_gradients(x, first, h, start, dz, at, at, end - start, dW, dU, db, gate * H, spare)


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
