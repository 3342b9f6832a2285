"""`seqlab bench`: what one training step costs on this machine, and where its time goes.

It runs in a process of its own, `python -m seqlab.bench REQUEST`: how many threads a large product may use
is read once, when NumPy is imported, and peak memory is that of a process that did nothing else.

Every figure comes from the trainer and the recorder that train runs. A `Profile` puts clocks around some of
their methods for a while; outside of it they are as they were. What is called the machine's own rate is
that of one large square product of NumPy, measured in turn with the steps.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab import console
from seqlab.kernels import cache
from seqlab.process import serve
from seqlab.runs.launch import BLAS_THREADS, environment_for
from seqlab.spec import Spec, validate
from seqlab.spec.plan import matrix_operations, slices
from seqlab.training.profile import Profile, parts_of, parts_of_a_step
from seqlab.training.ridge import trainer_for
from seqlab.training.trainer import Trainer
from seqlab.worker.costs import NEVER, RECORDING, advance, estimate, recorded_run
from seqlab.worker.warmth import Warmth, threads_for

if TYPE_CHECKING:
    from rich.table import Table

_SECONDS = 4.0
_STRETCH = 0.25
"""Seconds of steps between two large products."""
_LEAST_STEPS = 5
_QUIET = 0.05
"""Seconds after a large product in which the threads of BLAS still wait for another."""
_SQUARE = 2_048


def bench(spec: Spec, threads: int, recording: bool = False) -> dict[str, Any]:
    """Measure one training step.

    NumPy's products should have `threads` threads as well: see `environment_for`.

    Args:
        spec: what is trained; nothing is left of it.
        threads: for training; it uses no more than there are slices.
        recording: measure what recording costs in a run of its own, at the spec's own cadence.

    Returns:
        `step_ms`, the median, and `step_ms_quartiles`; `steps_per_s`; `sequence_steps_per_s`, timesteps ×
        sequences; `gflops`, of the step's matrix products; `sgemm_gflops`, of a large square one in the same
        precision; `sgemm_share`, of the one in the other; `peak_rss_mb`, of interpreter, libraries, step,
        evaluation and recording, before that large product; `parts`, see `parts_of`; `recording`, shares of
        the training time, if asked for; the shape, the precision and the threads.

    Raises:
        SystemExit: training diverges, so there is nothing to measure.
    """
    threads = min(threads, len(slices(spec)))
    warmth = Warmth(say=lambda **_: None, interrupted=lambda: False)
    warmth.load(spec)
    warmth.compile(spec)
    trainer = trainer_for(_without_cadence(spec), threads)
    try:
        advance(trainer)
        evaluation = _evaluation(trainer, threads) / spec.training.eval_every
        costs = estimate(trainer, spec)
        peak = _peak_rss()
        steps, rates, profiled = _measure(trainer)
    finally:
        trainer.close()
    shares = None
    if recording:
        shares, costs = recorded_run(spec, warmth, statistics.median(steps), console.say)
    step = statistics.median(steps)
    quartiles = statistics.quantiles(steps, method="inclusive")
    gflops, best = matrix_operations(spec) / step / 1e9, max(rates)
    task, model, training = spec.task, spec.model, spec.training
    found = {
        "task": task.name,
        "cell": model.cell,
        "hidden": model.hidden,
        "layers": model.layers,
        "batch": training.batch_size,
        "length": task.timesteps,
        "truncation": training.truncation,
        "precision": training.precision,
        "threads": threads,
        "step_ms": step * 1e3,
        "step_ms_quartiles": [quartiles[0] * 1e3, quartiles[2] * 1e3],
        "steps_measured": len(steps),
        "steps_per_s": 1 / step,
        "sequence_steps_per_s": task.timesteps * training.batch_size / step,
        "gflops": gflops,
        "sgemm_gflops": best,
        "sgemm_share": gflops / best,
        "peak_rss_mb": peak / 1e6,
        "parts": {
            **{part: share * step * 1e3 for part, share in profiled.items()},
            "recording": sum(costs.values()) * 1e3,
            "evaluation": evaluation * 1e3,
        },
    }
    return found if shares is None else {**found, "recording": shares}


def _measure(trainer: Trainer) -> tuple[list[float], list[float], dict[str, float]]:
    """Seconds of steps, rates of large products, and `parts_of`: a stretch of each in turn."""
    steps: list[float] = []
    rates: list[float] = []
    parts: list[dict[str, float]] = []
    product = _large_product(trainer.network.dtype)
    began = time.perf_counter()
    while len(steps) < _LEAST_STEPS or time.perf_counter() - began < _SECONDS:
        times = list(_stretch(trainer))
        steps += times[1:] or times  # the first of several finds cold caches
        with Profile(parts_of_a_step(trainer)) as profile:
            seconds = sum(_stretch(trainer))
        parts.append(parts_of(profile.totals(), seconds))
        rates.append(product())
        time.sleep(_QUIET)
    shares = {part: statistics.median(each[part] for each in parts) for part in parts[0]}
    whole = sum(shares.values())  # medians of shares: nearly 1
    return steps, rates, {part: share / whole for part, share in shares.items()}


def _stretch(trainer: Trainer) -> Iterator[float]:
    """Seconds of each of some steps, one at least."""
    until = time.perf_counter() + _STRETCH
    while True:
        began = time.perf_counter()
        advance(trainer)
        ended = time.perf_counter()
        yield ended - began
        if ended >= until:
            return


def _large_product(dtype: np.dtype[Any]) -> Callable[[], float]:
    """A function that multiplies two large square matrices and returns GFLOP/s."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((_SQUARE, _SQUARE)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    np.dot(a, b, out=out)

    def product() -> float:
        began = time.perf_counter()
        np.dot(a, b, out=out)
        return 2 * _SQUARE**3 / (time.perf_counter() - began) / 1e9

    return product


