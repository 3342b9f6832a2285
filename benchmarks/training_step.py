"""One training step beside PyTorch's and JAX's: three cells, seven shapes, one thread and two.

    python -m benchmarks.training_step [--rounds 7] [--cells CELL ...] [--threads N ...] [--shapes H,B,T ...]

Every library has a process of its own for each number of threads, bound to as many processors. In each
place they take turns, round after round, so that whatever else the machine does meets all of them; what is
compared is one round's times with the same round's. Before that, all must find the same loss and gradient
from the same weights and batch. The large square product that shares refer to is measured in the same rounds.

Prints a table; when all places were measured it keeps `benchmarks/results/training_step.json` and writes its
part of `benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import geometric_mean, median
from typing import Any

import numpy as np

from benchmarks import results
from benchmarks.peers import PEERS, problem
from seqlab.spec.plan import matrix_operations, slices

CELLS = ("rnn", "lstm", "gru")
SHAPES = (
    (32, 32, 100),
    (64, 32, 100),
    (128, 20, 100),
    (128, 64, 100),
    (128, 20, 400),
    (256, 64, 100),
    (512, 64, 100),
)
"""H, B, T."""
TOLERANCE = 2e-4
"""Relative difference of gradients, ‖g - g'‖ / ‖g‖ for each array of weights, in float32."""
WANTED_SHARE = {128: 0.7, 256: 0.8, 512: 0.8}
"""Of sgemm, by H, for lstm and gru."""
_SECONDS = 0.25
_TRIALS = 3
"""Turns after which the fastest form of a library is chosen."""


class Worker:
    """A library in a process of its own."""

    def __init__(self, peer: str, threads: int) -> None:
        self.peer = peer
        count = str(threads)
        environment = {
            **os.environ,
            **{f"{name}_NUM_THREADS": count for name in ("OPENBLAS", "OMP", "MKL")},
            "JAX_PLATFORMS": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Or large blocks go back to the system and are mapped afresh at each step, as PyTorch's are.
            **{f"MALLOC_{name}_THRESHOLD_": str(1 << 30) for name in ("MMAP", "TRIM")},
        }
        processors = sorted(os.sched_getaffinity(0))[-threads:]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers", peer, count],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, processors),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.peer} ended at {request}")
        return json.loads(line)


