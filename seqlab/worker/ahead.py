"""Compiling with two processors, when nothing is in the cache yet.

Numba compiles one function at a time in a process. So the worker goes through a step from its beginning, and
a second process goes through it from its end, compiling whatever it meets; either finds what the other has
put into the cache. What both happen to be at is compiled twice, and nothing is lost but time if the second
process fails.

    python -m seqlab.worker.ahead < SPEC.json

is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

from seqlab.spec import Spec, validate

PATIENCE = 60.0
"""Seconds until the worker goes on by itself."""


def start(spec: Spec) -> subprocess.Popen[bytes] | None:
    """Start the second process, if that is of use."""
    from seqlab.kernels.jit import cache_is_writable, is_compiled

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or not cache_is_writable() or is_compiled(spec.model.cell):
        return None
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as stream:  # it may have ended already
        stream.write(spec.model_dump_json().encode())
    return process


def wait(process: subprocess.Popen[bytes] | None) -> None:
    """Let the second process come to its end."""
    if process is None:
        return
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Compile the second half of a step."""
    from seqlab.worker.warmth import second_half, tiny_trainer

    spec = validate(json.load(sys.stdin))
    second_half(spec, tiny_trainer(spec))


if __name__ == "__main__":
    main()
