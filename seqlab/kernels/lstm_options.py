"""Long short-term memory with options, forward and backward; `lstm` is the one without any.

    i_t, f_t = σ(x_t W + h_{t-1} U + b + p ∘ c_{t-1})     g_t = tanh(x_t W + h_{t-1} U + b)
    o_t = σ(x_t W + h_{t-1} U + b + p ∘ c_t)              (each with its own columns, and its own p [H])
    c_t = f_t ∘ c_{t-1} + i_t ∘ g_t                       h_t = o_t ∘ tanh(c_t)

The bits of `variant` say what differs:

    PEEPHOLES     without it there is no p (Gers & Schmidhuber 2000)
    COUPLED       f_t = 1 - i_t, without parameters of its own (Greff et al. 2017)
    NO_FORGET     f_t = 1, likewise (Hochreiter & Schmidhuber 1997)
    HARD          σ(a) is clip(a/6 + 1/2, 0, 1)

Backward, with δ_t = ∂L/∂h_t and γ_t = ∂L/∂c_t in total, from the last step to the first (a is what σ and tanh
are taken of, σ' = y(1 - y) or, if hard, 1/6 where 0 < y < 1, else 0):

    ∂L/∂a_o = δ_t ∘ tanh(c_t) ∘ σ'               γ_t += δ_t ∘ o_t ∘ (1 - tanh²(c_t)) + p_o ∘ ∂L/∂a_o
    ∂L/∂a_i = γ_t ∘ g_t ∘ σ'                     (coupled: γ_t ∘ (g_t - c_{t-1}) ∘ σ')
    ∂L/∂a_f = γ_t ∘ c_{t-1} ∘ σ'                 ∂L/∂a_g = γ_t ∘ i_t ∘ (1 - g_t²)
    γ_{t-1} = γ_t ∘ f_t + p_i ∘ ∂L/∂a_i + p_f ∘ ∂L/∂a_f
    ∂L/∂p_i = Σ c_{t-1} ∘ ∂L/∂a_i,  ∂L/∂p_f = Σ c_{t-1} ∘ ∂L/∂a_f,  ∂L/∂p_o = Σ c_t ∘ ∂L/∂a_o

and for δ_{t-1}, x, W, U and b as in `lstm`.

Shapes: with G = 4 gates in the order i, f, g, o, or G = 3 without f: W [F,GH], U [H,GH], b [GH], p_i, p_f and
p_o [H], or [0] where there is none; `packed` has p_i, p_f, p_o at its end; `carried` = (h [T+1,B,H],
c [T+1,B,H]); `record` = (gates [G,T,B,H] after activation,); `scratch` = (∂L/∂a [G,·,B,H] of some steps,).

A gate is one function here, `open_gate` and `open_gate_back`, and each way to remember a loop of its own.
"""

from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_gradients
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product

