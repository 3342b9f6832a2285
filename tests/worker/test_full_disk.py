"""A disk that is full for a while: training goes on, it is said, and in the end every row is there."""

from __future__ import annotations

import resource
import sys

import numpy as np
import pytest

from seqlab.runs import control, layout
from seqlab.runs.checkpoint import load_checkpoint
from tests.conftest import small
from tests.runs.conftest import until
from tests.worker.conftest import Start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")

UNLIMITED = resource.RLIM_INFINITY


def test_rows_wait_for_space_and_the_old_checkpoint_stays_whole(start: Start) -> None:
    spec = small(steps=100_000_000, log_every=10, eval_every=1000, frame_every=1000, checkpoint_every=1000)
    run, worker = start(spec)
    until(lambda: len(run.checkpoints) > 1)
    metrics = run.path / layout.METRICS
    # No file may grow beyond what the largest has now: metrics and events are full, as on a full disk.
    most = max(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, UNLIMITED))
    until(lambda: "No space" in run.status.message or "too large" in run.status.message)
    step, size = run.status.step, metrics.stat().st_size
    whole = load_checkpoint(run.path)
    until(lambda: run.status.step > step + 1000)
    assert run.state == "training"
    assert metrics.stat().st_size <= max(most, size)
    assert load_checkpoint(run.path).step >= whole.step
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    until(lambda: run.status.message == "")
    control.send(run.path, "stop")
    assert worker.reap(300) == 0
    steps = run.metrics["train/loss"].steps
    assert steps[-1] > step + 1000
    np.testing.assert_array_equal(steps, np.arange(10, steps[-1] + 1, 10))
    assert run.snapshot().skipped == 0
