"""How kernels are compiled.

There are two decorators: `jit` here, and `linked` in linked.py for what kernels have in common. `jit`
compiles on the first call (lazily, one version for each dtype), releases the interpreter lock while a kernel
runs, and keeps the machine code on disk (`cache.py`), so that only a machine's first process pays for it.

The fast-math flags let the compiler reorder sums and fuse multiplications with additions, which is what
makes loops run on vector units. `nnan` and `ninf` are left out on purpose: they allow the compiler to
delete every test for NaN, and a diverged run must never look healthy.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba.core.config
import numpy as np
import numpy.typing as npt

from seqlab.kernels import cache

_config: Any = numba.core.config  # its settings are made at run time, unknown to type checkers

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""An array of the one dtype that a call works in, float32 or float64."""
Arrays: TypeAlias = tuple[Array, ...]
Int: TypeAlias = int
"""A size or a place in an array."""

FASTMATH = frozenset({"reassoc", "contract", "arcp", "nsz", "afn"})
"""The LLVM fast-math flags of every kernel."""

FLAGS: Any = {"nogil": True, "error_model": "numpy", "fastmath": set(FASTMATH), "no_cfunc_wrapper": True}
"""What `jit` hands to Numba. With Python's error model divisions are branches, and loops do not vectorise; a
second entry, for C, is not needed."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def jit(function: _Function) -> _Function:
    """Compile a kernel on its first call, and keep the machine code in `cache.FOLDER`.

    The folder is set for this function alone: other users of Numba in the process keep theirs.

    Args:
        function: plain Python over arrays, scalars and tuples of these. It must not take
            functions as arguments nor close over any, for such code is never found in the cache again.

    Returns:
        Numba's dispatcher for the function.
    """
    dispatcher: _Function = _in_folder(lambda: numba.njit(cache=cache.WRITABLE, **FLAGS)(function))
    return dispatcher


def compile_for_c(function: Callable[..., Any], signature: Any) -> Any:
    """Compile a function to be called as one of C, or find it in `cache.FOLDER`; it has an `address`."""
    flags = {name: FLAGS[name] for name in ("error_model", "fastmath")}
    return _in_folder(lambda: numba.cfunc(signature, cache=cache.WRITABLE, **flags)(function))


def _in_folder(compiler: Callable[[], Any]) -> Any:
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(cache.FOLDER)
    try:
        return compiler()
    finally:
        _config.CACHE_DIR = before