def main() -> None:
    """Measure all places that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--shapes", nargs="+", type=_shape, default=SHAPES, metavar="H,B,T")
    parser.add_argument(
        "--seqlab-alone", action="store_true", help="leave the others out; nothing is written"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    arguments = parser.parse_args()
    names = ["seqlab"] if arguments.seqlab_alone else list(PEERS)
    places: list[dict[str, Any]] = []
    show = (lambda text: None) if arguments.json else partial(print, flush=True)
    show(HEADINGS)
    for threads in arguments.threads:
        for cell in arguments.cells:
            with ExitStack() as stack:
                workers = {name: stack.enter_context(Worker(name, threads)) for name in names}
                for shape in arguments.shapes:
                    places.append(measure(workers, cell, shape, threads, arguments.rounds))
                    show(line(places[-1]))
    if arguments.json:
        print(json.dumps(places))
    if arguments.seqlab_alone:
        return
    show(summary(places))
    for place in places:
        if shortfalls(place):
            place["profile"] = profile(place)
    if len(places) == 2 * len(CELLS) * len(SHAPES):
        results.save("training_step", {"machine": results.machine(), "places": places})


def measure(
    workers: Mapping[str, Worker], cell: str, shape: Sequence[int], threads: int, rounds: int
) -> dict[str, Any]:
    """One place: the same loss and gradient first, then turns."""
    spec = problem(cell, *shape)
    difference = agree(workers, [cell, *shape])
    best: dict[str, str] = {}
    for name, worker in workers.items():
        forms = PEERS[name].variants
        tried = {form: [] for form in forms}
        for _ in range(_TRIALS if len(forms) > 1 else 0):
            for form in forms:
                tried[form].append(median(_times(worker, form, _SECONDS / 2)))
        best[name] = min(forms, key=lambda form: median(tried[form])) if len(forms) > 1 else forms[0]
    found: dict[str, list[list[float]]] = {name: [] for name in workers}
    rates = []
    for number in range(rounds):
        rates.append(workers["seqlab"].ask(do="sgemm")["rate"])
        order = list(workers)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            found[name].append(_times(workers[name], best[name]))
    step = {name: median(time for turn in turns for time in turn) for name, turns in found.items()}
    spread = {
        name: [float(q) for q in np.quantile([t for turn in turns for t in turn], (0.1, 0.9))]
        for name, turns in found.items()
    }
    operations = matrix_operations(spec)
    ratios = {
        name: [median(turn) / median(own) for turn, own in zip(found[name], found["seqlab"], strict=True)]
        for name in workers
        if name != "seqlab"
    }
    return {
        "cell": cell,
        "shape": list(shape),
        "threads": threads,
        "slices": len(slices(spec)),
        "variant": best,
        "step_ms": {name: value * 1e3 for name, value in step.items()},
        "spread_ms": {name: [value * 1e3 for value in values] for name, values in spread.items()},
        "ratios": ratios,
        "faster": {name: median(values) for name, values in ratios.items()},
        "sgemm_gflops": max(rates),
        "share": {name: operations / value / 1e9 / max(rates) for name, value in step.items()},
        "difference": difference,
    }


def agree(workers: Mapping[str, Worker], shape: Sequence[Any]) -> float:
    """Open the place in all; the largest relative difference of any array of the gradient, and of the loss.

    Raises:
        RuntimeError: they do not compute the same.
    """
    worst, own_loss, own = 0.0, math.nan, {}
    with tempfile.TemporaryDirectory() as files:
        for name, worker in workers.items():  # seqlab comes first
            losses = worker.ask(do="open", shape=shape, files=files)["losses"]
            for number, loss in enumerate(losses):
                gradient = dict(np.load(f"{files}/{name}-{number}.npz"))
                if name == "seqlab":
                    own_loss, own = loss, gradient
                differences = [abs(loss / own_loss - 1)]
                for key, value in gradient.items():
                    wanted = own[key].astype(float)
                    differences.append(
                        float(np.linalg.norm(value - wanted) / (np.linalg.norm(wanted) or 1.0))
                    )
                if not max(differences) <= TOLERANCE:
                    form = PEERS[name].variants[number]
                    raise RuntimeError(f"{name} ({form}) is off by {max(differences):.1e} at {shape}")
                worst = max(worst, *differences)
    return worst


HEADINGS = (
    "| cell | H, B, T | threads | seqlab | PyTorch | JAX | faster than the better | slices |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)


def line(place: Mapping[str, Any]) -> str:
    """A place as a row of the table."""

    def time(name: str) -> str:
        if name not in place["step_ms"]:
            return "-"
        low, high = place["spread_ms"][name]
        share = place["share"][name]
        return f"{_figures(place['step_ms'][name])} ({_figures(low)}-{_figures(high)}) {share:.0%}"

    faster = "-"
    if place["faster"]:
        name, ratio = min(place["faster"].items(), key=lambda item: item[1])
        turns = place["ratios"][name]
        faster = f"{ratio:.2f} ({min(turns):.2f}-{max(turns):.2f}), {name}"
    return (
        f"| {place['cell']} | {', '.join(map(str, place['shape']))} | {place['threads']} | {time('seqlab')} "
        f"| {time('PyTorch')} | {time('JAX')} | {faster} "
        f"| {place['slices']} |"
    )


def summary(places: Sequence[Mapping[str, Any]]) -> str:
    """What the whole table comes to."""
    better = [min(place["faster"].values()) for place in places]
    slower = [place for place, ratio in zip(places, better, strict=True) if ratio <= 1]
    differences = max(place["difference"] for place in places)
    return (
        f"Faster than the better of the two in {len(places) - len(slower)} of {len(places)} places, by "
        f"a geometric mean of {geometric_mean(better):.2f} ({min(better):.2f} to {max(better):.2f}). "
        f"Losses and gradients differ by at most {differences:.0e} (relative, float32)."
    )


def short(places: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a place falls short of what is wanted, by how much, and where its time goes."""
    lines = []
    for place in places:
        words = shortfalls(place)
        if words:
            where = f"{place['cell']} {', '.join(map(str, place['shape']))}, threads {place['threads']}"
            parts = ", ".join(f"{name} {ms:.2g}" for name, ms in place.get("profile", {}).items())
            lines.append(f"- {where}: {' and '.join(words)}" + (f" (ms: {parts})." if parts else "."))
    return ["Short of what is wanted, with a profile by `seqlab bench`:", "", *lines, ""] if lines else []


