"""How kernels are compiled, and where their machine code is kept.

There are two decorators: `jit` here, and `linked` in linked.py for what kernels have in common. `jit`
compiles on the first call (lazily, one version for each dtype), releases the interpreter lock while a kernel
runs, and keeps the machine code on disk, so that only the first process on a machine pays for it.

Numba looks up stored code by the source of the function's own file. It does not see that a function called
from another file has changed, nor that a compiler flag has. So the folder it stores in is named by a hash
of everything the code depends on: all kernel sources, the flags, and Numba's version. Any change of these
starts a fresh folder; the folders used least recently are removed.

The fast-math flags let the compiler reorder sums and fuse multiplications with additions, which is what
makes loops run on vector units. `nnan` and `ninf` are left out on purpose: they allow the compiler to
delete every test for NaN, and a diverged run must never look healthy.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numba.core.config
import numpy as np
import numpy.typing as npt
import platformdirs

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
_KEPT = 4  # folders: this version's, and a few others', so that switching between versions stays warm


def jit(function: _Function) -> _Function:
    """Compile a kernel on its first call, and keep the machine code in `cache_folder()`.

    The folder is set for this function alone: other users of Numba in the process keep theirs.

    Args:
        function: plain Python over arrays, scalars and tuples of these. It must not take
            functions as arguments nor close over any, for such code is never found in the cache again.

    Returns:
        Numba's dispatcher for the function.
    """
    dispatcher: _Function = _in_folder(lambda: numba.njit(cache=_writable, **FLAGS)(function))
    return dispatcher


def compile_for_c(function: Callable[..., Any], signature: Any) -> Any:
    """Compile a function to be called as one of C, or find it in `cache_folder()`; it has an `address`."""
    flags = {name: FLAGS[name] for name in ("error_model", "fastmath")}
    return _in_folder(lambda: numba.cfunc(signature, cache=_writable, **flags)(function))


def _in_folder(compiler: Callable[[], Any]) -> Any:
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(_folder)
    try:
        return compiler()
    finally:
        _config.CACHE_DIR = before


def cache_folder() -> Path:
    """The folder that holds the compiled kernels of this version: `<user cache>/seqlab/numba/seqlab-<hash>`.

    `NUMBA_CACHE_DIR`, where it is set, replaces the part before the last.
    """
    return _folder


def cache_is_writable() -> bool:
    """Whether compiled kernels are kept. If not, every process compiles its kernels anew."""
    return _writable


def is_compiled(module: str) -> bool:
    """Whether the cache holds forward and backward of a module such as `"lstm"`, for some dtype."""
    return all(any(_folder.glob(f"*/{module}.{entry}-*.nbc")) for entry in ("forward", "backward"))


def _locate() -> Path:
    base = Path(_config.CACHE_DIR or Path(platformdirs.user_cache_dir("seqlab")) / "numba")
    return base.absolute() / f"seqlab-{_digest()}"


def _digest() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update(repr(sorted(FASTMATH)).encode())
    digest.update(importlib.metadata.version("numba").encode())
    return digest.hexdigest()[:16]


def _prepare(folder: Path) -> bool:
    """Make the folder, mark it as used now, and say whether files can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            os.utime(folder)
    except OSError:
        return False
    _remove_old(folder)
    return True


def _remove_old(folder: Path) -> None:
    """Keep the folders used last. What cannot be read or removed, as another process may be at it, stays."""
    try:
        ours = [path for path in folder.parent.iterdir() if re.fullmatch(r"seqlab-[0-9a-f]{16}", path.name)]
        ours.sort(key=lambda path: (path == folder, path.stat().st_mtime_ns), reverse=True)
    except OSError:
        return
    for path in ours[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


_folder = _locate()
_writable = _prepare(_folder)
