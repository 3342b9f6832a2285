"""Starting a run and following it to its end: what the command line and `train` share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs import layout
from seqlab.runs.fork import create_fork
from seqlab.runs.initial import read_weights
from seqlab.runs.launch import Worker, worker_log_tail
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader, Snapshot
from seqlab.runs.run import Run

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

POLL = 0.1
"""Seconds between two looks at the folder."""


def start(
    spec: Spec, out: Path | None = None, threads: int | None = None, initial: bytes | None = None
) -> tuple[Path, Worker]:
    """Make a run folder and let a new worker train it.

    Args:
        spec: what to train.
        out: where to make the folder; see `layout.create_run`.
        threads: for training; None leaves it to `SEQLAB_THREADS` and the worker.
        initial: the weights to start from; see `layout.create_run`.

    Raises:
        RunError: the folder cannot be made, or no worker can be started.
    """
    return begin(lambda: layout.create_run(spec, out, initial), threads)


def begin(make: Callable[[], Path], threads: int | None = None) -> tuple[Path, Worker]:
    """Let a new worker train a run folder that is made meanwhile.

    Args:
        make: makes it.
        threads: see `start`.

    Raises:
        RunError: no worker can be started; and whatever `make` raises.
    """
    worker = Worker(threads)
    try:
        folder = make()
    except BaseException:
        worker.close()
        raise
    worker.run(folder)
    return folder, worker


def follow(folder: Path, worker: Worker) -> Iterator[Snapshot]:
    """Yield snapshots of a run until its worker has ended.

    The last one has a final state, or is `lost` if the worker went without a word: see `last_words`.

    Raises:
        RunError: the worker refused the run; the message says why.
    """
    reader = RunReader(folder)
    while worker.alive:
        yield reader.poll()
        worker.reap(POLL)
    last = reader.poll()
    if worker.exit_code == 2:
        raise RunError(last_words(folder, worker))
    if last.status.pid != worker.pid or last.state not in layout.FINAL_STATES:
        # What a worker before this one left behind is not how this one ended.
        last = replace(last, state="lost")
    yield last


def last_words(folder: Path, worker: Worker) -> str:
    """What a worker that ended wrote last."""
    said = worker.stderr_tail() or "\n".join(worker_log_tail(folder))
    return said or f"the worker of {folder.name} ended with exit code {worker.exit_code} and wrote nothing"


def await_taken(folder: Path, worker: Worker) -> None:
    """Wait until the worker has taken the run over, so that it may be left alone.

    Raises:
        RunError: it ended before that.
    """
    reader = RunReader(folder)
    while reader.poll().status.pid != worker.pid:
        if not worker.alive:
            raise RunError(last_words(folder, worker))
        time.sleep(0.02)


def train(
    spec: Spec,
    out: Path | None = None,
    threads: int | None = None,
    init_from: str | Path | None = None,
) -> Run:
    """Train a spec in a worker process, and return the run when it is over.

    `KeyboardInterrupt` stops the run: it is passed on once the worker has written its checkpoint.

    Args:
        spec: what to train; see `seqlab.load_spec`.
        out: the folder in which the run folder is made; default: where all runs are kept.
        threads: for training; changes no bit of the result.
        init_from: a safetensors file with PyTorch's weights to start from; see `initial.read_weights`.

    Returns:
        The run; its `state` is `finished`, `stopped`, `diverged` or `failed`.

    Raises:
        RunError: the weights do not fit, the folder cannot be made, or the worker ended without a word.
    """
    initial = None if init_from is None else read_weights(Path(init_from), spec)
    return _to_its_end(*start(spec, out, threads, initial))


def fork(
    run: str | Path | Run,
    step: int | None = None,
    what: Spec | Iterable[str] = (),
    out: Path | None = None,
    threads: int | None = None,
) -> Run:
    """Go on from a step of a run with something changed, in a run of its own; returns it when it is over.

    Args:
        run: a run, its path, its name, or the unique start of its name.
        step: which it has reached; None for that of its latest checkpoint.
        what: the fork's spec, or what it overrides: texts like `training.truncation=5`.
        out: as for `train`; runs are looked for there, too.
        threads: as for `train`.

    Returns:
        As `train`.

    Raises:
        RunError: as `train`; or there is no such run or step.
        SpecError: the fork cannot be what is asked for; every problem is named.
    """
    folder = run.path if isinstance(run, Run) else layout.find_run(str(run), out)
    return _to_its_end(*begin(lambda: create_fork(folder, step, what, out), threads))


def _to_its_end(folder: Path, worker: Worker) -> Run:
    """Follow a run until it is over; an interrupt stops it."""
    try:
        *_, last = follow(folder, worker)
        if last.state == "lost":
            raise RunError(last_words(folder, worker))
    except KeyboardInterrupt:
        worker.stop()
        worker.reap()
        raise
    finally:
        worker.close()
    return Run(folder)
