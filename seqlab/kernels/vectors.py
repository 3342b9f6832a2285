"""Vector code, written instruction by instruction, for whatever processor Numba compiles for.

Numba's own loops leave it to LLVM what becomes a vector. Here the vectors are chosen: `Emitter` puts together
loads, stores, fused products and loops over them, of which `tiles.py` makes its functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba.core.config
from llvmlite import ir
from numba.core import cgutils

_config: Any = numba.core.config  # its settings are made at run time, unknown to type checkers
I32, I64 = ir.IntType(32), ir.IntType(64)
Values = list[Any]


def _vectors() -> tuple[int, dict[int, tuple[int, ...]]]:
    """Float32 numbers in a vector; and for each number of vectors the heights of its tiles, tallest first."""
    machine = llvmlite.binding.get_process_triple()
    if not machine.startswith(("x86", "i686")):
        return 4, {4: (6, 4, 1), 2: (6, 4, 1), 1: (12, 4, 1)}
    if _config.CPU_NAME is None and llvmlite.binding.get_host_cpu_features().get("avx512f"):
        return 16, {4: (6, 4, 1), 2: (6, 4, 1), 1: (12, 4, 1)}
    return 8, {2: (6, 4, 1), 1: (12, 4, 1)}


LANES, HEIGHTS = _vectors()
"""Float32 numbers in a vector; the heights of tiles of so many vectors."""
WIDTHS = tuple(LANES * vectors for vectors in HEIGHTS)
"""Columns of the tiles, widest first."""
TALLEST = max(max(heights) for heights in HEIGHTS.values())
"""Rows of the tallest tile."""


class Emitter:
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
        """A multiple of an offset."""
        return self.builder.mul(value, ir.Constant(I64, factor))

    def load(self, address: Any, vectors: int) -> Values:
        """Adjoining vectors."""
        loaded = []
        for vector in range(vectors):
            place = self.at(address, ir.Constant(I64, vector * LANES))
            value = self.builder.load(self.builder.bitcast(place, self.vector.as_pointer()))
            value.align = self.bytes
            loaded.append(value)
        return loaded

    def store(self, values: Values, address: Any) -> None:
        """Write vectors side by side."""
        for vector, value in enumerate(values):
            place = self.at(address, ir.Constant(I64, vector * LANES))
            stored = self.builder.store(value, self.builder.bitcast(place, self.vector.as_pointer()))
            stored.align = self.bytes

    def fetch(self, address: Any) -> None:
        """Have the line of memory brought into the cache, as it will be read soon."""
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
        prefetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        to_read, to_second_level, data = (ir.Constant(I32, value) for value in (0, 2, 1))
        self.builder.call(prefetch, [self.builder.bitcast(address, pointer), to_read, to_second_level, data])

    def spread(self, address: Any) -> Any:
        """A vector of one number, many times over."""
        one = self.builder.insert_element(self.nothing, self.builder.load(address), ir.Constant(I32, 0))
        return self.builder.shuffle_vector(
            one, self.nothing, ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
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
        builder.cbranch(builder.icmp_signed(">", count, ir.Constant(I64, 0)), around, after)
        builder.position_at_end(around)
        number, held = builder.phi(I64), [builder.phi(value.type) for value in values]
        new = body(number, held)
        following = builder.add(number, ir.Constant(I64, 1))
        last = builder.block
        number.add_incoming(ir.Constant(I64, 0), before)
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
        result = builder.phi(I64)
        for value, block in results:
            result.add_incoming(value, block)
        return result
