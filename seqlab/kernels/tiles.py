"""Tiles: the innermost loops of every matrix product, as vector code.

A tile is a few rows by a few vectors of a result, held in registers from the first product to the last. One
step of its loop reads `vectors` vectors of one matrix and one number per row of the other, and multiplies
and adds each with each, so that far more is computed than read (Goto & van de Geijn 2008, "Anatomy of
high-performance matrix multiplication"). No compiler keeps such a block in registers when it is written as
loops over arrays, so the instructions are put together here, for whatever processor Numba compiles for.

How tall a tile of each width can be is up to where it would run out of registers, which are vectors of 16
float32 and 32 of them with AVX-512, vectors of 8 and 16 with AVX2, vectors of 4 and 32 on ARM. Each height is
code of its own, and takes its time to compile, so there are only a few. Float64 takes the same tiles with two
registers for each, as it is for exactness, not for speed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from seqlab.kernels.vectors import HEIGHTS, I32, I64, LANES, WIDTHS, Emitter, Values

intrinsic: Any = _intrinsic  # what it makes is called without the first argument, which type checkers miss


@intrinsic
def tile(
    typing: Any, width: Any, rows: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, parts: Any, part: Any,
    depth: Any, x: Any, x_at: Any, x_row: Any, x_depth: Any, b: Any, b_at: Any, b_row: Any,
    start: Any, start_at: Any, start_row: Any, c: Any, c_at: Any, c_row: Any, soon: Any, soon_at: Any,
) -> Any:  # fmt: skip
    """A tile of c = start + Σ_p a_p B_p + x B_x, of the tallest height that there are rows for.

    All matrices are pointers, with the place at which they begin. See `seqlab.kernels.matmul.product`.

    Args:
        typing: Numba's.
        width: columns, one of `WIDTHS`.
        rows: how many are left.
        a: the numbers of part p stand at `a_at + p * part`, those of its row r `r * a_row` further.
        a_at: see `a`.
        a_row: see `a`.
        a_step: from number to number of a row of a part.
        parts: how many parts.
        part: see `a`.
        depth: how many numbers a row of a part has.
        x: the last part, with rows of adjoining numbers.
        x_at: where it begins.
        x_row: from row to row.
        x_depth: how many numbers a row of it has.
        b: rows of adjoining numbers: those of the B_p, then those of B_x.
        b_at: where it begins.
        b_row: from row to row.
        start: what the products are added to.
        start_at: where it begins.
        start_row: from row to row; 0 for the same row every time.
        c: the result.
        c_at: where it begins.
        c_row: from row to row.
        soon: what will be read next; for each row of `b` that is read a line of it is fetched into the cache.
        soon_at: where it begins.

    Returns:
        How many rows were done.
    """
    n = types.intp
    signature = n(n, n, a, n, n, n, n, n, n, x, n, n, n, b, n, n, start, n, n, c, n, n, soon, n)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit = Emitter(builder, context, signature.args[2].dtype)
        (width, rows, a, a_at, a_row, a_step, parts, part, depth, x, x_at, x_row, x_depth, b, b_at, b_row,
         start, start_at, start_row, c, c_at, c_row, soon, soon_at) = values  # fmt: skip
        left, right, lines = emit.at(a, a_at), emit.at(x, x_at), emit.at(b, b_at)
        begin, out, later = emit.at(start, start_at), emit.at(c, c_at), emit.at(soon, soon_at)
        one = ir.Constant(I64, 1)
        all_parts = builder.add(parts, one)

        def of(vectors: int, height: int) -> Any:
            def one_part(p: Any, sums: Values) -> Values:
                # The parts of a, and x after them.
                last = builder.icmp_signed("==", p, parts)
                base = builder.select(last, right, emit.at(left, builder.mul(p, part)))
                row, step = builder.select(last, x_row, a_row), builder.select(last, one, a_step)
                rounds = builder.select(last, x_depth, depth)
                line = emit.at(lines, builder.mul(builder.mul(p, depth), b_row))

                def add(k: Any, sums: Values) -> Values:
                    vector = emit.load(emit.at(line, builder.mul(k, b_row)), vectors)
                    emit.fetch(emit.at(later, emit.times(builder.add(builder.mul(p, depth), k), LANES)))
                    first = builder.mul(k, step)
                    column = [emit.spread(emit.at(base, emit.times(row, r), first)) for r in range(height)]
                    return emit.add_products(sums, column, vector)

                return emit.loop(rounds, sums, add)

            places = [emit.at(begin, emit.times(start_row, r)) for r in range(height)]
            sums = [value for place in places for value in emit.load(place, vectors)]
            sums = emit.loop(all_parts, sums, one_part)
            for r in range(height):
                emit.store(sums[r * vectors : (r + 1) * vectors], emit.at(out, emit.times(c_row, r)))
            return ir.Constant(I64, height)

        def fits(height: int) -> Any:
            enough = builder.icmp_signed(">=", rows, ir.Constant(I64, height))
            if height <= 4:
                return enough
            # Two or three rows that are left over would be done one by one: better fours all the way.
            beyond = builder.sub(rows, ir.Constant(I64, height + 2))
            return builder.and_(enough, builder.icmp_unsigned(">", beyond, ir.Constant(I64, 1)))

        def of_width(vectors: int) -> Any:
            return emit.choose([(fits(height), partial(of, vectors, height)) for height in HEIGHTS[vectors]])

        return emit.choose(
            [
                (
                    builder.icmp_signed("==", width, ir.Constant(I64, vectors * LANES)),
                    partial(of_width, vectors),
                )
                for vectors in HEIGHTS
            ]
        )

    return signature, generate


@intrinsic
def turn(typing: Any, a: Any, a_at: Any, a_row: Any, c: Any, c_at: Any, c_row: Any) -> Any:
    """Transpose a block of `LANES` rows of `LANES` numbers; pointers, each with its place and row step."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit = Emitter(builder, context, signature.args[0].dtype)
        a, a_at, a_row, c, c_at, c_row = values
        source, to = emit.at(a, a_at), emit.at(c, c_at)
        rows = [emit.load(emit.at(source, emit.times(a_row, r)), 1)[0] for r in range(LANES)]
        # Squares of 1, 2, 4, … change places with those beyond the diagonal.
        size = 1
        while size < LANES:
            kind = ir.VectorType(I32, LANES)
            low = [lane if not lane & size else LANES + lane - size for lane in range(LANES)]
            high = [lane + size if not lane & size else LANES + lane for lane in range(LANES)]
            for r in range(LANES):
                if not r & size:
                    pair = rows[r], rows[r + size]
                    rows[r] = builder.shuffle_vector(*pair, ir.Constant(kind, low))
                    rows[r + size] = builder.shuffle_vector(*pair, ir.Constant(kind, high))
            size *= 2
        for r in range(LANES):
            emit.store([rows[r]], emit.at(to, emit.times(c_row, r)))
        return context.get_dummy_value()

    n = types.intp
    return types.void(a, n, n, c, n, n), generate


