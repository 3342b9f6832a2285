"""Gated recurrent unit with layer normalisation (Ba, Kiros & Hinton 2016), reset after the product.

With N(a) = (a - mean(a))/√(variance(a) + 10⁻⁵) over a sequence's row, of all three gates together, in
`normal.py`:

    x̂_t, ĥ_t = g_x ∘ N(x_t W), g_h ∘ N(h_{t-1} U)
    r_t, z_t = σ(x̂_t + ĥ_t + b)                  each with its own columns
    m_t = ĥ_t + b_hn                              n_t = tanh(x̂_t + b + r_t ∘ m_t)    (columns of n)
    h_t = (1 - z_t) ∘ n_t + z_t ∘ h_{t-1}

These steps and their way back are those of `gru.py`; then the derivatives by x̂ and ĥ take N's way back
before they meet W and U.

Shapes: W [F,3H], U [H,3H], b, g_x, g_h [3H], b_hn [H], gates in the order r, z, n; `carried` =
(h [T+1,B,H],); `record` = (gates [3,T,B,H] after activation, m [T,B,H], N(x W) [T,B,3H], N(h U) [T,B,3H], the
scale of each [T,B]); `scratch` = (r, z, n of ∂L/∂x̂ and n of ∂L/∂ĥ [4,·,B,H] of some steps, ∂L/∂(x W) and
∂L/∂(h U) [·,B,3H] of these).
"""

from seqlab.kernels.gru import add_kept, step, step_back
from seqlab.kernels.jit import Array, Arrays, Int, jit
from seqlab.kernels.linear import add_bias
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.normal import add_up, inputs_back, normal_sums, pack_sides, states_back


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b, x_gain, h_gain, b_hn = parameters
    F, below = W.shape[0], W.shape[0] if packed[2].size > 0 else 0
    pack_sides(
        W, F, U, U.shape[0], U.shape[1], packed[4], packed[3], packed[0], packed[1], packed[2], below
    )  # fmt: skip
    packed[5][:] = b
    packed[6][:] = x_gain
    packed[7][:] = h_gain
    packed[8][:] = b_hn


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    gates, m, of_x, of_h, x_scale, h_scale = record
    h_side, _, _, x_side, _, b, x_gain, h_gain, b_hn = packed
    _, together, F = x.shape
    T, B, H = m.shape
    N, width = B * H, 3 * H
    normal_sums(x, first * F, together * F, F, x_side, of_x, 0, x_scale, 0, T, B, width)
    for t in range(T):
        at, row = t * N, t * B * width
        r, z, n = at, at + T * N, at + 2 * T * N
        normal_sums(h, at, N, H, h_side, of_h, row, h_scale, t * B, 1, B, width)
        add_up(b, x_gain, of_x, row, h_gain, of_h, row, width, gates, at, T * N, 2, B, H)
        _scaled(b, x_gain, 2 * H, 2 * H, of_x, row + 2 * H, width, gates, n, B, H)
        _scaled(b_hn, h_gain, 0, 2 * H, of_h, row + 2 * H, width, m, at, B, H)
        step(gates, r, gates, z, gates, n, h, at, m, at, h, at + N, N)


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
    gates, m, of_x, of_h, x_scale, h_scale = record
    _, h_back, x_back, _, _, _, x_gain, h_gain, _ = packed
    dh_carried = carry[0]
    dW, dU, db, dx_gain, dh_gain, db_hn = gradients
    pq, x_sums, h_sums = scratch
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = pq.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s, at = t - start, t * N
            r, z, n, of_m = s * N, (S + s) * N, (2 * S + s) * N, (3 * S + s) * N
            step_back(
                dh, at, dh_carried, gates, at, gates, at + T * N, gates, at + 2 * T * N, m, at, h, at,
                pq, r, pq, z, pq, n, pq, of_m, N,
            )  # fmt: skip
            states_back(
                pq, r, S * N, of_m, 3, h_gain, of_h, h_scale, t, dh_gain, h_sums, s, h_back, dh_carried, B, H
            )  # fmt: skip
            add_kept(dh, at, gates, at + T * N, dh_carried, N)
        inputs_back(
            pq, S * N, 3, x_gain, of_x, x_scale, dx_gain, x_sums, h_sums,
            x, (start * together + first) * F, together * F, F, h, H, start, end - start, B,
            x_back, dx, dx.shape[0], dW, dU, db
        )  # fmt: skip
        add_bias(pq, 3 * S * N, (end - start) * B, db_hn, 0, H)


@linked
def _scaled(
    bias: Array, gain: Array, bias_at: Int, gain_at: Int, normal: Array, normal_at: Int, width: Int,
    out: Array, out_at: Int, B: Int, H: Int,
) -> None:  # fmt: skip
    """One gate of b + g ∘ â, from rows of `width` numbers."""
    vectorised()
    for row in range(B):
        for j in range(H):
            out[out_at + row * H + j] = (
                bias[bias_at + j] + gain[gain_at + j] * normal[normal_at + row * width + j]
            )
