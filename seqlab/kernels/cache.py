"""Where the machine code of kernels is kept: known without Numba, which takes a while to import.

Numba looks up stored code by the source of the function's own file. It does not see that a function called
from another file has changed, nor that a compiler flag has. So the folder it stores in is named by a hash
of everything the code depends on: all kernel sources, in one of which the flags stand, and Numba's version.
Any change of these starts a fresh folder; the folders used least recently are removed.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import tempfile
from pathlib import Path

import platformdirs

_KEPT = 4  # folders: this version's, and a few others', so that switching between versions stays warm


def is_compiled(module: str) -> bool:
    """Whether `FOLDER` holds forward and backward of a module such as `"lstm"`, for some dtype."""
    return all(any(FOLDER.glob(f"*/{module}.{entry}-*.nbc")) for entry in ("forward", "backward"))


def _locate() -> Path:
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(platformdirs.user_cache_dir("seqlab")) / "numba")
    return base.absolute() / f"seqlab-{_digest()}"


def _digest() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
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


FOLDER = _locate()
"""The folder of this version: `<user cache>/seqlab/numba/seqlab-<hash>`; the environment variable
`NUMBA_CACHE_DIR` replaces the part before the last."""
WRITABLE = _prepare(FOLDER)
"""Whether compiled kernels are kept. If not, every process compiles its kernels anew."""
