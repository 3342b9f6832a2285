"""What recording costs a run at the default cadence, by `seqlab bench --recording`.

python -m benchmarks.recording [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks import results

PLACES = tuple((cell, H, B) for H, B in ((32, 32), (256, 64)) for cell in ("rnn", "lstm", "gru"))
WANTED = 0.03


def main() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(arguments.rounds):
        for cell, hidden, batch in PLACES:
            command = [sys.executable, "-m", "seqlab", "bench", "--recording", "--json", "--threads", "1"]
            command += ["--cell", cell, "--hidden", str(hidden), "--batch", str(batch), "--length", "100"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured = json.loads(done.stdout)
            place = f"{cell} {hidden}, {batch}, 100"
            found.setdefault(place, []).append(measured["recording"])
    result = {"machine": results.machine(), "places": found}
    print(section(result))
    results.save("recording", result)


def section(found: Mapping[str, Any]) -> str:
    """The part of RESULTS.md."""
    names = list(next(iter(found["places"].values()))[0]["beside"])
    lines = [
        "## Recording",
        "",
        "    python -m benchmarks.recording",
        "",
        f"{found['machine']}.",
        "",
        "Of the training thread's time in a real run at the default cadence, per cent; at most "
        f"{WANTED:.0%} in all are wanted. The probe runs, and rows are encoded, in a thread beside it: the "
        "last but one column is the processor time there, which costs little where a processor is free. The "
        "last says how much longer it takes to train when recording is on than when it is off, by turns in "
        "one process: it holds what the threads cost each other. The quartiles are given, as the machine's "
        "own changes are larger than what is measured.",
        "",
        "| cell H, B, T | " + " | ".join(names) + " | in all | beside | longer |",
        "|---|" + "--:|" * (len(names) + 3),
    ]
    for place, rounds in found["places"].items():
        cells = [median(one[name] for one in rounds) for name in (*names, "sum")]
        cells.append(median(sum(one["beside"].values()) for one in rounds))
        low, middle, high = (
            100 * (median(three) - 1) for three in zip(*(one["longer"] for one in rounds), strict=True)
        )
        lines.append(
            f"| {place} | "
            + " | ".join(f"{100 * cell:.2f}" for cell in cells)
            + f" | {low:.1f} – {high:.1f} ({middle:.1f}) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
