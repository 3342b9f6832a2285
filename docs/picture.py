"""The picture in the README: the lab on a real run, exported by Textual itself.

    python docs/picture.py [PRESET] [--step N] [--size 120x36] [--out docs/lab.svg]

Trains the preset in a worker as the lab does, waits for the step, pauses, and saves the screen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.update(COLORTERM="truecolor", TEXTUAL_COLOR_SYSTEM="truecolor")  # before Textual looks

from seqlab.runs import control
from seqlab.runs.follow import start
from seqlab.runs.run import Run
from seqlab.spec import load_spec
from seqlab.tui.app import LabApp


def main() -> None:
    """Train, look, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", nargs="?", default="adding-truncated")
    parser.add_argument("--step", type=int, default=1_500)
    parser.add_argument("--size", default="120x36")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "lab.svg")
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(picture(arguments.preset, arguments.step, (columns, rows), Path(home), arguments.out))
    print(arguments.out)


async def picture(preset: str, step: int, size: tuple[int, int], home: Path, out: Path) -> None:
    """Save the lab as it stands a little after `step`."""
    folder, worker = start(load_spec(preset), home)
    run = Run(folder)
    app = LabApp(watch=folder)
    async with app.run_test(size=size) as pilot:
        await _until(lambda: run.status.step >= step or not worker.alive)
        control.send(folder, "pause")
        await _until(lambda: run.state != "training")
        await pilot.pause(1.0)
        picture = app.export_screenshot(title=f"seqlab watch {folder.name}")
    # A picture that needs nothing from elsewhere: the reader's own fonts do.
    out.write_text(re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL))
    control.send(folder, "stop")
    worker.reap(60)
    worker.close()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
