"""How long a worker takes to its first step: cold, warm, and already waiting.

    python -m benchmarks.start_up [--rounds 7]

Cold is an empty compile cache, warm one that has everything; waiting is a worker that has been told what will
be trained, as the lab's is while a person chooses. The clock runs from the start of the process, or from
`run` for the one that waits, to the row of the first step in the run folder. Beside it, what a warm start is
made of: the interpreter, NumPy, Numba, one kernel from the cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import results
from seqlab.runs import layout
from seqlab.runs.launch import Worker
from seqlab.spec import Spec, load_spec

PRESETS = ("adding-lstm", "adding-gru", "adding-irnn")
WANTED = {"cold": 6.0, "warm": 1.5, "waiting": 0.2}
PARTS = {
    "interpreter": "pass",
    "and NumPy": "import numpy",
    "and Numba": "import numba",
    "and one kernel from the cache": (
        "import numpy as np; from seqlab.kernels import optimizers; optimizers.norm(np.zeros(3, np.float32))"
    ),
    "and all that a worker imports": (
        "import numpy as np; import seqlab.worker.job, seqlab.training.trainer; "
        "from seqlab.kernels import optimizers; optimizers.norm(np.zeros(3, np.float32))"
    ),
}


def main() -> None:
    """Measure in turns, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in WANTED} for name in PRESETS}
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    with tempfile.TemporaryDirectory() as folder:
        home, cache = Path(folder), Path(folder) / "cache"
        for number in range(arguments.rounds):
            for name in PRESETS:
                spec = load_spec(name, ["training.log_every=1"])
                found[name]["cold"].append(first_step(spec, home, home / f"cold-{name}-{number}"))
                if number == 0:
                    first_step(spec, home, cache)
                found[name]["warm"].append(first_step(spec, home, cache))
                found[name]["waiting"].append(first_step(spec, home, cache, waiting=True))
            for name, code in PARTS.items():
                parts[name].append(_seconds(code, cache))
    result = {"machine": results.machine(), "seconds": found, "parts": parts}
    print(section(result))
    if not arguments.dry:
        results.save("start_up", result)


def first_step(spec: Spec, home: Path, cache: Path, *, waiting: bool = False) -> float:
    """Seconds to the row of the first step."""
    os.environ["NUMBA_CACHE_DIR"] = str(cache)
    run = layout.create_run(spec, home / "runs")
    start = time.perf_counter()
    worker = Worker()
    if waiting:
        worker.warm(spec.model_dump(mode="json"))
        while not (worker.latest.get("state") == "ready" and "step_ms" in worker.latest):
            _patience(worker)
        start = time.perf_counter()
    worker.run(run)
    while not _has_row(run):
        _patience(worker)
    seconds = time.perf_counter() - start
    worker.stop()
    worker.reap()
    worker.close()
    return seconds


def section(found: Mapping[str, Any]) -> str:
    """The part of RESULTS.md."""
    lines = [
        "## Start-up",
        "",
        "    python -m benchmarks.start_up",
        "",
        f"{found['machine']}.",
        "",
        "Seconds to the first step, median (least to most), in turns.",
        "",
        "| | " + " | ".join(f"{kind}, wanted {wanted:g}" for kind, wanted in WANTED.items()) + " |",
        "|---|" + "--:|" * len(WANTED),
    ]
    for name, kinds in found["seconds"].items():
        lines.append(f"| {name} | " + " | ".join(_spread(kinds[kind]) for kind in WANTED) + " |")
    lines += ["", "What a warm start is made of, each with all before it:", "", "| | seconds |", "|---|--:|"]
    lines += [f"| {name} | {_spread(values)} |" for name, values in found["parts"].items()]
    return "\n".join([*lines, ""])


def _seconds(code: str, cache: Path) -> float:
    start = time.perf_counter()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env=environment)
    return time.perf_counter() - start


def _has_row(run: Path) -> bool:
    file = run / layout.METRICS
    return file.exists() and file.read_bytes().count(b"\n") >= 2


def _patience(worker: Worker) -> None:
    if not worker.alive:
        raise RuntimeError(f"the worker ended: {worker.stderr_tail()}")
    time.sleep(0.002)


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