@intrinsic
def panel_width(typing: Any, left: Any) -> Any:
    """The width of the next panel, for so many columns that are left.

    The widest that they fill but for less than the narrowest.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        narrowest = WIDTHS[-1]
        width = ir.Constant(I64, narrowest)
        for wider in WIDTHS[-2::-1]:
            filled = builder.icmp_signed(">", values[0], ir.Constant(I64, wider - narrowest))
            width = builder.select(filled, ir.Constant(I64, wider), width)
        return width

    return types.intp(types.intp), generate


@intrinsic(prefer_literal=True)
def workspace(typing: Any, like: Any, size: Any) -> Any:
    """A pointer to room for numbers of the type that `like` points to, on the stack; `size` is a constant."""
    if not isinstance(size, types.Literal):
        return None
    count = size.literal_value

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        with builder.goto_entry_block():
            room = builder.alloca(context.get_data_type(like.dtype), count)
        room.align = 64  # a line of the cache
        return room

    return like(like, size), generate


@intrinsic
def copy(typing: Any, to: Any, to_at: Any, source: Any, source_at: Any, count: Any) -> Any:
    """Copy `count` numbers from one place to another; pointers, each with the place at which it begins."""
    signature = types.void(to, types.intp, source, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        to, to_at, source, source_at, count = values
        size = signature.args[0].dtype.bitwidth // 8
        cgutils.raw_memcpy(builder, builder.gep(to, [to_at]), builder.gep(source, [source_at]), count, size)
        return context.get_dummy_value()

    return signature, generate
