"""Real runs for the lab: some that are over, made once, and one that trains until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqlab.runs.launch import Worker
from seqlab.runs.layout import create_run
from seqlab.runs.reader import RunReader
from seqlab.spec import Spec
from seqlab.tui.panels.moment import Moment, observe
from tests.conftest import small

SPECS: dict[str, dict[str, Any]] = {
    "adding": {"task": {"length": 20}, "truncation": 5, "steps": 60, "eval_every": 10},
    "copy": {"task": {"name": "copy", "symbols": 3, "alphabet": 3, "delay": 4}, "truncation": 4},
    "sine": {"task": {"name": "sine", "length": 30, "horizon": 10}, "model": {"cell": "gru", "layers": 2}},
    "exploding": {
        "task": {"length": 60},
        "model": {"cell": "rnn", "activation": "relu", "hidden": 16},
        "optimizer": {"lr": 50.0},
        "clip": {"kind": "none"},
    },
    "order": {"task": {"name": "order", "length": 30, "shortest": 20}, "truncation": 8},
    "ahead": {"task": {"name": "ahead", "length": 12}, "model": {"cell": "bigru"}},
    "past": {"task": {"name": "ahead", "length": 12}},
    "timing": {"task": {"name": "timing", "shortest": 3, "longest": 6}, "model": {"cell": "peephole_lstm"}},
    "generate": {"task": {"name": "generate", "length": 20}, "model": {"cell": "rnn"}},
    "reverse": {
        "task": {"name": "reverse", "symbols": 5, "alphabet": 3},
        "model": {"cell": "gru", "layers": 2, "attention": True},
    },
    "parity": {"task": {"name": "parity", "length": 9}, "model": {"cell": "feedforward"}},
    "early": {
        "loss": "mae",
        "steps": 60,
        "eval_every": 5,
        "optimizer": {"lr": 1e-30},
        "schedule": {"kind": "exponential", "gamma": 0.5},
        "stop": {"metric": "eval/loss", "patience": 2},
    },
}

Finished = Callable[[str], Path]
Begin = Callable[..., tuple[Path, Worker]]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The folder of a run of `SPECS` that is over."""
    made: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in made:
            folder = create_run(small(**SPECS[name]), tmp_path_factory.mktemp("finished"))
            worker = Worker()
            worker.run(folder)
            assert worker.reap(300) in (0, 1)
            worker.close()
            made[name] = folder
        return made[name]

    return run


@pytest.fixture
def moment(finished: Finished) -> Callable[[str], Moment]:
    """What the lab sees of a run that is over."""
    return lambda name: observe(RunReader(finished(name)).poll())


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start a worker on a new run; none outlives the test."""
    workers: list[Worker] = []

    def start(spec: Spec | None = None) -> tuple[Path, Worker]:
        folder = create_run(spec or small(steps=100_000_000), tmp_path / "runs")
        worker = Worker()
        workers.append(worker)
        worker.run(folder)
        return folder, worker

    yield start
    for worker in workers:
        if worker.alive:
            worker._process.kill()
        worker.reap()
        worker.close()
