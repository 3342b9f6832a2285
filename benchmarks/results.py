"""What the benchmarks found: JSON beside them, and `benchmarks/RESULTS.md`, put together from it.

    python -m benchmarks.results

writes RESULTS.md anew from the files in `benchmarks/results`; each benchmark does so as it ends.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = ("training_step", "threads", "growth", "start_up", "recording")
"""Modules that have a `section`, in their order in RESULTS.md."""

PREFACE = """# Measurements of the core

Put together by the scripts named below each heading, from what they measured; the figures are in
`benchmarks/results`. Those of the lab and its screen are in `benchmarks/LAB.md`, what each cell costs is in
`docs/cells.md`. To measure again:

    make bench
"""


def save(name: str, found: Mapping[str, Any]) -> None:
    """Keep what a benchmark found, and write RESULTS.md."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    write()


def write() -> None:
    """Put RESULTS.md together."""
    text = [PREFACE, ""]
    for name in PARTS:
        file = HERE / "results" / f"{name}.json"
        if file.exists():
            found = json.loads(file.read_text())
            text += [import_module(f"benchmarks.{name}").section(found).rstrip(), ""]
            remarks = HERE / "results" / f"{name}.md"
            if remarks.exists():
                text += [remarks.read_text().rstrip(), ""]
    (HERE / "RESULTS.md").write_text("\n".join(text))


def machine() -> str:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    versions = []
    for name in ("numpy", "numba", "torch", "jax"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"{time.strftime('%Y-%m-%d')}, {model}, {len(os.sched_getaffinity(0))} processors (shared with "
        f"others), Python {platform.python_version()}, {', '.join(versions)}"
    )


if __name__ == "__main__":
    write()
