"""How long it takes to list a thousand runs.

    python -m benchmarks.listing [--runs 1000] [--rounds 5]

The folders are made in a temporary place as runs make them: a resolved spec, a status, 200 rows of metrics.
The clock runs over what the run browser does before its first paint (the status of every run, the specs of
those in sight), over what it reads after that (all specs), over one of the looks that follow every second,
and over the command `seqlab runs` as a process of its own, its start included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from seqlab.runs import files, layout
from seqlab.runs.listing import Listing
from seqlab.runs.status import Status
from seqlab.spec import load_spec, presets, to_toml

IN_SIGHT = 40
ROWS = 200
WANTED = 0.5


def main() -> None:
    """Make the folders, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make(home, arguments.runs)
        measured: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            for what, seconds in once(home, arguments.runs).items():
                measured.setdefault(what, []).append(seconds)
        for what, found in measured.items():
            spread = f"{min(found):.3f} - {max(found):.3f}"
            print(f"{what:<34} {median(found):.3f} s   ({spread}; at most {WANTED} s are wanted)")


def make(home: Path, count: int) -> None:
    """Make runs of all presets, one a minute."""
    texts = []
    for name in presets():
        spec = load_spec(name)
        texts.append((f"{spec.task.name}-{spec.model.cell}", to_toml(spec).encode(), spec.training.steps))
    status = Status("finished", 0, 0, heartbeat=time.time(), pid=1, pid_started="1", host="here")
    rows = [
        {"step": step, "wall": step / 9, "sequences": 32 * step, "train/loss": 1 / step, "train/lr": 0.01}
        for step in range(1, ROWS + 1)
    ]
    metrics = layout.METRICS_HEADER + b"".join(files.encode_row(row) for row in rows)
    for number in range(count):
        name, text, steps = texts[number % len(texts)]
        made = time.strftime("%Y%m%d-%H%M%S", time.gmtime(1.7e9 + 60 * number))
        folder = home / f"{made}-{name}-{number:06}"
        folder.mkdir()
        metric = {"train/loss": 0.01, "eval/loss": 0.02, "wall": 9.0}
        there = replace(status, step=steps, steps=steps, metrics=metric, best={"step": 9, "eval/loss": 0.01})
        (folder / layout.SPEC).write_bytes(text)
        (folder / layout.STATUS).write_bytes(there.to_bytes())
        (folder / layout.METRICS).write_bytes(metrics)


def once(home: Path, count: int) -> dict[str, float]:
    """Seconds of each."""
    listing = Listing(home)
    folders = layout.list_runs(home)[:IN_SIGHT]
    assert len(listing._names()) == count
    return {
        "first paint": seconds(lambda: listing.poll(specs=IN_SIGHT)),
        "every spec": seconds(lambda: listing.poll(folders, specs=count)),
        "a look when nothing has changed": seconds(lambda: listing.poll(folders)),
        "seqlab runs": seconds(lambda: command(home)),
        "seqlab runs --json": seconds(lambda: command(home, "--json")),
        "seqlab runs of an empty folder": seconds(lambda: command(home / "none")),
    }


def seconds(what: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def command(home: Path, *more: str) -> None:
    """Run `seqlab runs`."""
    subprocess.run(
        [sys.executable, "-m", "seqlab", "runs", "--out", str(home), *more], check=True, capture_output=True
    )


if __name__ == "__main__":
    main()
