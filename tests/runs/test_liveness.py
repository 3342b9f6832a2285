from __future__ import annotations

import dataclasses
import fcntl
import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from seqlab.runs import layout, liveness
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import LockedError, WorkerLock
from seqlab.runs.status import Status

from .conftest import Process, python, until

HOLD = """
import sys
from pathlib import Path
from typing import Any
from seqlab.runs.writer import RunWriter
writer = RunWriter(Path(sys.argv[1]))
writer.set_status(state="training", step=7)
print("ready", flush=True)
if sys.stdin.readline() == "finish\\n":
    writer.set_status(state="finished")
    writer.close()
"""


def hold(folder: Path) -> Process:
    process = python(HOLD, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_second_worker_is_refused_and_told_who_the_first_is(folder: Path) -> None:
    with hold(folder) as process:
        with pytest.raises(
            LockedError, match=rf"process {process.pid} on {liveness.host()} is already training"
        ):
            WorkerLock(folder)
        process.communicate("finish\n")
    WorkerLock(folder).release()


def test_a_killed_worker_is_lost_at_once_and_its_lock_is_free(folder: Path) -> None:
    with hold(folder) as process:
        assert liveness.read_state(folder)[1] == "training"
        process.kill()
        until(lambda: liveness.read_state(folder)[1] == "lost")  # though nobody has reaped it
        assert process.returncode is None
        assert liveness.read_status(folder).state == "training"
    WorkerLock(folder).release()


def test_a_worker_that_finishes_is_never_seen_as_lost(folder: Path) -> None:
    with hold(folder) as process:
        assert process.stdin is not None
        process.stdin.write("finish\n")
        process.stdin.flush()
        seen = {"training"}

        def over() -> bool:
            seen.add(liveness.read_state(folder)[1])
            return "finished" in seen

        until(over)
        process.wait(300)
    assert seen == {"training", "finished"}


def test_a_stopped_process_is_not_lost(folder: Path) -> None:
    with hold(folder) as process:
        process.send_signal(signal.SIGSTOP)
        assert liveness.read_state(folder)[1] == "training"
        process.send_signal(signal.SIGCONT)
        process.communicate("finish\n")
    assert liveness.read_state(folder)[1] == "finished"


def test_readers_that_test_the_lock_do_not_keep_a_worker_out(folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from typing import Any
from seqlab.runs import liveness
print("ready", flush=True)
while True:
    liveness.lock_is_held(Path(sys.argv[1]))
"""
    WorkerLock(folder).release()
    with python(code, folder) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for _ in range(200):
            WorkerLock(folder).release()
        reader.kill()


def put(folder: Path, **fields: object) -> None:
    here: dict[str, Any] = {"host": liveness.host(), "boot_id": liveness.boot_id()}
    status = Status("training", step=3, steps=10, heartbeat=time.time(), **here)
    status = dataclasses.replace(status, **fields)  # type: ignore[arg-type]
    (folder / layout.STATUS).write_bytes(status.to_bytes())


def state(folder: Path, **fields: object) -> str:
    put(folder, **fields)
    return liveness.read_state(folder)[1]


def test_a_starting_run_has_a_minute_to_get_its_worker(folder: Path) -> None:
    assert state(folder, state="starting") == "starting"
    assert state(folder, state="starting", heartbeat=time.time() - 61) == "lost"


def test_a_run_from_another_host_is_lost_after_ten_minutes(folder: Path) -> None:
    far = {"host": "far", "boot_id": "another"}
    assert state(folder, **far, heartbeat=time.time() - 590) == "training"
    assert state(folder, **far, heartbeat=time.time() - 610) == "lost"


@pytest.mark.parametrize("heartbeat", [math.nan, math.inf, 1e300])
@pytest.mark.parametrize("ahead", [0.0, 3600.0])
def test_a_heartbeat_that_lies_ahead_counts_from_when_it_was_written(
    folder: Path, heartbeat: float, ahead: float
) -> None:
    heartbeat = time.time() + ahead if ahead else heartbeat
    put(folder, host="far", boot_id="another", heartbeat=heartbeat)
    assert liveness.read_state(folder)[1] == "training"
    long_ago = time.time() - 610
    os.utime(folder / layout.STATUS, (long_ago, long_ago))
    assert liveness.read_state(folder)[1] == "lost"


def test_what_holds_a_lock_is_told_in_plain_text(folder: Path) -> None:
    with (folder / layout.LOCK).open("w") as lock:
        lock.write(json.dumps({"pid": "\x1b[2J", "host": "a\x9bb\u202e"}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LockedError) as error:
            WorkerLock(folder)
    assert str(error.value).isprintable()


def test_after_a_reboot_the_run_is_lost_at_once(folder: Path) -> None:
    assert state(folder, boot_id="the one before") == "lost"


@pytest.mark.parametrize("final", sorted(layout.FINAL_STATES))
def test_a_run_that_is_over_is_never_lost(folder: Path, final: str) -> None:
    assert state(folder, state=final, heartbeat=0.0) == final


def test_a_zombie_counts_as_gone() -> None:
    assert liveness.process_started(os.getpid()) is not None
    with python("input()") as process:
        started = liveness.process_started(process.pid)
        assert started is not None
        process.kill()
        until(lambda: liveness.process_started(process.pid) is None)
        assert process.returncode is None
    assert liveness.process_started(process.pid) is None


def test_a_status_that_is_torn_is_named(folder: Path) -> None:
    (folder / layout.STATUS).write_bytes(b'{"format": 1, "sta')
    with pytest.raises(RunError, match=r"status\.json: is damaged: "):
        liveness.read_state(folder)
    (folder / layout.STATUS).unlink()
    with pytest.raises(RunError, match=r"is not a run folder: it has no status\.json"):
        liveness.read_state(folder)
