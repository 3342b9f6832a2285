"""What training costs as work grows: time over T, B and layers, memory over T, rate over the truncation k.

    python -m benchmarks.growth [--rounds 15] [--json]

One thread, LSTM, adding. Memory is taken in a process of its own for each length; nothing else runs
meanwhile. Times are taken in turns, round after round, each right after a step of a size that stays the same,
and only the ratios of the two are compared: the speed of a shared machine drifts by a factor of two.

Prints a table; keeps `benchmarks/results/growth.json`, writes its part of `benchmarks/RESULTS.md`, and draws
`benchmarks/growth.svg`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import results
from benchmarks.plot import Panel, Series, draw
from seqlab.spec import Spec, validate
from seqlab.spec.credit import windows

BASE = {"hidden": 64, "batch": 32, "length": 100, "layers": 1, "truncation": 0}
"""What every time is compared with."""
GROWTH: dict[str, Sequence[int]] = {
    "length": (50, 100, 200, 400, 800, 1600),
    "batch": (8, 16, 32, 64, 96, 128),
    "layers": (1, 2, 3, 4, 6),
}
LABELS = {"length": "T, timesteps", "batch": "B, sequences", "layers": "layers"}
CUTS = (1, 5, 20, 100)
CUT_LENGTH, CUT_BATCHES = 400, (32, 4)
LENGTHS = (1_000, 10_000, 100_000)
LONG = {"hidden": 128, "batch": 4, "truncation": 100, "eval_sequences": 16}
STAGES = {"training": "training", "evaluation": "and evaluation", "probe": "and a frame"}
_SECONDS = 0.03
PLOT = Path(__file__).parent / "growth.svg"


def main() -> None:
    """Measure, print, and keep what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="growth"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-of", type=int, metavar="T", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(json.dumps(peak_memory(arguments.memory_of)))
        return
    # First, and while this process is small: what it forks may count its size as their own.
    memory = [_memory_of(length) for length in (LENGTHS[0], *LENGTHS)][1:]  # the first may have to compile
    found = {
        "machine": results.machine(),
        "rounds": arguments.rounds,
        "base": BASE,
        "memory": {"at": LONG, "lengths": memory},
        "time": growth(arguments.rounds),
        "truncation": [truncation(batch, arguments.rounds) for batch in CUT_BATCHES],
    }
    PLOT.write_text(plot(found))
    results.save("growth", found)
    print(json.dumps(found, indent=1) if arguments.json else section(found))


def spec(**sizes: int) -> Spec:
    """Adding with an LSTM of some sizes, those of `BASE` where none are given."""
    size = {**BASE, "eval_sequences": 8, **sizes}
    return validate(
        {
            "task": {"name": "adding", "length": size["length"]},
            "model": {"cell": "lstm", "hidden": size["hidden"], "layers": size["layers"]},
            "training": {
                "batch_size": size["batch"],
                "truncation": size["truncation"],
                "eval_sequences": size["eval_sequences"],
            },
        }
    )


def growth(rounds: int) -> dict[str, dict[str, Any]]:
    """Milliseconds of a training step over each size, and the line through them."""
    base = _steps(spec())
    steps = {(what, size): _steps(spec(**{what: size})) for what, sizes in GROWTH.items() for size in sizes}
    seconds: list[float] = []
    ratios: dict[tuple[str, int], list[float]] = {place: [] for place in steps}
    for _ in range(rounds):
        for place, step in steps.items():
            unit = base()
            seconds.append(unit)
            ratios[place].append(step() / unit)
    unit = 1e3 * median(seconds)
    found = {}
    for what, sizes in GROWTH.items():
        points = [{"size": size, **_spread([unit * ratio for ratio in ratios[what, size]])} for size in sizes]
        start, slope = line([point["size"] for point in points], [point["median"] for point in points])
        for point in points:
            point["off"] = point["median"] / (start + slope * point["size"]) - 1
        found[what] = {
            "points": points,
            "start": start,
            "slope": slope,
            "largest_deviation": max(abs(point["off"]) for point in points),
        }
    return found


