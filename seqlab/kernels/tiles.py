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

from collections.abc import Callable
from functools import partial
from typing import Any

import llvmlite.binding
import numba.core.config
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

_config: Any = numba.core.config  # its settings are made at run time, unknown to type checkers


def _vectors() -> tuple[int, dict[int, tuple[int, ...]]]:
    """Float32 numbers in a vector; and for each number of vectors the heights of its tiles, tallest first."""
    machine = llvmlite.binding.get_process_triple()
    if not machine.startswith(("x86", "i686")):
        return 4, {4: (6, 4, 1), 2: (6, 4, 1), 1: (12, 4, 1)}
    if _config.CPU_NAME is None and llvmlite.binding.get_host_cpu_features().get("avx512f"):
        return 16, {4: (6, 4, 1), 2: (6, 4, 1), 1: (12, 4, 1)}
    return 8, {2: (6, 4, 1), 1: (12, 4, 1)}


LANES, _HEIGHTS = _vectors()
WIDTHS = tuple(LANES * vectors for vectors in _HEIGHTS)
"""Columns of the tiles, widest first."""
TALLEST = max(max(heights) for heights in _HEIGHTS.values())
"""Rows of the tallest tile."""

intrinsic: Any = _intrinsic  # what it makes is called without the first argument, which type checkers miss
_I32, _I64 = ir.IntType(32), ir.IntType(64)
Values = list[Any]


class _Emitter:
    """Writes vector code for arrays of one type of numbers."""

    def __init__(self, builder: Any, context: Any, dtype: Any) -> None:
        self.builder, self.context = builder, context
        self.bytes = dtype.bitwidth // 8
        self.number = context.get_data_type(dtype)
        self.vector = ir.VectorType(self.number, LANES)
        self.nothing = ir.Constant(self.vector, ir.Undefined)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fused = cgutils.get_or_insert_function(
            builder.module, kind, f"llvm.fmuladd.v{LANES}f{dtype.bitwidth}"
        )

    def at(self, base: Any, *offsets: Any) -> Any:
        """The address `base` plus the offsets, in numbers."""
        total = offsets[0]
        for offset in offsets[1:]:
            total = self.builder.add(total, offset)
        return self.builder.gep(base, [total])

    def times(self, value: Any, factor: int) -> Any:
        return self.builder.mul(value, ir.Constant(_I64, factor))

    def load(self, address: Any, vectors: int) -> Values:
        """Adjoining vectors."""
        loaded = []
        for vector in range(vectors):
            place = self.at(address, ir.Constant(_I64, vector * LANES))
            value = self.builder.load(self.builder.bitcast(place, self.vector.as_pointer()))
            value.align = self.bytes
            loaded.append(value)
        return loaded

    def store(self, values: Values, address: Any) -> None:
        for vector, value in enumerate(values):
            place = self.at(address, ir.Constant(_I64, vector * LANES))
            stored = self.builder.store(value, self.builder.bitcast(place, self.vector.as_pointer()))
            stored.align = self.bytes

    def spread(self, address: Any) -> Any:
        """A vector of one number, many times over."""
        one = self.builder.insert_element(self.nothing, self.builder.load(address), ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(
            one, self.nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
        )

    def add_products(self, sums: Values, numbers: Values, vectors: Values) -> Values:
        """Each number times each vector, added to the sums, row after row."""
        width = len(vectors)
        return [
            self.builder.call(self.fused, [number, vectors[v], sums[r * width + v]])
            for r, number in enumerate(numbers)
            for v in range(width)
        ]

    def loop(self, count: Any, values: Values, body: Callable[[Any, Values], Values]) -> Values:
        """`count` times values = body(number of the round, values)."""
        builder, before = self.builder, self.builder.block
        around, after = builder.append_basic_block("around"), builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed(">", count, ir.Constant(_I64, 0)), around, after)
        builder.position_at_end(around)
        number, held = builder.phi(_I64), [builder.phi(value.type) for value in values]
        new = body(number, held)
        following = builder.add(number, ir.Constant(_I64, 1))
        last = builder.block
        number.add_incoming(ir.Constant(_I64, 0), before)
        number.add_incoming(following, last)
        for phi, first, later in zip(held, values, new, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, last)
        builder.cbranch(builder.icmp_signed("<", following, count), around, after)
        builder.position_at_end(after)
        results = []
        for first, later in zip(values, new, strict=True):
            phi = builder.phi(first.type)
            phi.add_incoming(first, before)
            phi.add_incoming(later, last)
            results.append(phi)
        return results

    def choose(self, cases: list[tuple[Any, Callable[[], Any]]]) -> Any:
        """What the first case whose condition holds comes to; the last one's must."""
        builder = self.builder
        end = builder.append_basic_block("end")
        results = []
        for number, (condition, case) in enumerate(cases):
            if number < len(cases) - 1:
                taken, other = builder.append_basic_block("case"), builder.append_basic_block("other")
                builder.cbranch(condition, taken, other)
                builder.position_at_end(taken)
            results.append((case(), builder.block))
            builder.branch(end)
            if number < len(cases) - 1:
                builder.position_at_end(other)
        builder.position_at_end(end)
        result = builder.phi(_I64)
        for value, block in results:
            result.add_incoming(value, block)
        return result


