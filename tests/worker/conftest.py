"""Real workers on small runs."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.runs import control, layout
from seqlab.runs.launch import Worker
from seqlab.runs.run import Run
from seqlab.spec import Spec
from seqlab.training.trainer import Step, Trainer
from seqlab.worker.job import Job
from seqlab.worker.warmth import Warmth
from tests.conftest import small

Start = Callable[..., tuple[Run, Worker]]


STEERED = {
    10: ("training.optimizer.lr", 0.05),
    20: ("training.truncation", 4),
    30: ("training.eval_sequences", 5),
    40: ("training.clip.limit", 0.01),
}
"""What is set in the run `steered`, after which step."""


@pytest.fixture(scope="session")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 60 steps with a row at each, in which everything was changed that can be. Copy before use."""
    spec = small(steps=60, log_every=1, eval_every=10, frame_every=5, checkpoint_every=20)
    folder = layout.create_run(spec, tmp_path_factory.mktemp("steered"))
    return train_steered(folder, STEERED)


def train_steered(folder: Path, sent: Mapping[int, tuple[str, Any]]) -> Run:
    """Train a run in this process, sending it what to set after some of its steps."""
    advance = Trainer.advance

    def sending(trainer: Trainer) -> Step:
        result = advance(trainer)
        if trainer.step in sent:
            control.send(folder, "set", *sent[trainer.step])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", sending)
        patch.setattr("seqlab.worker.orders.EVERY", 0.0)  # a look before every step
        return train_here(folder)


def copied(run: Run, place: Path, after: int | None = None) -> Run:
    """A copy of a run, as if its worker had been lost; with no checkpoint after a step, if one is given."""
    folder = place / f"copy-of-{run.name}"
    shutil.copytree(run.path, folder)
    status = json.loads((folder / layout.STATUS).read_text())
    (folder / layout.STATUS).write_text(json.dumps({**status, "state": "training"}))
    for step in Run(folder).checkpoints:
        if after is not None and step > after:
            (folder / layout.CHECKPOINTS / layout.numbered(step)).unlink()
    return Run(folder)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a worker on a new run of a spec, or on a run that is there; none outlives the test."""
    workers: list[Worker] = []

    def begin(what: Spec | Path, steps: int | None = None) -> tuple[Run, Worker]:
        folder = what if isinstance(what, Path) else layout.create_run(what, tmp_path / "runs")
        worker = Worker()
        workers.append(worker)
        worker.run(folder, steps)
        return Run(folder), worker

    yield begin
    for worker in workers:
        if worker.alive:
            worker._process.kill()
        worker.reap()
        worker.close()


def train_here(folder: Path, steps: int | None = None) -> Run:
    """Train a run in this process, which has imported everything and starts in no time."""
    before = signal.getsignal(signal.SIGTERM), sys.getswitchinterval()
    try:
        Job(folder, Warmth(say=lambda **said: None, interrupted=lambda: False), steps=steps).run()
    finally:
        signal.signal(signal.SIGTERM, before[0])
        sys.setswitchinterval(before[1])
    return Run(folder)


def rows(run: Run) -> list[dict[str, Any]]:
    """The rows that count, as text has them, but for the wall clock and for torn lines."""
    found: list[dict[str, Any]] = []
    path = run.path / layout.METRICS
    for line in path.read_bytes().splitlines()[1:] if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "resumed" in row:
            found = [earlier for earlier in found if earlier["step"] <= row["resumed"]]
        else:
            del row["wall"]
            found.append(row)
    return found


def assert_same_run(one: Run, other: Run) -> None:
    """Both ended with the same bits: rows, weights, optimiser and the frame."""
    assert rows(one) == rows(other)
    first, second = one.checkpoint(), other.checkpoint()
    assert first.step == second.step
    assert first.tensors.keys() == second.tensors.keys()
    for name, value in first.tensors.items():
        assert value.tobytes() == second.tensors[name].tobytes(), name
    for name, value in one.frame().tensors.items():
        np.testing.assert_array_equal(value, other.frame().tensors[name])
