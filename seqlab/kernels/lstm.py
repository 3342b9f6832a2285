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
`record` = (gates [4,T,B,H] after activation,); `scratch` = (∂L/∂a [4,·,B,H] of some steps,).
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
    at = 0
    for gate in range(4):
        at = pack_columns(b, gate * H, U, 4 * H, H, W, 4 * H, F, gate * H, H, packed[0], at)
    pack_transposed(U, U.shape[1], 0, H, U.shape[1], packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, W.shape[1], 0, F, W.shape[1], packed[2], 0)


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    h, c = carried
    gates = record[0]
    _, together, F = x.shape
    _, T, B, H = gates.shape
    N = B * H
    for t in range(T):
        at = 0
        for gate in range(4):
            at = product(
                h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], at, 0,
                gates, (gate * T + t) * N, H, B, H
            )  # fmt: skip
        i, f, g, o = t * N, (T + t) * N, (2 * T + t) * N, (3 * T + t) * N
        _step(gates, i, gates, f, gates, g, gates, o, c, i, c, i + N, h, i + N, N)


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
    gates = record[0]
    dh_carried, dc = carry
    dW, dU, db = gradients
    da = scratch[0]
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            at = t * N
            _step_back(
                dh, at, dh_carried, dc,
                gates, at, gates, at + T * N, gates, at + 2 * T * N, gates, at + 3 * T * N,
                c, at, c, at + N,
                da, s * N, da, (S + s) * N, da, (2 * S + s) * N, da, (3 * S + s) * N, N,
            )  # fmt: skip
            product(
                da, s * N, H, 1, 4, S * N, H, da, 0, 0, 0, packed[1], 0, 0, dh_carried, 0, H, B, H
            )  # fmt: skip
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, 4, S * N, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        for gate in range(4):
            at = gate * S * N
            add_gradients(
                x, (start * together + first) * F, together * F, F, h, start * N, H, da, at, at,
                end - start, B, dW, dU, db, 4 * H, gate * H
            )  # fmt: skip


@linked
def _step(
    i: Array, i_at: Int, f: Array, f_at: Int, g: Array, g_at: Int, o: Array, o_at: Int,
    c_before: Array, before_at: Int, c: Array, c_at: Int, h: Array, h_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences, N = B·H numbers each: the gates come as a and leave activated."""
    vectorised()
    for j in range(N):
        i_j, f_j = sigmoid(i[i_at + j]), sigmoid(f[f_at + j])
        g_j, o_j = tanh(g[g_at + j]), sigmoid(o[o_at + j])
        c_j = f_j * c_before[before_at + j] + i_j * g_j
        i[i_at + j], f[f_at + j], g[g_at + j], o[o_at + j] = i_j, f_j, g_j, o_j
        c[c_at + j], h[h_at + j] = c_j, o_j * tanh(c_j)


@linked
def _step_back(
    dh: Array, dh_at: Int, dh_carried: Array, dc: Array, i: Array, i_at: Int, f: Array, f_at: Int,
    g: Array, g_at: Int, o: Array, o_at: Int, c_before: Array, before_at: Int, c: Array, c_at: Int,
    da_i: Array, da_i_at: Int, da_f: Array, da_f_at: Int, da_g: Array, da_g_at: Int,
    da_o: Array, da_o_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: completes `dh`, fills ∂L/∂a; `dc` comes from t+1 and leaves for t-1.

    tanh(c) is computed once more, which takes less time than to keep it and read it again.
    """
    vectorised()
    for j in range(N):
        i_j, f_j, g_j, o_j = i[i_at + j], f[f_at + j], g[g_at + j], o[o_at + j]
        tanh_c_j, dh_j = tanh(c[c_at + j]), dh[dh_at + j] + dh_carried[j]
        one = type(i_j)(1)
        dc_j = dc[j] + dh_j * o_j * (one - tanh_c_j * tanh_c_j)
        dh[dh_at + j] = dh_j
        da_i[da_i_at + j] = dc_j * g_j * i_j * (one - i_j)
        da_f[da_f_at + j] = dc_j * c_before[before_at + j] * f_j * (one - f_j)
        da_g[da_g_at + j] = dc_j * i_j * (one - g_j * g_j)
        da_o[da_o_at + j] = dh_j * tanh_c_j * o_j * (one - o_j)
        dc[j] = dc_j * f_j
