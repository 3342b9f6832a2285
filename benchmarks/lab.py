"""How fast the lab paints, starts and answers, and what it costs the training.

    python -m benchmarks.lab [--rounds 5] [--json]

Everything is measured on the real program in a pseudo-terminal of 120 × 40 with 256 colours, on a machine
that does nothing else. The cost to the training is a ratio of rates of one run, lab open over lab closed, in
turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.terminal import Terminal
from seqlab.runs.control import send
from seqlab.runs.layout import list_runs
from seqlab.runs.run import Run, open_run

SEQLAB = [sys.executable, "-m", "seqlab"]
SPEC = """
[task]
name = "adding"
length = 100
[model]
cell = "lstm"
hidden = 32
[training]
steps = {steps}
eval_every = 1000
log_every = 10
optimizer = {{ name = "adam", lr = 0.005 }}
"""
KEYS = 40
SPAN = 5.0


def main() -> None:
    """Measure everything and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="lab"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subprocess.run(
            [*SEQLAB, "run", spec_file(home, 50), "--out", str(home / "warm")],
            capture_output=True,
            check=True,
        )
        rows = [
            ("seqlab --version, seconds", 0.2, _spread(version() for _ in range(arguments.rounds))),
            (
                "start to first paint, seconds",
                0.8,
                _spread(first_paint(home) for _ in range(arguments.rounds)),
            ),
            (
                "start key to first loss point, warm, seconds",
                2.0,
                _spread(first_loss(home)[0] for _ in range(arguments.rounds)),
            ),
        ]
        cold, silence = first_loss(home, {"NUMBA_CACHE_DIR": str(home / "cold")})
        rows.append(("start key to first loss point, cold, seconds", 15.0, [cold]))
        rows.append(("longest silence while compiling, seconds", 1.0, [silence]))
        latencies, shares = key_to_paint(home)
        rows.append(
            ("key to paint while training, 95th percentile, ms", 100.0, [quantiles(latencies, n=20)[-1]])
        )
        ratios = rates_with_lab(home, arguments.rounds)
        rows.append(("rate with the lab open, of that of the run alone", 0.9, ratios))
    report = {name: {"wanted": wanted, "measured": values} for name, wanted, values in rows}
    if arguments.json:
        print(json.dumps({**report, **shares}))
        return
    print(f"{'':<52} {'wanted':>8} {'median':>8} {'least':>8} {'most':>8}")
    for name, wanted, values in rows:
        print(f"{name:<52} {wanted:8.2f} {median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    for name, value in shares.items():
        print(f"{name:<52} {'':8} {value:8.1f}")


def version() -> float:
    """Seconds that `seqlab --version` takes."""
    start = time.monotonic()
    subprocess.run([*SEQLAB, "--version"], capture_output=True, check=True)
    return time.monotonic() - start


def first_paint(home: Path) -> float:
    """Seconds from the start of the process to the first frame."""
    with Terminal([*SEQLAB, "lab"], environment=variables_of(home)) as terminal:
        return terminal.wait_for(lambda: "seqlab" in terminal.screen())


def first_loss(home: Path, variables: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Seconds from the start key to the first point of the loss, and the longest time without a sign of life.

    With a warm cache the key comes once the worker is ready, as for a person who has chosen something; with
    a cold one it comes at once, and everything is compiled on the way.
    """
    with Terminal([*SEQLAB, "lab"], environment={**variables_of(home), **(variables or {})}) as terminal:
        ready = "Truncation" if variables else "worker ready"
        terminal.wait_for(lambda: ready in terminal.screen())
        start = time.monotonic()
        terminal.press("\r")
        longest, last = 0.0, start
        while not has_point(terminal.screen()):
            if terminal.read_once(0.02):
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            if time.monotonic() - start > 60:
                raise TimeoutError(terminal.screen())
        seconds = time.monotonic() - start
        stop(terminal)  # or it would train on, beside the next measurement
        return seconds, longest


def key_to_paint(home: Path) -> tuple[list[float], dict[str, float]]:
    """Milliseconds from a key to its effect on the screen, and what the lab costs meanwhile."""
    command = [*SEQLAB, "lab", spec_file(home, 1_000_000)]
    latencies = []
    with Terminal(command, environment=variables_of(home)) as terminal:
        terminal.wait_for(lambda: has_point(terminal.screen()), 60)
        own, written, start = terminal.processor_seconds()[0], len(terminal.data), time.monotonic()
        for number in range(KEYS):
            terminal.read(0.2 + 0.013 * (number % 7))  # not in step with the ticker
            wanted = "log" if "linear" in terminal.screen().splitlines()[1] else "linear"
            terminal.press("y")
            latencies.append(1000 * terminal.wait_for(wanted, 5))
        span = time.monotonic() - start
        shares = {
            "the lab's own processor share while training, %": 100
            * (terminal.processor_seconds()[0] - own)
            / span,
            "kB a second to the terminal": (len(terminal.data) - written) / 1000 / span,
        }
        stop(terminal)
    return latencies, shares


def rates_with_lab(home: Path, rounds: int) -> list[float]:
    """Steps a second of one long run, while the lab is open on it over while it is not, in turns.

    The spans lie side by side, so that a machine whose speed drifts does not count as the lab's doing.
    """
    out = home / "long"
    subprocess.run(
        [*SEQLAB, "run", "--detach", spec_file(home, 10_000_000), "--out", str(out)],
        check=True,
        capture_output=True,
        env={**os.environ, **variables_of(home)},
    )
    run = open_run(list_runs(out)[0])
    ratios = []
    while run.rows == 0:
        time.sleep(0.1)
    alone = _rate(run)
    for _ in range(rounds):
        with Terminal([*SEQLAB, "watch", str(run.path)], environment=variables_of(home)) as terminal:
            terminal.wait_for(lambda terminal=terminal: has_point(terminal.screen()), 60)
            with_lab = _rate(run, lambda terminal=terminal: terminal.read(0.1))
            terminal.press("q")
            terminal.wait()
        before, alone = alone, _rate(run)
        ratios.append(2 * with_lab / (before + alone))
    send(run.path, "stop")
    return ratios


def _rate(run: Run, meanwhile: Callable[[], object] = lambda: time.sleep(0.1)) -> float:
    """Steps a second over a span, by the worker's own clock; the first second does not count."""
    ends = []
    for seconds in (1.0, SPAN):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            meanwhile()
        wall = run.metrics["wall"]
        ends.append((wall.steps[-1], wall.values[-1]))
    (first, began), (last, ended) = ends
    return float((last - first) / (ended - began))


def has_point(screen: str) -> bool:
    """Whether anything is drawn in the left half of the top panels."""
    rows = [line[1:58] for line in screen.splitlines()[2:16]]
    return any("\u2801" <= glyph <= "\u28ff" for row in rows for glyph in row)


def stop(terminal: Terminal) -> None:
    terminal.press("s")
    terminal.wait_for(lambda: "stopped" in terminal.screen())


def spec_file(home: Path, steps: int) -> str:
    path = home / f"adding-{steps}.toml"
    path.write_text(SPEC.format(steps=steps))
    return str(path)


def variables_of(home: Path) -> dict[str, str]:
    return {"SEQLAB_HOME": str(home / "runs")}


def _spread(values: Any) -> list[float]:
    return sorted(values)


if __name__ == "__main__":
    main()
