"""Numbers too small to be normal (below 1.2e-38 in float32) taken as zero, for the time of a sweep.

A gradient that vanishes shrinks until it is such a number, and there it stays, as 0.7 times the smallest of
them is rounded to the smallest again. Processors do these sums in microcode, tens of times slower, so that a
sweep back through 1,000 steps would take ten times what it should, only to carry rounding errors along. In a
mode that every processor of x86 and ARM has, they read and write zeros instead. The mode belongs to a thread,
which begins in that of the one that starts it, and changes nothing else: NaN and infinity stay what they
are, and so does every result that is a normal number of normal numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqlab.kernels.jit import jit

_WORD, _POINTER, _NOTHING = ir.IntType(32), ir.IntType(8).as_pointer(), ir.VoidType()
_LONG = ir.IntType(64)
_MACHINE = llvmlite.binding.get_process_triple()
_X86, _ARM = _MACHINE.startswith(("x86", "i686")), _MACHINE.startswith(("aarch64", "arm64"))
_ZEROS = 0x8040 if _X86 else 1 << 24  # flush to zero and denormals are zeros; FZ, which is both


@contextmanager
def as_zeros() -> Iterator[None]:
    """Within this, the thread takes denormal numbers as zeros."""
    before = _set_mode(0, _ZEROS)
    try:
        yield
    finally:
        _set_mode(_ZEROS, before)


@intrinsic
def _exchange(typing: Any, clear: Any, put: Any) -> Any:
    """Clear some bits of the floating-point control register, then set some; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        off, on = values
        before = _read(builder)
        _write(builder, builder.or_(builder.and_(before, builder.not_(off)), on))
        return before

    return types.int64(types.int64, types.int64), generate


@jit
def _set_mode(clear: int, put: int) -> int:
    """The same, and of what it was only the bits that `as_zeros` sets."""
    return _exchange(clear, put) & _ZEROS  # type: ignore[call-arg]


def _read(builder: Any) -> Any:
    if _X86:
        place = cgutils.alloca_once(builder, _WORD)
        builder.call(_function(builder, "x86.sse.stmxcsr", _NOTHING, _POINTER), [_bytes(builder, place)])
        return builder.zext(builder.load(place), _LONG)
    if _ARM:
        return builder.call(_function(builder, "aarch64.get.fpcr", _LONG), [])
    return ir.Constant(_LONG, 0)  # no such mode is known: slower, but right


def _write(builder: Any, value: Any) -> None:
    if _X86:
        place = cgutils.alloca_once(builder, _WORD)
        builder.store(builder.trunc(value, _WORD), place)
        builder.call(_function(builder, "x86.sse.ldmxcsr", _NOTHING, _POINTER), [_bytes(builder, place)])
    elif _ARM:
        builder.call(_function(builder, "aarch64.set.fpcr", _NOTHING, _LONG), [value])


def _function(builder: Any, name: str, result: Any, *takes: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, takes), f"llvm.{name}")


def _bytes(builder: Any, place: Any) -> Any:
    return builder.bitcast(place, _POINTER)
