"""Matrix products in the order in which a recurrent network needs them.

BLAS is made for one large product. A recurrent network makes a small one at each timestep, always with the
same weights, and BLAS would rearrange these weights in memory every time. Here they are rearranged once for
each update of the weights (`pack`, `pack_transposed`), into panels through which `multiply` goes straight:

    c = bias + Σ_p a_p B_p + x B_x

with the bias, the parts of the left matrix (the derivatives by each gate, say) and a second left matrix (the
inputs beside the states) all in one pass, so that c is written once and never read. `accumulate` is the other
product, c += aᵀ b over few hundred rows that were just computed and are still in the cache: the gradients of
weights.

Matrices are given as flat arrays, the place at which they begin, and the distance from row to row.

Packed weights: panels of as many columns as a tile is wide, one after the other. The first row of a panel is
the bias, then comes a row for each row of the stacked matrices; columns beyond the last are left at zero.
"""

from seqlab.kernels.jit import Array, Int, inlined, jit
from seqlab.kernels.tiles import HEIGHTS, WIDTHS, outer_tiles, product_tiles

_WIDE, _MIDDLE, _NARROW = WIDTHS[0], WIDTHS[1], WIDTHS[-1]
# Three heights each; where there are but two, the second counts twice.
_HEIGHTS = tuple((heights * 2)[:1] + heights[-2:] for heights in HEIGHTS.values())
_WIDE_HEIGHTS, _MIDDLE_HEIGHTS, _NARROW_HEIGHTS = _HEIGHTS[0], _HEIGHTS[1], _HEIGHTS[-1]
_wide_product, _middle_product, _narrow_product = product_tiles[0], product_tiles[1], product_tiles[-1]
_wide_outer, _middle_outer, _narrow_outer = outer_tiles[0], outer_tiles[1], outer_tiles[-1]

DEPTH = 128
"""Rows over which `accumulate` is best called: more leave the cache, fewer load and store too much."""
SPARE = 12 * _WIDE + 2 * DEPTH * _WIDE
"""Size of the work array that both products need."""


@jit
def pack(
    bias: Array,
    bias_at: Int,
    U: Array,
    K: Int,
    W: Array,
    F: Int,
    column: Int,
    count: Int,
    packed: Array,
    at: Int,
) -> int:
    """Pack columns `column` to `column + count - 1` of U and W, one above the other, with their bias.

    Args:
        bias: flat; that of the first column stands at `bias_at`.
        bias_at: see above.
        U: [K,·].
        K: its rows; 0 leaves it out.
        W: [F,·].
        F: its rows; 0 leaves it out.
        column: the first column.
        count: how many columns.
        packed: flat, with zeros where nothing will stand.
        at: where to begin.

    Returns:
        The place behind the last panel.
    """
    done = 0
    while done < count:
        width = _width(count - done)
        wanted = min(width, count - done)
        for n in range(wanted):
            packed[at + n] = bias[bias_at + done + n]
        for k in range(K):
            row, start = U[k], at + (1 + k) * width
            for n in range(wanted):
                packed[start + n] = row[column + done + n]
        for k in range(F):
            row, start = W[k], at + (1 + K + k) * width
            for n in range(wanted):
                packed[start + n] = row[column + done + n]
        at += (1 + K + F) * width
        done += width
    return at


@jit
def pack_transposed(U: Array, packed: Array, at: Int) -> int:
    """Pack Uᵀ, for products with it: U is [N,K], the packed matrix [K,N]. As `pack`, without a bias."""
    N, K = U.shape
    done = 0
    while done < N:
        width = _width(N - done)
        for n in range(min(width, N - done)):
            row = U[done + n]
            start = at + width + n
            for k in range(K):
                packed[start + k * width] = row[k]
        at += (1 + K) * width
        done += width
    return at


