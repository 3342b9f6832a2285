"""Starting a run and following it to its end: what the command line and `train` share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs import layout
from seqlab.runs.launch import Worker, worker_log_tail
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader, Snapshot
from seqlab.runs.run import Run

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

POLL = 0.1
"""Seconds between two looks at the folder."""


def start(spec: Spec, out: Path | None = None, threads: int | None = None) -> tuple[Path, Worker]:
    """Make a run folder and let a new worker train it.

    Args:
        spec: what to train.
        out: where to make the folder; see `layout.create_run`.
        threads: for training; None leaves it to `SEQLAB_THREADS` and the worker.

    Raises:
        RunError: the folder cannot be made, or no worker can be started.
    """
    folder = layout.create_run(spec, out)
    worker = Worker(threads)
    worker.run(folder)
    return folder, worker


def follow(folder: Path, worker: Worker) -> Iterator[Snapshot]:
    """Yield snapshots of a run until its worker has ended; the last one has the final state.

    Raises:
        RunError: the worker ended without finishing; the message holds the end of what it wrote.
    """
    reader = RunReader(folder)
    while worker.alive:
        yield reader.poll()
        worker.reap(POLL)
    code = worker.exit_code
    last = reader.poll()
    if code == 2 or last.state not in layout.FINAL_STATES:
        said = worker.stderr_tail() or "\n".join(worker_log_tail(folder)) or "it wrote nothing"
        raise RunError(
            said if code == 2 else f"the worker of {folder.name} ended with exit code {code}: {said}"
        )
    yield last


def await_taken(folder: Path, worker: Worker) -> None:
    """Wait until the worker has taken the run over, so that it may be left alone.

    Raises:
        RunError: it ended before that.
    """
    reader = RunReader(folder)
    while reader.poll().state in ("starting", "lost"):
        if not worker.alive:
            for _ in follow(folder, worker):
                pass
            return
        time.sleep(0.02)


def train(spec: Spec, out: Path | None = None, threads: int | None = None) -> Run:
    """Train a spec in a worker process, and return the run when it is over.

    `KeyboardInterrupt` stops the run: it is passed on once the worker has written its checkpoint.

    Args:
        spec: what to train; see `seqlab.load_spec`.
        out: the folder in which the run folder is made; default: where all runs are kept.
        threads: for training; changes no bit of the result.

    Returns:
        The run; its `state` is `finished`, `stopped`, `diverged` or `failed`.

    Raises:
        RunError: the folder cannot be made, or the worker ended without a word.
    """
    folder, worker = start(spec, out, threads)
    try:
        for _ in follow(folder, worker):
            pass
    except KeyboardInterrupt:
        worker.stop()
        worker.reap()
        raise
    finally:
        worker.close()
    return Run(folder)
