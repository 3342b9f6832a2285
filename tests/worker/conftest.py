"""Real workers on small runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.launch import Worker
from seqlab.runs.run import Run
from seqlab.spec import Spec

Start = Callable[..., tuple[Run, Worker]]


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


def rows(run: Run) -> list[dict[str, Any]]:
    """The rows that count, as text has them, but for the wall clock."""
    found: list[dict[str, Any]] = []
    for line in (run.path / layout.METRICS).read_bytes().splitlines()[1:]:
        row = json.loads(line)
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
