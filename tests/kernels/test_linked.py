"""Functions called by address: the same numbers, one compilation for each dtype, found again in the cache."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba.core.errors import TypingError

from seqlab.kernels.jit import Array, Int, jit
from seqlab.kernels.linked import linked

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@linked
def add_scaled(a: Array, a_at: Int, b: Array, count: Int) -> int:
    """Add twice the numbers of `a` from `a_at` on to `b`; returns the place behind them."""
    for k in range(count):
        b[k] += a[a_at + k] + a[a_at + k]
    return a_at + count


@linked
def twice(a: Array, b: Array, count: Int) -> None:
    """One linked function calls another, with the pointers that it has."""
    add_scaled(a, 0, b, count)
    add_scaled(a, 0, b, count)


@jit
def one_caller(a, b):
    return add_scaled(a, 1, b, b.size)


@jit
def other_caller(a, b):
    twice(a, b, b.size)


@DTYPES
def test_arrays_of_any_dimensions_arrive_as_pointers_to_their_first_number(dtype):
    a, b = np.arange(6, dtype=dtype).reshape(2, 3), np.ones(4, dtype)
    assert one_caller(a, b) == 5
    assert b.tolist() == [3, 5, 7, 9]


@DTYPES
def test_linked_functions_call_each_other(dtype):
    b = np.zeros(3, dtype)
    other_caller(np.arange(3, dtype=dtype), b)
    assert b.tolist() == [0, 4, 8]


def test_arrays_of_two_dtypes_are_refused():
    with pytest.raises(TypingError):
        one_caller(np.zeros(3, np.float32), np.zeros(3))


SCRIPT = """
import sys, numpy as np
from numba.core import compiler
from seqlab.kernels import lstm
compiled = []
inner = compiler.compile_extra
def counted(*args, **options):
    compiled.append(next(a.__name__ for a in args if hasattr(a, "__code__")))
    return inner(*args, **options)
compiler.compile_extra = counted
from tests.kernels import cases
from tests.kernels.cases import make_case, run_kernel
for cell in [cell for cell in cases.CELLS if cell.name in ("rnn tanh", "lstm", "gru")]:
    run_kernel(make_case(cell, (2, 1, 2, 3), 0, np.float32))
print(*compiled)
"""


def compiled_in_a_new_process(cache):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_all_cells_share_is_compiled_once_and_found_by_the_next_process(tmp_path):
    names = compiled_in_a_new_process(tmp_path)
    for shared in ("product", "pack_transposed", "add_gradients"):
        assert names.count(shared) == 1
    assert names.count("forward") == 3
    assert compiled_in_a_new_process(tmp_path) == []
