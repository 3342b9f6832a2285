r"""Run a terminal program in a real pseudo-terminal and report what a person on the other end would get.

    python -m benchmarks.termprobe [--size 120x40] [--seconds 20] [--warmup 5] [--keys 3:p 6:q] [--stall 8-12]
        [--hangup 10] [--term xterm-256color] [--screen FILE] [--raw FILE] [--json] -- COMMAND [ARG ...]

It counts the bytes that the program writes (all, and per second after the warm-up), measures the processor
time of the program's own process and of its descendants apart, and times key presses (from the writing of
the key to the first byte that answers it).

--keys T:TEXT   at second T type TEXT (\\r, \\t, \\x1b and the like are understood)
--stall A-B     read nothing between second A and B: a link that hangs
--hangup T      at second T close the terminal, as a dropped connection does
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.terminal import Terminal


def main() -> None:
    """Parse the command line, run the program, and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="termprobe"
    )
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--warmup", type=float, default=5)
    parser.add_argument("--keys", nargs="*", default=[])
    parser.add_argument("--stall")
    parser.add_argument("--hangup", type=float)
    parser.add_argument("--term", default="xterm-256color")
    parser.add_argument("--screen", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("no command")
    columns, rows = map(int, arguments.size.split("x"))
    with Terminal(command, (columns, rows), arguments.term) as terminal:
        report = probe(terminal, arguments)
        screen = terminal.screen()
    if arguments.raw:
        arguments.raw.write_bytes(terminal.data)
    if arguments.screen:
        arguments.screen.write_text(screen + "\n")
    if arguments.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name}: {value}")
    if not arguments.screen:
        print(screen)


def probe(terminal: Terminal, arguments: argparse.Namespace) -> dict[str, Any]:
    """Watch the program for the time asked, doing to it what was asked."""
    keys = sorted((float(at), text) for at, _, text in (key.partition(":") for key in arguments.keys))
    stall = tuple(map(float, arguments.stall.split("-"))) if arguments.stall else (0.0, 0.0)
    latencies: list[float] = []
    pressed: float | None = None
    steady_from: tuple[float, int, tuple[float, float]] | None = None
    hung_up = False
    while (now := time.monotonic() - terminal.started) < arguments.seconds and terminal.running:
        if steady_from is None and now >= arguments.warmup:
            steady_from = now, len(terminal.data), terminal.processor_seconds()
        if keys and keys[0][0] <= now and not hung_up:
            terminal.press(keys.pop(0)[1].encode().decode("unicode_escape"))
            pressed = time.monotonic()
        if arguments.hangup is not None and now >= arguments.hangup and not hung_up:
            terminal.hang_up()
            hung_up = True
        if stall[0] <= now < stall[1]:
            time.sleep(0.02)
        elif terminal.read_once(0.02) and pressed is not None:
            latencies.append(1000 * (time.monotonic() - pressed))
            pressed = None
    report: dict[str, Any] = {
        "seconds": round(now, 2),
        "exit_status": terminal.exit_code,
        "bytes": len(terminal.data),
        "first_paint_s": terminal.first_paint and round(terminal.first_paint, 3),
        "key_to_paint_ms": [round(latency, 1) for latency in latencies],
    }
    if steady_from is not None and terminal.running:
        since, written, (own, children) = steady_from
        span = time.monotonic() - terminal.started - since
        own_now, children_now = terminal.processor_seconds()
        report["kB_per_s"] = round((len(terminal.data) - written) / 1000 / span, 2)
        report["cpu_percent_own"] = round(100 * (own_now - own) / span, 1)
        report["cpu_percent_children"] = round(100 * (children_now - children) / span, 1)
    return report


if __name__ == "__main__":
    main()