@intrinsic
def tile(
    typing: Any, width: Any, rows: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, parts: Any, part: Any,
    depth: Any, x: Any, x_at: Any, x_row: Any, x_depth: Any, b: Any, b_at: Any, b_row: Any,
    start: Any, start_at: Any, start_row: Any, c: Any, c_at: Any, c_row: Any,
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

    Returns:
        How many rows were done.
    """
    n = types.intp
    signature = n(n, n, a, n, n, n, n, n, n, x, n, n, n, b, n, n, start, n, n, c, n, n)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit = _Emitter(builder, context, signature.args[2].dtype)
        (width, rows, a, a_at, a_row, a_step, parts, part, depth, x, x_at, x_row, x_depth, b, b_at, b_row,
         start, start_at, start_row, c, c_at, c_row) = values  # fmt: skip
        left, right, lines = emit.at(a, a_at), emit.at(x, x_at), emit.at(b, b_at)
        begin, out = emit.at(start, start_at), emit.at(c, c_at)
        one = ir.Constant(_I64, 1)
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
                    first = builder.mul(k, step)
                    column = [emit.spread(emit.at(base, emit.times(row, r), first)) for r in range(height)]
                    return emit.add_products(sums, column, vector)

                return emit.loop(rounds, sums, add)

            places = [emit.at(begin, emit.times(start_row, r)) for r in range(height)]
            sums = [value for place in places for value in emit.load(place, vectors)]
            sums = emit.loop(all_parts, sums, one_part)
            for r in range(height):
                emit.store(sums[r * vectors : (r + 1) * vectors], emit.at(out, emit.times(c_row, r)))
            return ir.Constant(_I64, height)

        def fits(height: int) -> Any:
            enough = builder.icmp_signed(">=", rows, ir.Constant(_I64, height))
            if height <= 4:
                return enough
            # Two or three rows that are left over would be done one by one: better fours all the way.
            beyond = builder.sub(rows, ir.Constant(_I64, height + 2))
            return builder.and_(enough, builder.icmp_unsigned(">", beyond, ir.Constant(_I64, 1)))

        def of_width(vectors: int) -> Any:
            return emit.choose([(fits(height), partial(of, vectors, height)) for height in _HEIGHTS[vectors]])

        return emit.choose(
            [
                (
                    builder.icmp_signed("==", width, ir.Constant(_I64, vectors * LANES)),
                    partial(of_width, vectors),
                )
                for vectors in _HEIGHTS
            ]
        )

    return signature, generate


@intrinsic
def turn(typing: Any, a: Any, a_at: Any, a_row: Any, c: Any, c_at: Any, c_row: Any) -> Any:
    """Transpose a block of `LANES` rows of `LANES` numbers; pointers, each with its place and row step."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit = _Emitter(builder, context, signature.args[0].dtype)
        a, a_at, a_row, c, c_at, c_row = values
        source, to = emit.at(a, a_at), emit.at(c, c_at)
        rows = [emit.load(emit.at(source, emit.times(a_row, r)), 1)[0] for r in range(LANES)]
        # Squares of 1, 2, 4, … change places with those beyond the diagonal.
        size = 1
        while size < LANES:
            kind = ir.VectorType(_I32, LANES)
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
        width = ir.Constant(_I64, narrowest)
        for wider in WIDTHS[-2::-1]:
            filled = builder.icmp_signed(">", values[0], ir.Constant(_I64, wider - narrowest))
            width = builder.select(filled, ir.Constant(_I64, wider), width)
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
