"""Compiling with two processors, when nothing is in the cache yet.

Numba compiles one function at a time in a process. So the worker goes through a step's kernels from the
first, and a second process goes through them from the last, until all are compiled or being compiled; either
finds what the other has put into the cache. A kernel is claimed by making a file with its number in a folder
of their own. If the second process fails, nothing is lost but time.

    python -m seqlab.worker.ahead CLAIMS < SPEC.json

is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from seqlab.kernels import cache
from seqlab.spec import Spec, validate

PATIENCE = 60.0
"""Seconds until the worker goes on by itself."""

Kernels = Sequence[Callable[[], object]]
"""Calls that compile something; see `warmth.kernels_of`."""


class Second:
    """The second process, from the worker's side.

    Args:
        spec: what it compiles for.

    Attributes:
        process: the process itself.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, spec: Spec) -> None:
        self._claims = tempfile.TemporaryDirectory(
            prefix="claims-", dir=cache.FOLDER, ignore_cleanup_errors=True
        )
        command = [sys.executable, "-P", "-m", __name__, self._claims.name]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            self._claims.cleanup()
            raise
        assert self.process.stdin is not None
        with contextlib.suppress(OSError), self.process.stdin as stream:  # it may have ended already
            stream.write(spec.model_dump_json().encode())

    def share(self, kernels: Kernels) -> None:
        """Compile these together with the second process, and let it come to its end."""
        compile_unclaimed(kernels, range(len(kernels)), Path(self._claims.name))
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._claims.cleanup()


def start(spec: Spec) -> Second | None:
    """Start the second process, if that is of use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or not cache.WRITABLE or cache.is_compiled(spec.model.kernel):
        return None
    try:
        return Second(spec)
    except OSError:
        return None


def compile_unclaimed(kernels: Kernels, order: Iterable[int], claims: Path) -> None:
    """Compile in this order what the other process has not begun with.

    Raises:
        OSError: the folder of claims is gone: the other process needs no help any more.
    """
    for number in order:
        try:
            os.close(os.open(claims / str(number), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        except FileExistsError:
            continue
        kernels[number]()


def main() -> None:
    """Compile from the last kernel on."""
    from seqlab.worker.warmth import kernels_of, tiny_trainer

    spec = validate(json.load(sys.stdin))
    kernels = kernels_of(spec, tiny_trainer(spec))
    compile_unclaimed(kernels, reversed(range(len(kernels))), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
