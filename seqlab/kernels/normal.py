"""Layer normalisation of the sums inside a recurrent layer (Ba, Kiros & Hinton 2016), forward and backward.

Each sequence's row of sums a = x_t W, or a = h_{t-1} U, of all G gates together, is brought to mean 0 and
variance 1, before a gain g scales each number:

    μ = mean(a)        s = 1/√(mean((a - μ)²) + 10⁻⁵)        â = s (a - μ)        y = g ∘ â

Backward, from ∂L/∂y, with d = g ∘ ∂L/∂y:

    ∂L/∂a = s (d - mean(d) - â ∘ mean(d ∘ â))        ∂L/∂g = Σ ∂L/∂y ∘ â

The mean is taken away before anything is squared, as what is left of a large mean's square would be noise.

Rows are [·,G·H] with the gates side by side, as the products of matrices give them; gates are [G,·,B,H], as
the rest of a cell takes them. What is kept of the forward pass is â and s.
"""

import math

from seqlab.kernels.jit import Array, Int
from seqlab.kernels.linear import add_bias, add_products
from seqlab.kernels.linked import linked, vectorised
from seqlab.kernels.matmul import pack as pack_columns
from seqlab.kernels.matmul import pack_transposed, product

EPSILON = 1e-5
"""Added to the variance, so that a row of equal numbers becomes zeros; PyTorch's."""


@linked
def pack_sides(
    W: Array, F: Int, U: Array, H: Int, width: Int, zeros: Array, x_side: Array, h_side: Array,
    h_back: Array, x_back: Array, below: Int,
) -> None:  # fmt: skip
    """Pack the weights of the inputs and those of the states apart, for both directions.

    Args:
        W: [F,width].
        F: features.
        U: [H,width].
        H: units.
        width: G·H.
        zeros: as many as `width`, the bias of sums that have none yet.
        x_side: for x W.
        h_side: for h U.
        h_back: for products with Uᵀ.
        x_back: for products with Wᵀ.
        below: 0 if these are not wanted, else F.
    """
    pack_columns(zeros, 0, U, width, 0, W, width, F, 0, width, x_side, 0)
    pack_columns(zeros, 0, U, width, H, W, width, 0, 0, width, h_side, 0)
    pack_transposed(U, width, 0, H, width, h_back, 0)
    pack_transposed(W, width, 0, below, width, x_back, 0)


@linked
def normal_sums(
    a: Array, a_at: Int, a_step: Int, K: Int, packed: Array, normal: Array, normal_at: Int,
    scale: Array, scale_at: Int, steps: Int, B: Int, width: Int,
) -> None:  # fmt: skip
    """Multiply rows of K numbers by packed weights, and normalise what comes out.

    Args:
        a: the B rows of the first timestep stand at `a_at`.
        a_at: see `a`.
        a_step: from timestep to timestep; B·K if there is nothing between.
        K: numbers in a row.
        packed: the weights [K,width].
        normal: [steps,B,width], filled with â, from `normal_at` on.
        normal_at: see `normal`.
        scale: [steps,B], filled with s, from `scale_at` on.
        scale_at: see `scale`.
        steps: how many timesteps.
        B: sequences.
        width: G·H.
    """
    piece = steps * B if a_step == B * K else B
    for row in range(0, steps * B, piece):
        product(
            a, a_at + row // B * a_step, K, 1, 1, 0, K, a, 0, 0, 0, packed, 0, 0,
            normal, normal_at + row * width, width, piece, width
        )  # fmt: skip
    normalise(normal, normal_at, scale, scale_at, steps * B, width)


@linked
def normalise(a: Array, a_at: Int, scale: Array, scale_at: Int, rows: Int, width: Int) -> None:
    """Bring rows of `width` numbers to mean 0 and variance 1, in place; `scale` [rows] gets each one's s."""
    vectorised()
    for row in range(rows):
        at = a_at + row * width
        nothing = type(a[at])(0)
        count, one = type(nothing)(width), type(nothing)(1)
        total = nothing
        for j in range(width):
            total += a[at + j]
        mean, squares = total / count, nothing
        for j in range(width):
            difference = a[at + j] - mean
            a[at + j] = difference
            squares += difference * difference
        largest = one
        if math.isinf(squares):
            # Numbers this large have squares that are too large, but they have a mean and a variance.
            for j in range(width):
                size = abs(a[at + j])
                largest = size if size > largest else largest
            squares = nothing
            for j in range(width):
                a[at + j] /= largest
                squares += a[at + j] * a[at + j]
        scale_row = one / math.sqrt(squares / count + type(nothing)(EPSILON) / largest / largest)
        for j in range(width):
            a[at + j] *= scale_row
        scale[scale_at + row] = scale_row / largest


@linked
def add_up(
    bias: Array, x_gain: Array, x: Array, x_at: Int, h_gain: Array, h: Array, h_at: Int, width: Int,
    gates: Array, gates_at: Int, stride: Int, count: Int, B: Int, H: Int,
) -> None:  # fmt: skip
    """The first `count` gates of b + g_x ∘ x̂ + g_h ∘ ĥ, from rows of `width` numbers; `stride` apart."""
    vectorised()
    for gate in range(count):
        column = gate * H
        for row in range(B):
            of_x, of_h = x_at + row * width + column, h_at + row * width + column
            to = gates_at + gate * stride + row * H
            for j in range(H):
                gates[to + j] = (
                    bias[column + j] + x_gain[column + j] * x[of_x + j] + h_gain[column + j] * h[of_h + j]
                )


