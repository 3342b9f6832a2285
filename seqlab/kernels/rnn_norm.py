"""Elman's recurrent network with layer normalisation (Ba, Kiros & Hinton 2016).

    a_t = g_x ∘ N(x_t W) + g_h ∘ N(h_{t-1} U) + b          h_t = φ(a_t)

with N(a) = (a - mean(a))/√(variance(a) + 10⁻⁵) over a sequence's row, in `normal.py`. φ and its way back are
those of `rnn.py` and `rnn_more.py`; then ∂L/∂a_t takes N's way back before it meets each of W and U.

Shapes: W [F,H], U [H,H], b, g_x, g_h [H]; `carried` = (h [T+1,B,H],); `record` = (N(x W) [T,B,H],
N(h U) [T,B,H], the scale of each [T,B]); `scratch` = (∂L/∂a [1,·,B,H] of some steps, ∂L/∂(x W) and ∂L/∂(h U)
[·,B,H] of these); `variant` is as there.
"""

from seqlab.kernels import rnn, rnn_more
from seqlab.kernels.jit import Array, Arrays, jit
from seqlab.kernels.normal import add_up, inputs_back, normal_sums, pack_sides, states_back


@jit
def pack(parameters: Arrays, packed: Arrays) -> None:
    """Arrange the weights as the other two read them. Arguments as in `seqlab.kernels`."""
    W, U, b, x_gain, h_gain = parameters
    F, H = W.shape
    below = F if packed[2].size > 0 else 0
    pack_sides(W, F, U, H, H, packed[4], packed[3], packed[0], packed[1], packed[2], below)
    packed[5][:] = b
    packed[6][:] = x_gain
    packed[7][:] = h_gain


@jit
def forward(x: Array, first: int, packed: Arrays, carried: Arrays, record: Arrays, variant: int) -> None:
    """Run the window forward: fills h[1:] and the record. Arguments as in `seqlab.kernels`."""
    h = carried[0]
    of_x, of_h, x_scale, h_scale = record
    h_side, _, _, x_side, _, b, x_gain, h_gain = packed
    _, together, F = x.shape
    T, B, H = of_h.shape
    N = B * H
    normal_sums(x, first * F, together * F, F, x_side, of_x, 0, x_scale, 0, T, B, H)
    for t in range(T):
        before, now = t * N, (t + 1) * N
        normal_sums(h, before, N, H, h_side, of_h, before, h_scale, t * B, 1, B, H)
        add_up(b, x_gain, of_x, before, h_gain, of_h, before, H, h, now, N, 1, B, H)
        if variant <= rnn.RELU:
            rnn.activate(h, now, N, variant)
        else:
            rnn_more.activate(h, now, N, variant)


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
    of_x, of_h, x_scale, h_scale = record
    _, h_back, x_back, _, _, _, x_gain, h_gain = packed
    dh_carried = carry[0]
    dW, dU, db, dx_gain, dh_gain = gradients
    da, x_sums, h_sums = scratch
    T, B, H = dh.shape
    _, together, F = x.shape
    S, N = da.shape[1], B * H
    for end in range(T, 0, -S):
        start = max(0, end - S)
        for t in range(end - 1, start - 1, -1):
            s = t - start
            if variant <= rnn.RELU:
                rnn.step_back(dh, t * N, dh_carried, h, (t + 1) * N, da, s * N, N, variant)
            else:
                rnn_more.step_back(dh, t * N, dh_carried, h, (t + 1) * N, da, s * N, N, variant)
            states_back(
                da, s * N, 0, s * N, 1, h_gain, of_h, h_scale, t, dh_gain, h_sums, s, h_back, dh_carried, B, H
            )  # fmt: skip
        inputs_back(
            da, 0, 1, x_gain, of_x, x_scale, dx_gain, x_sums, h_sums,
            x, (start * together + first) * F, together * F, F, h, H, start, end - start, B,
            x_back, dx, dx.shape[0], dW, dU, db
        )  # fmt: skip