def line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Start and slope of the line with the least squares of relative deviations."""
    across, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rows = np.stack([np.ones_like(across), across], axis=1) / up[:, None]
    start, slope = np.linalg.lstsq(rows, np.ones_like(up), rcond=None)[0]
    return float(start), float(slope)


def truncation(batch: int, rounds: int) -> dict[str, Any]:
    """The rate at each k, of that of full backpropagation, and what a window costs beside the kernels."""
    from seqlab.training.trainer import Trainer

    sizes = {"length": CUT_LENGTH, "batch": batch}
    full, steps = _steps(spec(**sizes)), {k: _steps(spec(**sizes, truncation=k)) for k in CUTS}
    seconds: list[float] = []
    shares: dict[int, list[float]] = {k: [] for k in CUTS}
    for _ in range(rounds):
        for k, step in steps.items():
            unit = full()
            seconds.append(unit)
            shares[k].append(unit / step())
    shortest = Trainer(spec(**sizes, truncation=CUTS[0]))
    count = len(windows(CUT_LENGTH, CUTS[0]))
    sweep_through, call_kernels = _sweep_and_calls(shortest)
    alone = [(sweep_through() / count, call_kernels() / count) for _ in range(4 * rounds)]
    return {
        "batch": batch,
        "slices": len(shortest.passes),
        "length": CUT_LENGTH,
        "hidden": BASE["hidden"],
        "full_ms": 1e3 * median(seconds),
        "rates": [{"k": k, **_spread(shares[k])} for k in CUTS],
        "window_us": _spread([1e6 * whole for whole, _ in alone]),
        "python_us": _spread([1e6 * (whole - kernels) for whole, kernels in alone]),
    }


def peak_memory(length: int) -> dict[str, Any]:
    """Megabytes that this process needs at most: after training steps, the evaluation, a look at a frame."""
    from seqlab.training.trainer import Trainer

    found: dict[str, Any] = {"length": length}
    trainer = Trainer(spec(length=length, **LONG))
    for _ in range(4):  # the batches of the next steps are drawn beside
        trainer.advance()
    found["training"] = _peak()
    trainer.evaluator.rungs()
    trainer.evaluate()
    found["evaluation"] = _peak()
    look = trainer.probe.look()
    found["probe"] = _peak()
    batch = trainer.draw()[0]
    found["batch"] = _megabytes(batch.inputs, batch.targets, batch.mask)
    found["frame"] = _megabytes(*look.tensors.values())
    return found


def section(found: Mapping[str, Any]) -> str:
    """The part of RESULTS.md."""
    lines = [
        "## Cost as work grows",
        "",
        "    python -m benchmarks.growth",
        "",
        f"{found['machine']}.",
        "",
        "LSTM on adding, one thread, full backpropagation unless a truncation is given. Times are medians of "
        f"{found['rounds']} rounds (quartiles); each was taken as a ratio to a step that stays the same, "
        "right before it.",
        "",
        *_about_time(found),
        "",
        *_about_memory(found["memory"]),
        "",
        *_about_truncation(found["truncation"]),
        "",
    ]
    return "\n".join(lines)


def plot(found: Mapping[str, Any]) -> str:
    """Time over T, B and layers, as SVG."""
    panels = []
    for what, grown in found["time"].items():
        points = [(p["size"], p["median"], p["lower"], p["upper"]) for p in grown["points"]]
        ends = [(x, grown["start"] + grown["slope"] * x) for x in (points[0][0], points[-1][0])]
        panels.append(Panel(LABELS[what], "ms a step", Series(points, ends)))
    return draw("Time of a training step, LSTM, H = 64", panels)


def _about_time(found: Mapping[str, Any]) -> Iterator[str]:
    base = found["base"]
    yield "![time of a step over T, B and layers](growth.svg)"
    yield ""
    yield "| over | at | ms | line, ms | farthest from it |"
    yield "|---|---|---|---|---|"
    names = {"hidden": "H", "batch": "B", "length": "T", "layers": "layers"}
    for what, grown in found["time"].items():
        rest = ", ".join(f"{names[key]} = {base[key]}" for key in names if key != what)
        times = "; ".join(f"{p['size']}: {_with_spread(p, '.3g')}" for p in grown["points"])
        worst = max(grown["points"], key=lambda p: abs(p["off"]))
        yield (
            f"| {names[what]} | {rest} | {times} | {grown['start']:.2f} + {grown['slope']:.4f} {names[what]} "
            f"| {100 * worst['off']:+.0f} %, at {worst['size']} |"
        )
    yield ""
    yield (
        "The lowest layer has two inputs and passes no derivative down, so each layer above it does twice as "
        "much. A batch is cut into slices, and thick slices are cheaper by the sequence than thin ones. "
        "Derivatives that vanish go to zero, not into denormal numbers, whose sums take ten times as long."
    )


def _about_memory(memory: Mapping[str, Any]) -> Iterator[str]:
    at, lengths = memory["at"], memory["lengths"]
    shortest, longest = lengths[0], lengths[-1]
    yield (
        f"Peak resident memory over T, in MB, at B = {at['batch']}, k = {at['truncation']}, "
        f"H = {at['hidden']}, {at['eval_sequences']} sequences held out, a process for each T. What is "
        f"allowed is 1.2 times that at T = {shortest['length']:,}, and the batch."
    )
    yield ""
    yield "| | " + " | ".join(f"T = {of['length']:,}" for of in lengths) + " | allowed |"
    yield "|---|" + "---|" * (len(lengths) + 1)
    for stage, label in STAGES.items():
        allowed = 1.2 * shortest[stage] + longest["batch"]
        yield f"| {label} | " + " | ".join(f"{of[stage]:.0f}" for of in lengths) + f" | {allowed:.0f} |"
    for part, label in (("batch", "the batch"), ("frame", "the frame itself")):
        yield f"| {label} | " + " | ".join(f"{of[part]:.1f}" for of in lengths) + " | |"
    yield ""
    yield (
        "Training and evaluation hold a window, and of the whole length only data: the batch in use and the "
        "next, the probe's inputs, a chunk of the held-out split. A frame is another matter, as it shows "
        "gates and states of one sequence at every timestep: it grows with T as it must."
    )


def _about_truncation(rates: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield (
        f"Rate at truncation k, of that of full backpropagation, at H = {rates[0]['hidden']}, "
        f"T = {rates[0]['length']}; medians (quartiles). Python's part of a window is what a slice's sweep "
        "takes beyond the same calls of kernels with nothing between them, much the same for every k."
    )
    yield ""
    ks = [of["k"] for of in rates[0]["rates"]]
    yield (
        "| B | " + " | ".join(f"k = {k}" for k in ks) + f" | a window of k = {ks[0]}, µs | of it Python, µs |"
    )
    yield "|---|" + "---|" * (len(ks) + 2)
    for of in rates:
        cells = [_with_spread(value, ".2f") for value in of["rates"]]
        cells += [_with_spread(of[what], ".1f") for what in ("window_us", "python_us")]
        slices = "1 slice" if of["slices"] == 1 else f"{of['slices']} slices"
        yield f"| {of['batch']}, in {slices} | " + " | ".join(cells) + " |"


def _with_spread(value: Mapping[str, float], form: str) -> str:
    return f"{value['median']:{form}} ({value['lower']:{form}}–{value['upper']:{form}})"


def _steps(of: Spec) -> Callable[[], float]:
    """What times a step: the mean of as many as take `_SECONDS`."""
    from seqlab.training.trainer import Trainer

    trainer = Trainer(of)
    trainer.advance()
    start = time.perf_counter()
    trainer.advance()
    count = max(1, round(_SECONDS / (time.perf_counter() - start)))

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(count):
            trainer.advance()
        return (time.perf_counter() - start) / count

    return seconds


def _sweep_and_calls(trainer: Any) -> tuple[Callable[[], float], Callable[[], float]]:
    """What times a sweep of a slice through all windows, and the calls of kernels alone that it makes."""
    from seqlab.kernels.denormals import as_zeros
    from seqlab.training.truncation import sweep

    of, work, part = trainer.spec, trainer.passes[0], trainer.draw()[0]
    gradients, cuts = trainer.network.empty(), windows(of.task.timesteps, of.training.truncation)

    def whole() -> float:
        work.reset()
        gradients.flat[:] = 0
        start = time.perf_counter()
        sweep(work, part, cuts, 1.0, gradients)
        return time.perf_counter() - start

    with _noted(trainer.network) as made:
        whole()
    calls = list(made)

    def again() -> float:
        work.reset()
        gradients.flat[:] = 0
        with as_zeros():
            start = time.perf_counter()
            for kernel, arguments in calls:
                kernel(*arguments)
            return time.perf_counter() - start

    return whole, again


@contextmanager
def _noted(network: Any) -> Iterator[list[tuple[Callable[..., Any], tuple[Any, ...]]]]:
    """Note every call of a kernel, with its arguments."""
    from seqlab.training import network as module

    made: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def noting(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            made.append((kernel, arguments))
            return kernel(*arguments)

        return call

    readout: Any = vars(module)["readout"]
    through = SimpleNamespace(forward=noting(readout.forward), backward=noting(readout.backward))
    cell: dict[str, Any] = {name: noting(getattr(network, name)) for name in ("forward", "backward", "loss")}
    with patch.object(module, "readout", through), patch.multiple(network, **cell):
        yield made


def _memory_of(length: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", "--memory-of", str(length)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _peak() -> float:
    """Megabytes; Linux counts in kilobytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def _megabytes(*arrays: Any) -> float:
    return float(sum(array.nbytes for array in arrays)) / 1e6


def _spread(values: Sequence[float]) -> dict[str, float]:
    lower, middle, upper = quantiles(values, n=4, method="inclusive")
    return {"median": middle, "lower": lower, "upper": upper}


if __name__ == "__main__":
    main()
