"""Matrix products in the order in which a recurrent network needs them.

BLAS is made for one large product. A recurrent network makes a small one at each timestep, always with the
same weights, and BLAS would rearrange these weights in memory every time. Here they are rearranged once for
each update of the weights (`pack`, `pack_transposed`), into panels through which `product` goes straight:

    c = bias + Σ_p a_p B_p + x B_x

with the bias, the parts of the left matrix (the derivatives by each gate, say) and a second left matrix (the
inputs beside the states) all in one pass, so that c is written once and never read. The gradients of weights
are the other kind of product, c += aᵀ b over a few hundred rows that were just computed and are still in the
cache; there is nothing to pack in advance.

Matrices are given as flat arrays, the place at which they begin, and the distance from row to row.

Packed weights: panels of as many columns as a tile is wide, one after the other. The first row of a panel is
the bias, then comes a row for each row of the stacked matrices; columns beyond the last are left at zero.
"""

from seqlab.kernels.jit import Array, Int
from seqlab.kernels.linked import linked
from seqlab.kernels.tiles import copy, panel_width, tile, turn, workspace
from seqlab.kernels.vectors import LANES, TALLEST, WIDTHS

_WIDE = WIDTHS[0]

DEPTH = 256
"""The most rows of a matrix that is not packed; products are fastest from half as many on."""
_SPARE = (TALLEST + DEPTH) * _WIDE


@linked
def product(
    a: Array,
    a_at: Int,
    a_row: Int,
    a_step: Int,
    parts: Int,
    part: Int,
    depth: Int,
    x: Array,
    x_at: Int,
    x_row: Int,
    x_depth: Int,
    b: Array,
    b_at: Int,
    b_row: Int,
    c: Array,
    c_at: Int,
    c_row: Int,
    M: Int,
    N: Int,
) -> int:
    """Make c [M,N] = bias + Σ_p a_p [M,depth] B_p + x [M,x_depth] B_x; or c += a B, with B as it is.

    Args:
        a: part p begins at `a_at + p * part`, and its number in row m and column k is
            `m * a_row + k * a_step` further. A transposed matrix has `a_row` 1.
        a_at: see `a`.
        a_row: see `a`.
        a_step: see `a`.
        parts: how many parts.
        part: see `a`.
        depth: columns of a part.
        x: the last part, with adjoining numbers in its rows.
        x_at: where it begins.
        x_row: from row to row.
        x_depth: its columns; 0 for none.
        b: the packed bias and weights, of `parts * depth + x_depth` rows; or, with `b_row` above 0, a matrix
            [depth,N] as it is, of at most `DEPTH` rows: then `parts` must be 1 and `x_depth` 0.
        b_at: where it begins.
        b_row: from row to row; 0 for packed weights.
        c: overwritten; or, with `b_row` above 0, added to.
        c_at: where it begins.
        c_row: from row to row.
        M: rows.
        N: columns.

    Returns:
        The place behind the packed weights.
    """
    spare = workspace(a, _SPARE)
    packed = b_row == 0
    done = 0
    while done < N:
        left = N - done
        width = panel_width(left)
        wanted = min(left, width)
        lines, line_at, line_row = b, b_at + width, width
        if not packed:
            lines, line_at, line_row = b, b_at + done, b_row
            if wanted < width or b_row > width:
                # Rows that lie far apart fall into few places of the cache; side by side they fit.
                lines, line_at, line_row = spare, TALLEST * _WIDE, width
                for k in range(depth):
                    copy(spare, line_at + k * width, b, b_at + k * b_row + done, wanted)
        m = 0
        # Brought into the cache meanwhile: the next panel, or what later tiles of this one add to.
        soon, soon_at = b, b_at + (1 + parts * depth + x_depth) * width
        while m < M:
            out, out_at, out_row = c, c_at + m * c_row + done, c_row
            rows = min(M - m, TALLEST)
            if wanted < width:
                out, out_at, out_row = spare, 0, width
                if not packed:
                    for r in range(rows):
                        copy(spare, r * width, c, c_at + (m + r) * c_row + done, wanted)
            start, start_at, start_row = out, out_at, out_row
            if packed:
                start, start_at, start_row = b, b_at, 0
            else:
                soon, soon_at = c, c_at + (m + rows) * c_row + done
            rows = tile(
                width, rows, a, a_at + m * a_row, a_row, a_step, parts, part, depth,
                x, x_at + m * x_row, x_row, x_depth, lines, line_at, line_row,
                start, start_at, start_row, out, out_at, out_row, soon, soon_at,
            )  # fmt: skip
            if wanted < width:
                for r in range(rows):
                    copy(c, c_at + (m + r) * c_row + done, spare, r * width, wanted)
            m += rows
            soon_at += (parts * depth + x_depth) * LANES
        if packed:
            b_at += (1 + parts * depth + x_depth) * width
        done += width
    return b_at


@linked
def pack(
    bias: Array,
    bias_at: Int,
    U: Array,
    U_row: Int,
    K: Int,
    W: Array,
    W_row: Int,
    F: Int,
    column: Int,
    N: Int,
    packed: Array,
    at: Int,
) -> int:
    """Pack columns `column` to `column + N - 1` of U and W, one above the other, with their bias.

    Args:
        bias: that of the first column stands at `bias_at`.
        bias_at: see above.
        U: [K,·].
        U_row: from row to row.
        K: its rows; 0 leaves it out.
        W: [F,·].
        W_row: from row to row.
        F: its rows; 0 leaves it out.
        column: the first column.
        N: how many columns.
        packed: zeros where nothing will stand.
        at: where to begin.

    Returns:
        The place behind the last panel.
    """
    done = 0
    while done < N:
        left = N - done
        width = panel_width(left)
        wanted = min(left, width)
        copy(packed, at, bias, bias_at + done, wanted)
        at += width
        for k in range(K):
            copy(packed, at, U, k * U_row + column + done, wanted)
            at += width
        for k in range(F):
            copy(packed, at, W, k * W_row + column + done, wanted)
            at += width
        done += width
    return at


@linked
def pack_transposed(U: Array, U_row: Int, column: Int, N: Int, K: Int, packed: Array, at: Int) -> int:
    """Pack the transpose of columns `column` to `column + K - 1` of U [N,·], whose rows are `U_row` apart.

    For products with it: the packed matrix is [K,N]. As `pack`, without a bias.

    Returns:
        The place behind the last panel.
    """
    done = 0
    while done < N:
        left = N - done
        width = panel_width(left)
        at += width
        for n in range(0, min(left, width), LANES):
            rows = min(LANES, left - n)
            blocks = K - K % LANES if rows == LANES else 0
            corner = (done + n) * U_row + column
            for k in range(0, blocks, LANES):
                turn(U, corner + k, U_row, packed, at + k * width + n, width)
            for k in range(blocks, K):
                for row in range(rows):
                    packed[at + k * width + n + row] = U[corner + row * U_row + k]
        at += K * width
        done += width
    return at
