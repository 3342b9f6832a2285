"""A run in the foreground: what is said of it while it trains, what signals do, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from seqlab import console

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.runs.reader import Snapshot


def leave(folder: Path, worker: Worker, as_json: bool) -> NoReturn:
    """Say where the run is, once its worker has taken it, and end without it."""
    from seqlab.runs.follow import await_taken

    await_taken(folder, worker)
    if as_json:
        console.emit(event="started", run=str(folder))
    else:
        console.tell(str(folder))
    sys.stdout.flush()
    os._exit(0)  # no waiting for threads that listen to the worker


def follow(folder: Path, worker: Worker, as_json: bool, seed: int) -> Snapshot:
    """Follow a run to its end, obeying signals: the first asks it to stop, a second leaves it running."""
    from seqlab.runs.follow import follow as snapshots
    from seqlab.runs.follow import last_words
    from seqlab.runs.layout import METRICS
    from seqlab.runs.tail import Tail

    rows = Tail(folder / METRICS)
    if as_json:
        deque(rows.rest(), maxlen=0)  # what stood there before is not news
    last: Snapshot | None = None
    asked = 0
    with _caught() as caught, console.progress(folder.name, quiet=as_json) as progress:
        for last in snapshots(folder, worker):
            progress.show(last)
            if as_json:
                for line in rows.rest():
                    row = console.raw_row(line)
                    if row is not None:
                        console.emit(run=folder.name, seed=seed, **row)
            while caught:
                number = caught.pop(0)
                if number == signal.SIGHUP or asked:
                    _left_running(folder, number)
                asked = number
                console.say(f"stopping {folder.name} at its next step; once more leaves it running")
                worker.stop()
    worker.close()
    assert last is not None
    if last.state == "lost":
        console.say(last_words(folder, worker))
    if asked:
        report(last, as_json, seed, None)
        sys.exit(128 + asked)
    return last


@contextlib.contextmanager
def _caught() -> Iterator[list[int]]:
    """Collect the signals that end a command."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays ignored: that is what nohup asks for.
    obeyed = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, frame: caught.append(n)) for number in obeyed}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _left_running(folder: Path, number: int) -> NoReturn:
    with contextlib.suppress(OSError):  # after a hangup nobody may be there to read it
        console.say(f"{folder.name} goes on; seqlab watch {folder.name} shows it")
    os._exit(128 + number)


def report(last: Snapshot, as_json: bool, seed: int, verdict: list[Any] | None) -> None:
    """Say how a run ended, and what that makes of its claims."""
    if as_json:
        figures = {name: series.last for name, series in last.metrics.items() if "/" in name}
        verdicts = [console.verdict_fields(each) for each in verdict or ()]
        console.emit(
            event=last.state,
            run=str(last.folder),
            seed=seed,
            step=last.status.step,
            metrics=figures,
            verdicts=verdicts,
            message=last.status.message,
        )
        return
    console.tell(console.ended(last))
    for each in verdict or ():
        measured = each.measured if isinstance(each.measured, str) else console.number(each.measured)
        console.tell(f"  {'✓' if each.held else '✗'} {console.verdict_in_words(each)}: {measured}")
