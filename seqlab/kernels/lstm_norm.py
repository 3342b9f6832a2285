"""Long short-term memory with layer normalisation (Ba, Kiros & Hinton 2016, equations 20-22).

With N(a) = (a - mean(a))/√(variance(a) + 10⁻⁵) over a sequence's row, in `normal.py`:

    a_t = g_x ∘ N(x_t W) + g_h ∘ N(h_{t-1} U) + b         over all gates together
    h_t = o_t ∘ tanh(g_c ∘ N(c_t) + b_c)                  and the rest as in `lstm.py` and `lstm_options.py`

What h_t is told of c_t is normalised; the memory itself goes on as it is, and so it reaches peepholes.
Backward, with δ_t = ∂L/∂h_t and γ_t = ∂L/∂c_t in total and τ_t = tanh(g_c ∘ N(c_t) + b_c):

    ∂L/∂o_t = δ_t ∘ τ_t                     γ_t += N's way back from δ_t ∘ o_t ∘ (1 - τ_t²)

and the rest as there, but that ∂L/∂a_t takes N's way back before it meets each of W and U.

Shapes: with G = 4 gates in the order i, f, g, o, or G = 3 without f: W [F,GH], U [H,GH], b, g_x, g_h [GH],
g_c, b_c [H], peepholes p_i, p_f and p_o [H], or [0] where there is none; `packed` ends with g_c, b_c and the
peepholes side by side; `carried` = (h [T+1,B,H], c [T+1,B,H]); `record` = (gates [G,T,B,H] after
activation, N(x W) [T,B,GH], N(h U) [T,B,GH], the scale of each [T,B], N(c) [T,B,H], its scale [T,B]);
`scratch` = (∂L/∂a [G,·,B,H] of some steps, ∂L/∂(x W) and ∂L/∂(h U) [·,B,GH] of these, the derivatives by
what tanh is taken of and by what of c went there [2,B,H]). `variant` is as in `lstm_options.py`.
"""

