"""Two threads beside one, of seqlab alone, in turns.

    python -m benchmarks.threads [--rounds 7]

The same step as in `benchmarks.training_step`; a batch is cut into the same slices whatever the number of
threads, so that both find the same bits.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median
from typing import Any

import numpy as np

from benchmarks import results
from benchmarks.peers import problem
from benchmarks.training_step import CELLS, SHAPES, Worker
from seqlab.spec.plan import slices

SMALL = ((8, 8, 20), (16, 16, 50), (32, 32, 50))
_SECONDS = 0.4


def wanted(shape: tuple[int, ...]) -> float:
    """What two threads should gain."""
    if shape[:2] == (128, 20):
        return 1.8
    return 1.6 if shape[1] == 64 else 1.0


def main() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    places = []
    with ExitStack() as stack:
        workers = {threads: stack.enter_context(Worker("seqlab", threads)) for threads in (1, 2)}
        for cell in CELLS:
            for shape in (*SMALL, *SHAPES):
                places.append(measure(workers, cell, shape, arguments.rounds))
                print(line(places[-1]), flush=True)
    results.save("threads", {"machine": results.machine(), "places": places})


def measure(workers: Mapping[int, Worker], cell: str, shape: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """One place, in turns; first both must find the same gradient to the bit."""
    gradients = []
    for worker in workers.values():
        with tempfile.TemporaryDirectory() as files:
            worker.ask(do="open", shape=[cell, *shape], files=files)
            gradients.append(dict(np.load(f"{files}/seqlab-0.npz")))
    one, two = gradients
    if any((one[name] != two[name]).any() for name in one):
        raise RuntimeError(f"two threads find another gradient than one at {cell} {shape}")
    turns = []
    for _ in range(rounds):
        times = [
            median(worker.ask(do="time", variant="seqlab", seconds=_SECONDS)["times"])
            for worker in workers.values()
        ]
        turns.append(times[0] / times[1])
    return {
        "cell": cell,
        "shape": list(shape),
        "slices": len(slices(problem(cell, *shape))),
        "ratios": turns,
        "wanted": wanted(shape),
    }


def line(place: Mapping[str, Any]) -> str:
    """A place as a row of the table."""
    turns = place["ratios"]
    return (
        f"| {place['cell']} | {', '.join(map(str, place['shape']))} | {place['slices']} "
        f"| {median(turns):.2f} ({min(turns):.2f}-{max(turns):.2f}) | {place['wanted']:.1f} |"
    )


def section(found: Mapping[str, Any]) -> str:
    """The part of RESULTS.md."""
    return "\n".join(
        [
            "## Two threads over one",
            "",
            "    python -m benchmarks.threads",
            "",
            f"{found['machine']}.",
            "",
            "Rate of two threads over that of one, in turns, median (least to most). A step of one slice has "
            "nothing to share out, so both do the same there.",
            "",
            "| cell | H, B, T | slices | two over one | wanted |",
            "|---|---|--:|--:|--:|",
            *(line(place) for place in found["places"]),
        ]
    )


if __name__ == "__main__":
    main()