PEEPHOLES = 1
COUPLED = 2
NO_FORGET = 4
HARD = 8


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b, p_i, p_f, p_o = parameters
    F, width = W.shape
    H = U.shape[0]
    at = 0
    for column in range(0, width, H):
        at = pack_columns(b, column, U, width, H, W, width, F, column, H, packed[0], at)
    pack_transposed(U, width, 0, H, width, packed[1], 0)
    if packed[2].size > 0:
        pack_transposed(W, width, 0, F, width, packed[2], 0)
    peepholes = packed[3]
    for j in range(p_i.size):
        peepholes[j] = p_i[j]
    for j in range(p_f.size):
        peepholes[H + j] = p_f[j]
    for j in range(p_o.size):
        peepholes[2 * H + j] = p_o[j]


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:], c[1:] and the record. Arguments as in `seqlab.kernels`."""
    h, c = carried
    gates, p = record[0], packed[3]
    _, together, F = x.shape
    G, T, B, H = gates.shape
    N = B * H
    for t in range(T):
        at = 0
        for gate in range(G):
            at = product(
                h, t * N, H, 1, 1, 0, H, x, (t * together + first) * F, F, F, packed[0], at, 0,
                gates, (gate * T + t) * N, H, B, H
            )  # fmt: skip
        before, now = t * N, (t + 1) * N
        i, f, g, o = t * N, (T + t) * N, ((G - 2) * T + t) * N, ((G - 1) * T + t) * N
        open_gate(gates, i, p, 0, c, before, B, H, variant)
        if G == 4:
            open_gate(gates, f, p, H, c, before, B, H, variant)
        remember(gates, i, gates, f, gates, g, c, before, c, now, N, variant)
        open_gate(gates, o, p, 2 * H, c, now, B, H, variant)
        _show(gates, o, c, now, h, now, N)


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
    gates, p = record[0], packed[3]
    dh_carried, dc = carry
    dW, dU, db, dp_i, dp_f, dp_o = gradients
    da = scratch[0]
    T, B, H = dh.shape
    _, together, F = x.shape
    G, S, N = da.shape[0], da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            before, now = t * N, (t + 1) * N
            i, f, g, o = t * N, (T + t) * N, ((G - 2) * T + t) * N, ((G - 1) * T + t) * N
            da_i, da_f, da_g, da_o = s * N, (S + s) * N, ((G - 2) * S + s) * N, ((G - 1) * S + s) * N
            _show_back(dh, t * N, dh_carried, dc, gates, o, c, now, da, da_o, N)
            open_gate_back(da, da_o, gates, o, p, 2 * H, dc, B, H, variant)
            remember_back(
                dc, gates, i, gates, f, gates, g, c, before, da, da_i, da, da_f, da, da_g, N, variant
            )
            open_gate_back(da, da_i, gates, i, p, 0, dc, B, H, variant)
            if G == 4:
                open_gate_back(da, da_f, gates, f, p, H, dc, B, H, variant)
            product(
                da, s * N, H, 1, G, S * N, H, da, 0, 0, 0, packed[1], 0, 0, dh_carried, 0, H, B, H
            )  # fmt: skip
            if dx.shape[0] > 0:
                product(
                    da, s * N, H, 1, G, S * N, H, da, 0, 0, 0, packed[2], 0, 0, dx, t * B * F, F, B, F
                )  # fmt: skip
        steps = end - start
        for gate in range(G):
            at = gate * S * N
            add_gradients(
                x, (start * together + first) * F, together * F, F, h, start * N, H, da, at, at,
                steps, B, dW, dU, db, G * H, gate * H
            )  # fmt: skip
        if variant & PEEPHOLES:
            add_peepholes(da, 0, c, start * N, steps * B, dp_i, H)
            if G == 4:
                add_peepholes(da, S * N, c, start * N, steps * B, dp_f, H)
            add_peepholes(da, (G - 1) * S * N, c, (start + 1) * N, steps * B, dp_o, H)


@linked
def open_gate(
    y: Array, y_at: Int, p: Array, p_at: Int, c: Array, c_at: Int, B: Int, H: Int, variant: Int
) -> None:
    """One gate at one timestep of all sequences: it comes as a, without p∘c, and leaves activated."""
    vectorised()
    if variant & PEEPHOLES:
        for row in range(B):
            at = row * H
            for j in range(H):
                y[y_at + at + j] += p[p_at + j] * c[c_at + at + j]
    if variant & HARD:
        for j in range(B * H):
            a = y[y_at + j]
            zero, one = type(a)(0), type(a)(1)
            y_j = a / type(a)(6) + type(a)(0.5)
            # Written as comparisons, which are false for NaN and so let it through.
            y_j = zero if y_j < zero else y_j
            y[y_at + j] = one if y_j > one else y_j
    else:
        for j in range(B * H):
            y[y_at + j] = sigmoid(y[y_at + j])


@linked
def open_gate_back(
    da: Array, da_at: Int, y: Array, y_at: Int, p: Array, p_at: Int, dc: Array, B: Int, H: Int, variant: Int
) -> None:
    """One gate at one timestep: `da` comes as ∂L/∂y and leaves as ∂L/∂a; `dc` gains what p∘c passes back."""
    vectorised()
    if variant & HARD:
        for j in range(B * H):
            y_j = y[y_at + j]
            zero, one = type(y_j)(0), type(y_j)(1)
            slope = zero if y_j <= zero else one / type(y_j)(6)
            da[da_at + j] *= zero if y_j >= one else slope
    else:
        for j in range(B * H):
            y_j = y[y_at + j]
            da[da_at + j] *= y_j * (type(y_j)(1) - y_j)
    if variant & PEEPHOLES:
        for row in range(B):
            at = row * H
            for j in range(H):
                dc[at + j] += p[p_at + j] * da[da_at + at + j]


@linked
def remember(
    i: Array, i_at: Int, f: Array, f_at: Int, g: Array, g_at: Int, c_before: Array, before_at: Int,
    c: Array, c_at: Int, N: Int, variant: Int,
) -> None:  # fmt: skip
    """Fill c_t at one timestep, N = B·H numbers; g comes as a and leaves activated. There may be no f."""
    vectorised()
    if variant & COUPLED:
        for j in range(N):
            g_j, before = tanh(g[g_at + j]), c_before[before_at + j]
            g[g_at + j], c[c_at + j] = g_j, before + i[i_at + j] * (g_j - before)
    elif variant & NO_FORGET:
        for j in range(N):
            g_j = tanh(g[g_at + j])
            g[g_at + j], c[c_at + j] = g_j, c_before[before_at + j] + i[i_at + j] * g_j
    else:
        for j in range(N):
            g_j = tanh(g[g_at + j])
            g[g_at + j] = g_j
            c[c_at + j] = f[f_at + j] * c_before[before_at + j] + i[i_at + j] * g_j


@linked
def remember_back(
    dc: Array, i: Array, i_at: Int, f: Array, f_at: Int, g: Array, g_at: Int, c_before: Array, before_at: Int,
    da_i: Array, da_i_at: Int, da_f: Array, da_f_at: Int, da_g: Array, da_g_at: Int, N: Int, variant: Int,
) -> None:  # fmt: skip
    """One timestep: ∂L/∂i, ∂L/∂f and ∂L/∂a_g; `dc` comes as γ_t and leaves as the part of γ_{t-1} through c.

    There may be no f.
    """
    vectorised()
    if variant & COUPLED:
        for j in range(N):
            i_j, g_j, dc_j = i[i_at + j], g[g_at + j], dc[j]
            one = type(i_j)(1)
            da_i[da_i_at + j] = dc_j * (g_j - c_before[before_at + j])
            da_g[da_g_at + j] = dc_j * i_j * (one - g_j * g_j)
            dc[j] = dc_j * (one - i_j)
    elif variant & NO_FORGET:
        for j in range(N):
            g_j, dc_j = g[g_at + j], dc[j]
            da_i[da_i_at + j] = dc_j * g_j
            da_g[da_g_at + j] = dc_j * i[i_at + j] * (type(g_j)(1) - g_j * g_j)
    else:
        for j in range(N):
            g_j, dc_j = g[g_at + j], dc[j]
            da_i[da_i_at + j] = dc_j * g_j
            da_f[da_f_at + j] = dc_j * c_before[before_at + j]
            da_g[da_g_at + j] = dc_j * i[i_at + j] * (type(g_j)(1) - g_j * g_j)
            dc[j] = dc_j * f[f_at + j]


@linked
def _show(o: Array, o_at: Int, c: Array, c_at: Int, h: Array, h_at: Int, N: Int) -> None:
    """h_t at one timestep, N = B·H numbers."""
    vectorised()
    for j in range(N):
        h[h_at + j] = o[o_at + j] * tanh(c[c_at + j])


@linked
def _show_back(
    dh: Array, dh_at: Int, dh_carried: Array, dc: Array, o: Array, o_at: Int, c: Array, c_at: Int,
    da_o: Array, da_o_at: Int, N: Int,
) -> None:  # fmt: skip
    """One timestep: completes `dh`, fills ∂L/∂o, and adds to `dc` what comes back from h_t."""
    vectorised()
    for j in range(N):
        tanh_c_j, dh_j = tanh(c[c_at + j]), dh[dh_at + j] + dh_carried[j]
        dh[dh_at + j] = dh_j
        da_o[da_o_at + j] = dh_j * tanh_c_j
        dc[j] += dh_j * o[o_at + j] * (type(dh_j)(1) - tanh_c_j * tanh_c_j)


@linked
def add_peepholes(a: Array, a_at: Int, b: Array, b_at: Int, count: Int, total: Array, H: Int) -> None:
    """Add rows of H numbers of `a`, each times that of `b`, to `total`."""
    vectorised()
    for row in range(count):
        for j in range(H):
            total[j] += a[a_at + row * H + j] * b[b_at + row * H + j]
