"""Tiles: the innermost loops of every matrix product, as vector code.

A tile is a few rows by a few vectors of a result, held in registers from the first product to the last. One
step of its loop reads `vectors` vectors of one matrix and one number per row of the other, and multiplies
and adds each with each, so that far more is computed than read (Goto & van de Geijn 2008, "Anatomy of
high-performance matrix multiplication"). No compiler keeps such a block in registers when it is written as
loops over arrays, so the instructions are put together here, for whatever processor Numba compiles for.

`HEIGHTS` says how tall a tile of each width can be: up to where it would run out of registers, which are
vectors of 16 float32 and 32 of them with AVX-512, vectors of 8 and 16 with AVX2, vectors of 4 and 32 on ARM.
Each height is code of its own, and takes its time to compile, so there are only a few. Float64 takes the same
tiles with two registers for each, as it is for exactness, not for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba.core.config
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_config: Any = numba.core.config  # its settings are made at run time, unknown to type checkers


def _vectors() -> tuple[int, dict[int, tuple[int, ...]]]:
    """Float32 numbers in a vector; and for each number of vectors the heights of its tiles, tallest first."""
    machine = llvmlite.binding.get_process_triple()
    if not machine.startswith(("x86", "i686")):
        return 4, {4: (6, 4, 1), 2: (12, 4, 1), 1: (4, 1)}
    if _config.CPU_NAME is None and llvmlite.binding.get_host_cpu_features().get("avx512f"):
        return 16, {4: (6, 4, 1), 2: (12, 4, 1), 1: (4, 1)}
    return 8, {2: (6, 4, 1), 1: (12, 4, 1)}


LANES, HEIGHTS = _vectors()
WIDTHS = tuple(LANES * vectors for vectors in HEIGHTS)
"""Columns of the tiles, widest first."""

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
            builder.module, kind, f"llvm.fma.v{LANES}f{dtype.bitwidth}"
        )

    def at(self, base: Any, *offsets: Any) -> Any:
        """The address `base` plus the offsets, in numbers."""
        total = offsets[0]
        for offset in offsets[1:]:
            total = self.builder.add(total, offset)
        return self.builder.gep(base, [total])

    def times(self, value: Any, factor: int) -> Any:
        return self.builder.mul(value, ir.Constant(_I64, factor))

    def data(self, kind: Any, array: Any, offset: Any) -> Any:
        """The address of a number of an array."""
        return self.at(self.context.make_array(kind)(self.context, self.builder, array).data, offset)

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

    def by_height(self, rows: Any, heights: tuple[int, ...], tile: Callable[[int], None]) -> None:
        """The code of a tile of each height, one of which is taken."""
        builder = self.builder
        end = builder.append_basic_block("end")
        choice = builder.switch(rows, end)
        for height in heights:
            block = builder.append_basic_block(f"height{height}")
            choice.add_case(ir.Constant(_I64, height), block)
            builder.position_at_end(block)
            tile(height)
            builder.branch(end)
        builder.position_at_end(end)


def _product(vectors: int) -> Any:
    """A tile of c = bias + Σ_p a_p B_p + x B: see `seqlab.kernels.matmul.multiply` for what is packed how."""

    @intrinsic
    def product(
        typing: Any, rows: Any, a: Any, a_at: Any, a_row: Any, parts: Any, part: Any, depth: Any,
        x: Any, x_at: Any, x_row: Any, x_depth: Any, packed: Any, packed_at: Any, c: Any, c_at: Any, c_row: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        signature = types.void(n, a, n, n, n, n, n, x, n, n, n, packed, n, c, n, n)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit = _Emitter(builder, context, signature.args[1].dtype)
            (rows, a, a_at, a_row, parts, part, depth, x, x_at, x_row, x_depth, packed, packed_at, c, c_at,
             c_row) = values  # fmt: skip
            kinds = signature.args
            left, right = emit.data(kinds[1], a, a_at), emit.data(kinds[7], x, x_at)
            panel, out = emit.data(kinds[11], packed, packed_at), emit.data(kinds[13], c, c_at)
            width = vectors * LANES

            all_parts = builder.add(parts, ir.Constant(_I64, 1))

            def tile(height: int) -> None:
                def one_part(p: Any, sums: Values) -> Values:
                    # The parts of a, and x after them.
                    last = builder.icmp_signed("==", p, parts)
                    base = builder.select(last, right, emit.at(left, builder.mul(p, part)))
                    row = builder.select(last, x_row, a_row)
                    rounds = builder.select(last, x_depth, depth)
                    start = builder.add(builder.mul(p, depth), ir.Constant(_I64, 1))
                    lines = emit.at(panel, emit.times(start, width))

                    def step(k: Any, sums: Values) -> Values:
                        line = emit.load(emit.at(lines, emit.times(k, width)), vectors)
                        column = [emit.spread(emit.at(base, emit.times(row, r), k)) for r in range(height)]
                        return emit.add_products(sums, column, line)

                    return emit.loop(rounds, sums, step)

                sums = emit.loop(all_parts, emit.load(panel, vectors) * height, one_part)
                for r in range(height):
                    emit.store(sums[r * vectors : (r + 1) * vectors], emit.at(out, emit.times(c_row, r)))

            emit.by_height(rows, HEIGHTS[vectors], tile)
            return context.get_dummy_value()

        return signature, generate

    return product


def _outer(vectors: int) -> Any:
    """A tile of c += aᵀ b: see `seqlab.kernels.matmul.accumulate`."""

    @intrinsic
    def outer(
        typing: Any, rows: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, b_row: Any, depth: Any,
        c: Any, c_at: Any, c_row: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        signature = types.void(n, a, n, n, b, n, n, n, c, n, n)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit = _Emitter(builder, context, signature.args[1].dtype)
            rows, a, a_at, a_row, b, b_at, b_row, depth, c, c_at, c_row = values
            kinds = signature.args
            left, right = emit.data(kinds[1], a, a_at), emit.data(kinds[4], b, b_at)
            out = emit.data(kinds[8], c, c_at)

            def tile(height: int) -> None:
                def step(k: Any, sums: Values) -> Values:
                    line = emit.load(emit.at(right, builder.mul(k, b_row)), vectors)
                    start = builder.mul(k, a_row)
                    column = [emit.spread(emit.at(left, start, ir.Constant(_I64, r))) for r in range(height)]
                    return emit.add_products(sums, column, line)

                lines = [emit.at(out, emit.times(c_row, r)) for r in range(height)]
                sums = [value for line in lines for value in emit.load(line, vectors)]
                sums = emit.loop(depth, sums, step)
                for r, line in enumerate(lines):
                    emit.store(sums[r * vectors : (r + 1) * vectors], line)

            emit.by_height(rows, HEIGHTS[vectors], tile)
            return context.get_dummy_value()

        return signature, generate

    return outer


product_tiles = tuple(_product(vectors) for vectors in HEIGHTS)
"""One for each of `WIDTHS`; the arguments are those of `_product`."""
outer_tiles = tuple(_outer(vectors) for vectors in HEIGHTS)
"""One for each of `WIDTHS`; the arguments are those of `_outer`."""