from seqlab.kernels.activations import tanh
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_bias
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.lstm_options import (
    PEEPHOLES,
    add_peepholes,
    open_gate,
    open_gate_back,
    remember,
    remember_back,
)
from seqlab.kernels.normal import (
    add_up,
    inputs_back,
    normal_sums,
    normalise,
    normalise_back,
    pack_sides,
    states_back,
)


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b, x_gain, h_gain, c_gain, c_bias, p_i, p_f, p_o = parameters
    F, H = W.shape[0], U.shape[0]
    below = F if packed[2].size > 0 else 0
    pack_sides(W, F, U, H, U.shape[1], packed[4], packed[3], packed[0], packed[1], packed[2], below)
    packed[5][:] = b
    packed[6][:] = x_gain
    packed[7][:] = h_gain
    packed[8][:] = c_gain
    packed[9][:] = c_bias
    packed[10][: p_i.size] = p_i
    packed[10][H : H + p_f.size] = p_f
    packed[10][2 * H : 2 * H + p_o.size] = p_o


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    h, c = carried
    gates, of_x, of_h, x_scale, h_scale, of_c, c_scale = record
    h_side, _, _, x_side, _, b, x_gain, h_gain, c_gain, c_bias, p = packed
    _, together, F = x.shape
    G, T, B, H = gates.shape
    N, width = B * H, G * H
    normal_sums(x, first * F, together * F, F, x_side, of_x, 0, x_scale, 0, T, B, width)
    for t in range(T):
        before, now, row = t * N, (t + 1) * N, t * B * width
        i, f, g, o = t * N, (T + t) * N, ((G - 2) * T + t) * N, ((G - 1) * T + t) * N
        normal_sums(h, before, N, H, h_side, of_h, row, h_scale, t * B, 1, B, width)
        add_up(b, x_gain, of_x, row, h_gain, of_h, row, width, gates, i, T * N, G, B, H)
        open_gate(gates, i, p, 0, c, before, B, H, variant)
        if G == 4:
            open_gate(gates, f, p, H, c, before, B, H, variant)
        remember(gates, i, gates, f, gates, g, c, before, c, now, N, variant)
        open_gate(gates, o, p, 2 * H, c, now, B, H, variant)
        of_c[t] = c[t + 1]
        normalise(of_c, t * N, c_scale, t * B, B, H)
        _tell(gates, o, of_c, t * N, c_gain, c_bias, h, now, B, H)


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
    gates, of_x, of_h, x_scale, h_scale, of_c, c_scale = record
    _, h_back, x_back, _, _, _, x_gain, h_gain, c_gain, c_bias, p = packed
    dh_carried, dc = carry
    dW, dU, db, dx_gain, dh_gain, dc_gain, dc_bias, dp_i, dp_f, dp_o = gradients
    da, x_sums, h_sums, told = scratch
    T, B, H = dh.shape
    _, together, F = x.shape
    G, S, N = da.shape[0], da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            before = t * N
            i, f, g, o = t * N, (T + t) * N, ((G - 2) * T + t) * N, ((G - 1) * T + t) * N
            da_i, da_f, da_g, da_o = s * N, (S + s) * N, ((G - 2) * S + s) * N, ((G - 1) * S + s) * N
            _tell_back(
                dh, t * N, dh_carried, gates, o, of_c, t * N, c_gain, c_bias, da, da_o, told, B, H
            )  # fmt: skip
            normalise_back(told, 0, 0, 0, 1, c_gain, of_c, t * N, c_scale, t * B, dc_gain, told, N, B, H)
            add_bias(told, 0, B, dc_bias, 0, H)
            add_bias(told, N, 1, dc, 0, N)
            open_gate_back(da, da_o, gates, o, p, 2 * H, dc, B, H, variant)
            remember_back(
                dc, gates, i, gates, f, gates, g, c, before, da, da_i, da, da_f, da, da_g, N, variant
            )
            open_gate_back(da, da_i, gates, i, p, 0, dc, B, H, variant)
            if G == 4:
                open_gate_back(da, da_f, gates, f, p, H, dc, B, H, variant)
            states_back(
                da, da_i, S * N, da_o, G, h_gain, of_h, h_scale, t, dh_gain, h_sums, s, h_back,
                dh_carried, B, H
            )  # fmt: skip
        steps = end - start
        inputs_back(
            da, S * N, G, x_gain, of_x, x_scale, dx_gain, x_sums, h_sums,
            x, (start * together + first) * F, together * F, F, h, H, start, steps, B,
            x_back, dx, dx.shape[0], dW, dU, db
        )  # fmt: skip
        if variant & PEEPHOLES:
            add_peepholes(da, 0, c, start * N, steps * B, dp_i, H)
            if G == 4:
                add_peepholes(da, S * N, c, start * N, steps * B, dp_f, H)
            add_peepholes(da, (G - 1) * S * N, c, (start + 1) * N, steps * B, dp_o, H)


@linked
def _tell(
    o: Array, o_at: Int, of_c: Array, of_c_at: Int, gain: Array, bias: Array, h: Array, h_at: Int,
    B: Int, H: Int,
) -> None:  # fmt: skip
    """One timestep of all sequences: fills h_t from N(c_t)."""
    vectorised()
    for row in range(0, B * H, H):
        for j in range(H):
            told = tanh(gain[j] * of_c[of_c_at + row + j] + bias[j])
            h[h_at + row + j] = o[o_at + row + j] * told


@linked
def _tell_back(
    dh: Array, dh_at: Int, dh_carried: Array, o: Array, o_at: Int, of_c: Array, of_c_at: Int,
    gain: Array, bias: Array, da_o: Array, da_o_at: Int, dtold: Array, B: Int, H: Int,
) -> None:  # fmt: skip
    """One timestep: completes `dh`, fills ∂L/∂o_t, and the derivative by what tanh was taken of."""
    vectorised()
    for row in range(0, B * H, H):
        for j in range(H):
            dh_j = dh[dh_at + row + j] + dh_carried[row + j]
            told = tanh(gain[j] * of_c[of_c_at + row + j] + bias[j])
            dh[dh_at + row + j] = dh_j
            da_o[da_o_at + row + j] = dh_j * told
            dtold[row + j] = dh_j * o[o_at + row + j] * (type(dh_j)(1) - told * told)
