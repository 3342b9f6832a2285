"""Compiling with two processors: the linked functions in a process beside this one.

Numba compiles one function at a time in a process. When nothing is in the cache yet, `start` has another
process compile what a cell's kernels call, in the order in which they will need it, and put it there; this
one compiles the kernels themselves meanwhile, and waits for a function only when it comes to be called.

    python -m seqlab.kernels.ahead lstm float32

is that process: it writes the name of each function as soon as it is in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

from seqlab.kernels import linked
from seqlab.kernels.jit import cache_is_writable, is_compiled

_ORDER = ("pack", "pack_transposed", "product", "_step", "_activate", "add_gradients")
"""What is needed first; anything else comes after it."""


def start(cell: str, dtype: str) -> None:
    """Have what a cell needs compiled beside this process, if that is of use.

    Args:
        cell: the name of its module.
        dtype: float32 or float64.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or not cache_is_writable() or is_compiled(cell):
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, cell, dtype],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return
    linked.wait_for(process)


def main() -> None:
    """Compile the linked functions of one cell for one dtype."""
    cell, dtype = sys.argv[1:]
    import_module(f"seqlab.kernels.{cell}")
    functions = linked.functions(dtype)
    functions.sort(key=lambda one: _ORDER.index(one.word) if one.word in _ORDER else len(_ORDER))
    for function in functions:
        function.fill()
        print(function.name, flush=True)


if __name__ == "__main__":
    main()