def _evaluation(trainer: Trainer, threads: int) -> float:
    """Seconds of an evaluation, from as many of its chunks as run at once."""
    evaluator = trainer.evaluator
    chunks = min(evaluator.chunks, threads)
    evaluator.evaluate(chunks)  # draws them
    began = time.perf_counter()
    evaluator.evaluate(chunks)
    return (time.perf_counter() - began) * evaluator.chunks / chunks


def _peak_rss() -> int:
    """Bytes of memory that this process held at most."""
    try:  # getrusage may count what the process was before it became this program
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _without_cadence(spec: Spec) -> Spec:
    """With a row at each step, and never anything else."""
    cadence = {"log_every": 1, **dict.fromkeys(("eval_every", "frame_every", "checkpoint_every"), NEVER)}
    return spec.model_copy(update={"training": spec.training.model_copy(update=cadence)})


def table(found: Mapping[str, Any]) -> Table:
    """What `bench` found, for people."""
    from rich.table import Table

    back = f"truncation {found['truncation']}" if found["truncation"] else "full BPTT"
    shape = [
        f"{found['task']}, {found['cell']}: H {found['hidden']}",
        f"B {found['batch']}",
        f"T {found['length']}",
        _count(found["layers"], "layer"),
        back,
        found["precision"],
        _count(found["threads"], "thread"),
    ]
    low, high = found["step_ms_quartiles"]
    product = "sgemm" if found["precision"] == "float32" else "dgemm"
    rows = Table(title=", ".join(shape), title_justify="left", box=None, show_header=False, pad_edge=False)
    rows.add_column()
    rows.add_column(justify="right")
    rows.add_column()
    rows.add_row("one step", f"{_figure(found['step_ms'])} ms", f"quartiles {_figure(low)} – {_figure(high)}")
    rows.add_row("steps", _figure(found["steps_per_s"]), "per second")
    rows.add_row("timesteps × sequences", f"{found['sequence_steps_per_s']:,.0f}", "per second")
    share = f"{found['sgemm_share']:.1%} of {product}, {found['sgemm_gflops']:.1f}"
    rows.add_row("matrix products", f"{found['gflops']:.1f} GFLOP/s", share)
    rows.add_row("peak memory", f"{found['peak_rss_mb']:,.0f} MB", "")
    total = sum(found["parts"].values())
    for number, (part, ms) in enumerate(found["parts"].items()):
        rows.add_row(part, f"{_figure(ms)} ms", f"{ms / total:6.1%}", style="dim" if number > 3 else "")
    if "recording" in found:
        shares = found["recording"]
        beside, steps = shares["beside"], shares["steps"]
        words = f"and {sum(beside.values()):.2%} in threads beside it, over {steps:,} steps"
        rows.add_row("recording / training", f"{shares['sum']:.2%}", words)
        low, middle, high = (each - 1 for each in shares["longer"])
        rows.add_row("  in all", f"{middle:.1%}", f"longer, quartiles {low:.1%} – {high:.1%}")
        for part in RECORDING:
            rows.add_row(f"  {part}", f"{shares[part]:.2%}", f"and {beside[part]:.2%}")
    return rows


def _figure(value: float) -> str:
    """Three significant digits, with no exponent."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, digits)}f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def main(request: str) -> int:
    """Measure and print.

    Args:
        request: JSON: `spec`, a resolved spec; whether to measure `recording`; whether to print `json`.

    Returns:
        The exit code.
    """
    asked = json.loads(request)
    spec = validate(asked["spec"])
    threads = min(threads_for(spec), len(slices(spec)))
    _begin_with(spec, threads)
    console.say("measuring, which takes some seconds")
    found = bench(spec, threads, asked["recording"])
    if asked["json"]:
        console.emit(**found)
    else:
        from rich.console import Console

        Console(highlight=False).print(table(found))
    return 0


def _begin_with(spec: Spec, threads: int) -> None:
    """Begin this program once more, unless BLAS has its threads and the kernels are compiled already.

    Compiling takes more memory than training does, and would be its peak.
    """
    compiled = cache.is_compiled(spec.model.kernel) or not cache.WRITABLE
    if not compiled:
        console.say(f"compiling {spec.model.cell}")
        Warmth(say=lambda **_: None, interrupted=lambda: False).compile(spec)
    if not compiled or any(os.environ.get(name) != str(threads) for name in BLAS_THREADS):
        os.execve(sys.executable, sys.orig_argv, environment_for(threads, blas=threads))


if __name__ == "__main__":
    serve(main)
