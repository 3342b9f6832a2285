"""What the lab sends over the wire, and what it takes of a processor.

    python -m benchmarks.wire [--seconds 20] [--json] [--beside COMMAND]

The real program in a pseudo-terminal of 120 × 40 with 256 colours, on a machine that does nothing else but
train; each situation in a terminal of its own, on a run that goes on as long as it is looked at. First paints
are those of four ways in. COMMAND is another program, to be measured in the same way beside the lab.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.lab import SEQLAB, has_point, spec_file, stop, variables_of
from benchmarks.terminal import Terminal
from seqlab.runs.layout import list_runs

SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}  # addresses for documentation, RFC 5737
WARM_UP = 5.0
PAINTS = 5


def main() -> None:
    """Measure everything and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="wire"
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--beside", metavar="COMMAND")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        spec, environment = spec_file(home, 10_000_000), variables_of(home)
        lab = [*SEQLAB, "lab", spec]
        situations: dict[str, tuple[Sequence[str], Mapping[str, str], str, tuple[float, float]]] = {
            "all panels, here": (lab, environment, "", (120, 10)),
            "all panels, over SSH": (lab, environment | SSH, "", (20, 10)),
            "the loss alone, over SSH": (lab, environment | SSH, "1m", (4, 10)),
            "paused": (lab, environment, " ", (0, 1)),
        }
        if arguments.beside:
            situations["beside it"] = (shlex.split(arguments.beside), {}, "", (0, 0))
        costs = {
            name: (wanted, cost(command, variables, keys, arguments.seconds))
            for name, (command, variables, keys, wanted) in situations.items()
        }
        run = list_runs(home / "runs")[0].name
        ways = {"lab": ["lab"], "lab SPEC": ["lab", spec], "watch RUN": ["watch", run], "runs": ["runs"]}
        paints = {name: [paint(way, environment) for _ in range(PAINTS)] for name, way in ways.items()}
    if arguments.json:
        print(json.dumps({"costs": costs, "paints": paints}))
        return
    print(f"{'':<28} {'kB/s':>7} {'wanted':>7} {'own %':>7} {'wanted':>7}")
    for name, (wanted, (kilobytes, share)) in costs.items():
        print(f"{name:<28} {kilobytes:7.2f} {wanted[0]:7.0f} {share:7.1f} {wanted[1]:7.0f}")
    print(f"{'first paint, s':<28} {'median':>7} {'least':>7} {'most':>7} {'wanted':>7}")
    for name, seconds in paints.items():
        print(f"{name:<28} {median(seconds):7.2f} {min(seconds):7.2f} {max(seconds):7.2f} {0.6:7.1f}")


def cost(
    command: Sequence[str], environment: Mapping[str, str], keys: str, seconds: float
) -> tuple[float, float]:
    """Kilobytes a second to the terminal, and the percentage of a processor that the program itself takes."""
    ours = command[: len(SEQLAB)] == SEQLAB
    with Terminal(command, environment=environment) as terminal:
        if ours:
            terminal.wait_for(lambda: has_point(terminal.screen()), 120)
        terminal.press(keys)
        terminal.read(WARM_UP)
        own, written = terminal.processor_seconds()[0], len(terminal.data)
        terminal.read(seconds)
        used = terminal.processor_seconds()[0] - own
        sent = len(terminal.data) - written
        if ours:
            stop(terminal)
    return sent / 1000 / seconds, 100 * used / seconds


def paint(way: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from the start of the process to the first sign of life: one line, before what it is about."""
    with Terminal([*SEQLAB, *way], environment=environment) as terminal:
        seconds = terminal.wait_for(lambda: "seqlab" in terminal.screen() or has_point(terminal.screen()), 60)
        if way[0] == "lab" and len(way) > 1:
            terminal.wait_for(lambda: has_point(terminal.screen()), 120)
            stop(terminal)
    return seconds


if __name__ == "__main__":
    main()