def shortfalls(place: Mapping[str, Any]) -> list[str]:
    """What a place lacks, in words."""
    ratio, share = min(place["faster"].values()), place["share"]["seqlab"]
    wanted = WANTED_SHARE.get(place["shape"][0], 0.0) if place["cell"] != "rnn" else 0.0
    words = [f"{1 / ratio:.2f} times as slow as the better of the two"] if ratio <= 1 else []
    return words + ([f"{share:.0%} of sgemm where {wanted:.0%} are wanted"] if share < wanted else [])


def profile(place: Mapping[str, Any]) -> dict[str, float]:
    """Milliseconds by part of a step, from `seqlab bench`."""
    hidden, batch, length = map(str, place["shape"])
    command = [sys.executable, "-m", "seqlab", "bench", "--json", "--cell", place["cell"], "--hidden", hidden]
    command += ["--batch", batch, "--length", length, "--threads", str(place["threads"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    parts: dict[str, float] = json.loads(done.stdout)["parts"]
    return parts


def section(found: Mapping[str, Any]) -> str:
    """The part of RESULTS.md."""
    places = found["places"]
    variants: dict[str, dict[str, int]] = {}
    for place in places:
        for name, variant in place["variant"].items():
            counts = variants.setdefault(name, {})
            counts[variant] = counts.get(variant, 0) + 1
    forms = "; ".join(
        f"{name}: " + ", ".join(f"{variant} {count} times" for variant, count in counts.items())
        for name, counts in variants.items()
        if name != "seqlab"
    )
    rates = [place["sgemm_gflops"] for place in places]
    return "\n".join(
        [
            "## One training step",
            "",
            "    python -m benchmarks.training_step",
            "",
            f"{found['machine']}.",
            "",
            "Forward, full backpropagation, clipping by the norm and Adam on one batch of adding. Each "
            "library in a process of its own, in turns: milliseconds, median (10th to 90th percentile), and "
            "the operations in matrix products as a share of what the best large square product of NumPy's "
            "OpenBLAS did in the same rounds on as many threads, "
            f"{min(rates):.0f} to {max(rates):.0f} GFLOP/s. What was measured is the fastest form of each: "
            f"{forms}. Faster: the ratio of medians round by round, median (least to most).",
            "",
            summary(places),
            "",
            *short(places),
            "",
            HEADINGS,
            *(line(place) for place in places),
            "",
        ]
    )


def _times(worker: Worker, variant: str, seconds: float = _SECONDS) -> list[float]:
    times: list[float] = worker.ask(do="time", variant=variant, seconds=seconds)["times"]
    return times


def _figures(value: float) -> str:
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


def _shape(text: str) -> tuple[int, ...]:
    numbers = tuple(int(number) for number in text.split(","))
    if len(numbers) != 3:
        raise ValueError(text)
    return numbers


if __name__ == "__main__":
    main()