@linked
def normalise_back(
    dy: Array, dy_at: Int, stride: Int, last_at: Int, gates: Int, gain: Array, normal: Array, normal_at: Int,
    scale: Array, scale_at: Int, dgain: Array, da: Array, da_at: Int, rows: Int, H: Int,
) -> None:  # fmt: skip
    """Go back through y = g ∘ â.

    Args:
        dy: ∂L/∂y, [rows,H] for each gate.
        dy_at: where that of the first gate begins.
        stride: from gate to gate.
        last_at: where that of the last gate begins, which may be elsewhere.
        gates: G.
        gain: [G·H].
        normal: â [rows,G·H], from `normal_at` on.
        normal_at: see `normal`.
        scale: s [rows], from `scale_at` on.
        scale_at: see `scale`.
        dgain: added to.
        da: filled with ∂L/∂a [rows,G·H], from `da_at` on.
        da_at: see `da`.
        rows: how many.
        H: units.
    """
    vectorised()
    width = gates * H
    for row in range(rows):
        at, to = normal_at + row * width, da_at + row * width
        scale_row = scale[scale_at + row]
        mean = type(scale_row)(0)
        along = type(scale_row)(0)
        for gate in range(gates):
            source = (last_at if gate == gates - 1 else dy_at + gate * stride) + row * H
            column = gate * H
            for j in range(H):
                dy_j, normal_j = dy[source + j], normal[at + column + j]
                d_j = dy_j * gain[column + j]
                dgain[column + j] += dy_j * normal_j
                da[to + column + j] = d_j
                mean += d_j
                along += d_j * normal_j
        mean /= type(scale_row)(width)
        along /= type(scale_row)(width)
        for j in range(width):
            da[to + j] = scale_row * (da[to + j] - mean - normal[at + j] * along)


@linked
def states_back(
    da: Array, da_at: Int, stride: Int, last_at: Int, gates: Int, gain: Array, of_h: Array, scale: Array,
    t: Int, dgain: Array, h_sums: Array, s: Int, h_back: Array, dh: Array, B: Int, H: Int,
) -> None:  # fmt: skip
    """One timestep back from the gates to h_{t-1}.

    Args:
        da: ∂L/∂a of the gates, as `dy` of `normalise_back`.
        da_at: see there.
        stride: see there.
        last_at: see there.
        gates: G.
        gain: g_h [G·H].
        of_h: N(h U) [T,B,G·H].
        scale: its scale [T,B].
        t: which of these is this timestep's.
        dgain: ∂L/∂g_h, added to.
        h_sums: ∂L/∂(h U) [·,B,G·H].
        s: which of these is filled.
        h_back: Uᵀ packed.
        dh: [B,H], overwritten with ∂L/∂h_{t-1} by this way.
        B: sequences.
        H: units.
    """
    width = gates * H
    row = s * B * width
    normalise_back(
        da, da_at, stride, last_at, gates, gain, of_h, t * B * width, scale, t * B, dgain, h_sums, row, B, H
    )  # fmt: skip
    product(h_sums, row, width, 1, 1, 0, width, h_sums, 0, 0, 0, h_back, 0, 0, dh, 0, H, B, H)


@linked
def inputs_back(
    da: Array, stride: Int, gates: Int, gain: Array, of_x: Array, scale: Array, dgain: Array,
    x_sums: Array, h_sums: Array, x: Array, x_at: Int, x_step: Int, F: Int, h: Array, H: Int, start: Int,
    steps: Int, B: Int, x_back: Array, dx: Array, wants_dx: Int, dW: Array, dU: Array, db: Array,
) -> None:  # fmt: skip
    """Some timesteps from the gates to the inputs, the weights and the bias.

    Args:
        da: ∂L/∂a [G,·,B,H].
        stride: from gate to gate.
        gates: G.
        gain: g_x [G·H].
        of_x: N(x W) [T,B,G·H].
        scale: its scale [T,B].
        dgain: ∂L/∂g_x, added to.
        x_sums: room for ∂L/∂(x W) [·,B,G·H].
        h_sums: ∂L/∂(h U) [·,B,G·H], as `states_back` left it.
        x: the inputs of the first of these timesteps stand at `x_at`.
        x_at: see `x`.
        x_step: from timestep to timestep.
        F: features.
        h: the states [T+1,B,H].
        H: units.
        start: the first of these timesteps.
        steps: how many.
        B: sequences.
        x_back: Wᵀ packed.
        dx: [T,B,F], these timesteps overwritten.
        wants_dx: 0 if it is not wanted.
        dW: added to.
        dU: added to.
        db: added to.
    """
    width, N = gates * H, B * H
    normalise_back(
        da, 0, stride, (gates - 1) * stride, gates, gain, of_x, start * B * width, scale, start * B, dgain,
        x_sums, 0, steps * B, H
    )  # fmt: skip
    if wants_dx > 0:
        product(
            x_sums, 0, width, 1, 1, 0, width, x_sums, 0, 0, 0, x_back, 0, 0,
            dx, start * B * F, F, steps * B, F
        )  # fmt: skip
    add_products(x, x_at, x_step, F, x_sums, 0, width, steps, B, dW, width, 0)
    add_products(h, start * N, N, H, h_sums, 0, width, steps, B, dU, width, 0)
    for gate in range(gates):
        add_bias(da, gate * stride, steps * B, db, gate * H, H)
