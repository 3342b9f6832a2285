"""What a run was made with and on: the versions, the processor and the settings that its bits depend on."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LIBRARIES = ("seqlab", "numpy", "numba", "llvmlite", "safetensors", "pydantic")


def environment(threads: int) -> dict[str, Any]:
    """Everything for env.json; Numba must have been imported."""
    import llvmlite.binding as llvm

    from seqlab.kernels.jit import FASTMATH

    features = llvm.get_host_cpu_features()
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "cpu": llvm.get_host_cpu_name(),
        "cpu_model": _cpu_model(),
        "cpu_features": sorted(name for name, present in features.items() if present),
        "cores": os.cpu_count(),
        "threads": threads,
        "blas": _blas(),
        "fastmath": sorted(FASTMATH),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "argv": sys.orig_argv,
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("NUMBA_", "OPENBLAS_", "OMP_", "SEQLAB_THREADS", "GLIBC_TUNABLES"))
        },
    }


def _blas() -> str:
    import numpy as np

    # It takes no part in training, but in the orthogonal start.
    config: Any = np.show_config(mode="dicts")
    found = config["Build Dependencies"]["blas"]
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def main() -> None:
    """Print what a worker finds here, as JSON."""
    from seqlab.cells import CELLS
    from seqlab.kernels import cache

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = {
        "environment": environment(cores),
        "cache": str(cache.FOLDER),
        "cache_is_writable": cache.WRITABLE,
        "compiled": [
            name for name, cell in CELLS.items() if cache.is_compiled(cell.model_validate({}).kernel)
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
