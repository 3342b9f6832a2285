"""What one training step of every cell costs, with each of its settings, beside the plain `rnn`.

    python -m benchmarks.cells [--rounds 7]

All train on one thread of one process at the same sizes, in turns, round after round; `rnn` has its turn
before each of them, and it is these two that are compared. A step is forward, full backpropagation, clipping
by the norm and Adam on one batch that stays; that of an `esn`, which has no gradient to follow, adds the
batch to what its readout is fitted to, and solves for it.

Keeps `benchmarks/results/cells.json` and writes `docs/cells.md`, which shows it.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import results
from docs import cells as page
from seqlab.spec import validate
from seqlab.training.ridge import trainer_for

SIZES = {"hidden": 64, "batch": 32, "length": 100}
_SECONDS = 0.1
_LEAST_STEPS = 5


def main() -> None:
    """Measure in turns, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    steps = {name: step_of(model) for name, model in page.models().items()}
    order = list(steps)
    times: dict[str, list[float]] = {name: [] for name in order}
    ratios: dict[str, list[float]] = {name: [] for name in order}
    for number in range(arguments.rounds):
        begin = number * len(order) // arguments.rounds
        for name in order[begin:] + order[:begin]:
            base, own = seconds(steps[page.BASE]), seconds(steps[name])
            times[page.BASE].append(base)
            times[name].append(own)
            ratios[name].append(own / base)
    found: dict[str, Any] = {
        "machine": results.machine(),
        "sizes": SIZES,
        "step_ms": {name: 1e3 * median(turns) for name, turns in times.items()},
        "ratios": ratios,
    }
    for name in order:
        print(f"{name:<48} {found['step_ms'][name]:6.2f} ms  {page.spread(ratios[name])}")
    results.save("cells", found)
    page.main()


def step_of(model: dict[str, Any]) -> Callable[[], Any]:
    """A training step, compiled and warm."""
    spec = validate(
        {
            "task": {"name": "adding", "length": SIZES["length"]},
            "model": {**model, "hidden": SIZES["hidden"]},
            "training": {
                "steps": 1000,
                "batch_size": SIZES["batch"],
                "optimizer": {"name": "adam", "lr": 1e-3},
            },
        }
    )
    trainer = trainer_for(spec)
    parts = trainer.draw()
    trainer.learn(parts)
    return lambda: trainer.learn(parts)


def seconds(step: Callable[[], Any]) -> float:
    """Of a step: the median of as many as a turn has time for, without the first, which finds cold caches."""
    step()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < _LEAST_STEPS or time.perf_counter() - began < _SECONDS:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return median(times)


if __name__ == "__main__":
    main()
