"""A disk that is full for a while: training goes on, it is said, and in the end every row is there."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seqlab
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


SMALL_DISK = """
import errno, os, sys, threading
from pathlib import Path
from seqlab.runs import layout
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader
from seqlab.runs.writer import RunWriter
from seqlab.spec import load_spec

pause = threading.Event()
disk = Path(sys.argv[1])
folder = layout.create_run(load_spec({"task": {"name": "adding"}, "model": {"cell": "rnn"}}), disk)
writer = RunWriter(folder, beat=0.01)
writer.set_status(state="training")
with open(disk / "filler", "wb", buffering=0) as filler:
    try:
        while True:
            filler.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
reader, step = RunReader(folder), 0
while "wait in memory" not in (now := reader.poll()).status.message:
    step += 1
    writer.rows({"step": step, "train/loss": 1.0 / step, "eval/loss": 2.0 / step})
    pause.wait(0.001)
print(now.state, now.status.message.partition(" ")[2])
while reader.poll().status.step < step:
    pause.wait(0.01)
print("the step goes on")
try:
    writer.flush()
except RunError as error:
    print("it is not taken for whole")
(disk / "filler").unlink()
writer.set_status(state="finished")
writer.close()
now = reader.poll()
print(now.state, now.rows == step, now.status.message == "", now.problems)
"""


def test_on_a_full_disk_the_status_says_so(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=600k none "$0"'
    alone = ["unshare", "-Urm", "sh", "-c"]
    try:
        subprocess.run([*alone, mount, tmp_path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk of one's own can be mounted here")
    found = subprocess.run(
        [*alone, mount + ' && exec "$@"', tmp_path, sys.executable, "-c", SMALL_DISK, tmp_path],
        capture_output=True,
        text=True,
        cwd=Path(seqlab.__path__[0]).parent,
        timeout=300,
    )
    assert found.stdout.splitlines() == [
        "training rows of metrics.jsonl wait in memory: No space left on device",
        "the step goes on",
        "it is not taken for whole",
        "finished True True ()",
    ], found.stderr