@jit
def multiply(
    a: Array,
    a_at: Int,
    a_row: Int,
    parts: Int,
    part: Int,
    depth: Int,
    x: Array,
    x_at: Int,
    x_row: Int,
    x_depth: Int,
    packed: Array,
    packed_at: Int,
    c: Array,
    c_at: Int,
    c_row: Int,
    M: Int,
    N: Int,
    spare: Array,
) -> int:
    """c [M,N] = bias + Σ_p a_p [M,depth] B_p + x [M,x_depth] B_x.

    Args:
        a: flat; part p begins at `a_at + p * part`, its row m `m * a_row` further.
        a_at: where the first part begins.
        a_row: from row to row.
        parts: how many parts.
        part: from part to part.
        depth: columns of a part.
        x: flat.
        x_at: where it begins.
        x_row: from row to row.
        x_depth: its columns; 0 for no second matrix.
        packed: the packed weights, of `parts * depth + x_depth` rows below the bias.
        packed_at: where they begin.
        c: flat; overwritten.
        c_at: where it begins.
        c_row: from row to row.
        M: rows.
        N: columns.
        spare: work array [SPARE].

    Returns:
        The place behind the packed weights.
    """
    K = 1 + parts * depth + x_depth
    done = 0
    while done < N:
        width = _width(N - done)
        whole = N - done >= width
        m = 0
        while m < M:
            rows = _height(M - m, width)
            left, right = a_at + m * a_row, x_at + m * x_row
            out, at, step = (c, c_at + m * c_row + done, c_row) if whole else (spare, 0, width)
            if width == _WIDE:
                _wide_product(
                    rows, a, left, a_row, parts, part, depth, x, right, x_row, x_depth, packed, packed_at,
                    out, at, step,
                )  # fmt: skip
            elif width == _MIDDLE:
                _middle_product(
                    rows, a, left, a_row, parts, part, depth, x, right, x_row, x_depth, packed, packed_at,
                    out, at, step,
                )  # fmt: skip
            else:
                _narrow_product(
                    rows, a, left, a_row, parts, part, depth, x, right, x_row, x_depth, packed, packed_at,
                    out, at, step,
                )  # fmt: skip
            if not whole:
                for r in range(rows):
                    for n in range(N - done):
                        c[c_at + (m + r) * c_row + done + n] = spare[r * width + n]
            m += rows
        packed_at += K * width
        done += width
    return packed_at


@inlined
def accumulate(
    a: Array,
    a_at: Int,
    a_row: Int,
    M: Int,
    b: Array,
    b_at: Int,
    b_row: Int,
    N: Int,
    depth: Int,
    c: Array,
    c_at: Int,
    c_row: Int,
    spare: Array,
) -> None:
    """c [M,N] += aᵀ b, for a [depth,M] and b [depth,N].

    Args:
        a: flat.
        a_at: where it begins.
        a_row: from row to row; 0 takes the same row every time.
        M: its columns.
        b: flat.
        b_at: where it begins.
        b_row: from row to row.
        N: its columns.
        depth: rows of both; any number, though about `DEPTH` is best.
        c: flat; added to.
        c_at: where it begins.
        c_row: from row to row.
        spare: work array [SPARE].
    """
    for first in range(0, depth, 2 * DEPTH):
        rounds = min(depth - first, 2 * DEPTH)
        done = 0
        while done < N:
            width = _width(N - done)
            wanted = min(width, N - done)
            source, at, step = b, b_at + first * b_row + done, b_row
            if wanted < width or b_row > width:
                # Rows that lie far apart fall into few places of the cache; side by side they fit.
                for k in range(rounds):
                    for n in range(wanted):
                        spare[12 * _WIDE + k * width + n] = b[at + k * b_row + n]
                source, at, step = spare, 12 * _WIDE, width
            _accumulate_panel(
                a, a_at + first * a_row, a_row, M, source, at, step, wanted, width, rounds, c, c_at + done,
                c_row, spare,
            )  # fmt: skip
            done += width


@inlined
def _accumulate_panel(
    a: Array, a_at: Int, a_row: Int, M: Int, b: Array, b_at: Int, b_row: Int, wanted: Int, width: Int,
    depth: Int, c: Array, c_at: Int, c_row: Int, spare: Array,
) -> None:  # fmt: skip
    """One panel of columns, `wanted` of which are there."""
    m = 0
    while m < M:
        rows = _height(M - m, width)
        out, at, step = (c, c_at + m * c_row, c_row) if wanted == width else (spare, 0, width)
        if wanted < width:
            for r in range(rows):
                for n in range(wanted):
                    spare[r * width + n] = c[c_at + (m + r) * c_row + n]
        if width == _WIDE:
            _wide_outer(rows, a, a_at + m, a_row, b, b_at, b_row, depth, out, at, step)
        elif width == _MIDDLE:
            _middle_outer(rows, a, a_at + m, a_row, b, b_at, b_row, depth, out, at, step)
        else:
            _narrow_outer(rows, a, a_at + m, a_row, b, b_at, b_row, depth, out, at, step)
        if wanted < width:
            for r in range(rows):
                for n in range(wanted):
                    c[c_at + (m + r) * c_row + n] = spare[r * width + n]
        m += rows


@inlined
def _width(left: Int) -> int:
    """The width of the next panel, for so many columns that are left."""
    if left >= _WIDE:
        return _WIDE
    return _MIDDLE if left > _NARROW else _NARROW


@inlined
def _height(left: Int, width: Int) -> int:
    """The height of the next tile, for so many rows that are left."""
    tall, middle, low = _WIDE_HEIGHTS
    if width == _MIDDLE:
        tall, middle, low = _MIDDLE_HEIGHTS
    if width == _NARROW:
        tall, middle, low = _NARROW_HEIGHTS
    if left >= tall:
        return tall
    return middle if left >= middle else low
