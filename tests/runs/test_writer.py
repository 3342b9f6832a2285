from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout, liveness
from seqlab.runs import tensors as safetensors
from seqlab.runs.frames import read_frame
from seqlab.runs.kept import steps_in
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import LockedError, read_status
from seqlab.runs.tensors import Tensors
from seqlab.runs.writer import RunWriter

from .conftest import output, until
from .test_files import failing


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_stands_in_the_file_when_it_is_acknowledged(folder: Path) -> None:
    with RunWriter(folder) as writer:
        assert writer.rows(
            {"step": 1, "wall": 0.5, "train/loss": np.float32(0.1), "train/grad_norm": math.nan}
        )
        assert lines(folder / layout.METRICS) == [
            {"format": 1},
            {"step": 1, "wall": 0.5, "train/loss": 0.1, "train/grad_norm": "NaN"},
        ]


def test_events_carry_their_time_and_step(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.set_status(state="training", step=4)
        assert writer.event("changed", field="optimizer.lr", value=0.1)
        assert writer.event("frame", step=2, file="frames/000000002.safetensors")
        changed, frame = lines(folder / layout.EVENTS)
    assert (changed["event"], changed["step"], changed["value"]) == ("changed", 4, 0.1)
    assert (frame["event"], frame["step"]) == ("frame", 2)
    assert changed["time"] <= frame["time"]  # type: ignore[operator]


def test_a_change_of_state_is_written_at_once_and_the_rest_with_a_beat(folder: Path) -> None:
    with RunWriter(folder, beat=3600) as writer:
        assert read_status(folder).pid is None
        writer.set_status(state="training")
        here = liveness.this_process()
        found = read_status(folder)
        assert (found.state, found.pid, found.pid_started) == ("training", here["pid"], here["pid_started"])
        writer.set_status(step=7, rate=123.0, message="hello")
        assert read_status(folder).step == 0
        writer.set_status(state="paused")
        found = read_status(folder)
        assert (found.state, found.step, found.rate, found.message) == ("paused", 7, 123.0, "hello")
        writer.set_status(step=8)
    assert read_status(folder).step == 8


def test_the_heart_beats_while_nothing_else_happens(folder: Path) -> None:
    with RunWriter(folder, beat=0.01) as writer:
        writer.set_status(state="training")
        first = read_status(folder).heartbeat
        until(lambda: read_status(folder).heartbeat > first)
        writer.set_status(step=5)
        until(lambda: read_status(folder).step == 5)


def test_the_status_has_the_latest_metrics_and_the_best(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.rows({"step": 1, "wall": 0.1, "train/loss": 3.0, "eval/loss": 2.0})
        writer.rows({"step": 2, "wall": 0.2, "train/loss": 2.0})
        writer.rows({"step": 3, "wall": 0.3, "train/loss": 1.0, "eval/loss": 1.0})
        writer.rows({"step": 4, "wall": 0.4, "train/loss": math.inf, "eval/loss": math.nan})
        assert writer.status.step == 4
        assert writer.status.best == {"step": 3, "eval/loss": 1.0}
        assert writer.status.metrics["train/loss"] == math.inf
        assert set(writer.status.metrics) == {"train/loss", "eval/loss"}
        writer.set_status(state="diverged")
        assert math.isnan(read_status(folder).metrics["eval/loss"])


def test_a_resumed_run_has_the_status_of_the_step_it_resumes_from(folder: Path) -> None:
    with RunWriter(folder) as writer:
        for step, loss in ((1, 4.0), (2, 1.5), (3, 3.0), (4, 1.0)):
            writer.rows({"step": step, "eval/loss": loss})
        at_2 = {"metrics": {"eval/loss": 1.5}, "best": {"step": 2, "eval/loss": 1.5}}
        for step in (1, 2, 3, 4):
            (folder / layout.FRAMES / layout.numbered(step)).write_bytes(b"x")
            (folder / layout.CHECKPOINTS / layout.numbered(step)).write_bytes(b"x")
        writer.live(4, {})
        writer.set_status(state="failed")
    with RunWriter(folder) as writer:
        assert writer.previous is not None
        assert writer.previous.state == "failed"
        writer.resume(2)
        writer.set_status(state="training")
        assert {"metrics": writer.status.metrics, "best": writer.status.best} == at_2
        assert read_status(folder).step == 2
        assert steps_in(folder / layout.FRAMES) == steps_in(folder / layout.CHECKPOINTS) == [1, 2]
        assert not (folder / layout.LIVE).exists()
        writer.rows({"step": 3, "eval/loss": 2.0})
        writer.resume(3)  # what an earlier resume has superseded does not come back
        assert writer.status.best == {"step": 2, "eval/loss": 1.5}
        assert writer.status.metrics == {"eval/loss": 2.0}


def test_a_worker_that_only_looked_leaves_the_status_as_it_was(folder: Path) -> None:
    before = (folder / layout.STATUS).read_bytes()
    with RunWriter(folder, beat=0.001) as writer:
        assert writer.previous is not None
        assert writer.previous.state == "starting"
    assert (folder / layout.STATUS).read_bytes() == before


def test_a_damaged_status_does_not_keep_a_worker_out(folder: Path) -> None:
    (folder / layout.STATUS).write_bytes(b"")
    with RunWriter(folder) as writer:
        assert writer.previous is None
        writer.set_status(state="training", steps=100)
    assert read_status(folder).steps == 100


def test_a_folder_that_is_in_use_newer_or_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with RunWriter(folder), pytest.raises(LockedError, match="is already training this run"):
        RunWriter(folder)
    with pytest.raises(RunError, match=r"has no spec\.toml"):
        RunWriter(tmp_path)
    (folder / layout.METRICS).write_text('{"format":2}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl: begins with"):
        RunWriter(folder)
    (folder / layout.STATUS).write_text('{"format": 2}')
    with pytest.raises(RunError, match="format 2"):
        RunWriter(folder)
    liveness.WorkerLock(folder).release()  # a refused writer does not keep the lock


def test_an_unknown_state_is_refused(folder: Path) -> None:
    with RunWriter(folder) as writer, pytest.raises(ValueError, match="'lost' is not one of"):
        writer.set_status(state="lost")


def test_what_a_killed_worker_left_half_written_is_removed(folder: Path) -> None:
    leftovers = [
        inner / ".000000010.safetensors.17.aabbccdd.tmp" for inner in (folder, folder / layout.CHECKPOINTS)
    ]
    for leftover in leftovers:
        leftover.write_bytes(b"x")
    RunWriter(folder).close()
    assert not any(leftover.exists() for leftover in leftovers)


def test_the_probe_the_environment_and_live_frames_are_files_of_their_own(folder: Path) -> None:
    probe: Tensors = {
        "inputs": np.zeros((5, 8, 2), np.float32).transpose(1, 0, 2),
        "targets": np.zeros((8, 5), np.int64),
    }
    with RunWriter(folder) as writer:
        writer.write_env({"numpy": "2", "threads": 1})
        writer.write_probe(probe)
        assert writer.live(3, {"outputs": np.ones((5, 2))}, {"truncation": 0})
        assert writer.live(4, {"outputs": np.ones((5, 2))}, {"truncation": 2})
    assert json.loads((folder / layout.ENV).read_text()) == {"numpy": "2", "threads": 1}
    found, _ = safetensors.read(folder / layout.PROBE, 1 << 20)
    assert {name: array.shape for name, array in found.items()} == {"inputs": (8, 5, 2), "targets": (8, 5)}
    frame = read_frame(folder / layout.LIVE)
    assert (frame.step, frame.metadata["truncation"]) == (4, 2)


def test_rows_that_do_not_reach_the_disk_are_no_good_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(folder, beat=3600)
    writer.set_status(state="training")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        writer.rows({"step": 1, "train/loss": 1.0})
        with pytest.raises(RunError, match=r"metrics\.jsonl does not reach the disk: Input/output error"):
            writer.flush()
        assert "does not reach the disk" in read_status(folder).message
    writer.flush()
    assert read_status(folder).message == ""
    writer.close()


def test_a_message_is_cut_to_a_line_that_every_reader_takes(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.set_status(state="failed", message="first\nline \x1b" + "\U000e0001" * 70_000)
    found = read_status(folder).message
    assert found.startswith(r"first line \x1b\U000e0001")
    assert "\n" not in found
    assert (folder / layout.STATUS).stat().st_size <= layout.MOST_STATUS_BYTES


def test_a_writer_goes_on_from_a_status_with_texts_for_numbers(folder: Path) -> None:
    status = json.loads((folder / layout.STATUS).read_bytes())
    status |= {"metrics": {"eval/loss": "x"}, "best": {}}
    (folder / layout.STATUS).write_text(json.dumps(status))
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
        assert writer.rows({"step": 1, "eval/loss": 2.0})
        assert writer.status.best == {"step": 1, "eval/loss": 2.0}


FULL = """
import resource, sys, threading
from pathlib import Path
import numpy as np
from seqlab.runs.writer import RunWriter
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import read_status

folder = Path(sys.argv[1])
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
writer = RunWriter(folder, beat=0.01)
writer.set_status(state="training")
limit(5000)
rows = [writer.rows({"step": n, "train/loss": 1.0 / n}) for n in range(1, 201)]
assert not all(rows) and writer.pending == rows.count(False)
assert not writer.live(200, {"outputs": np.ones((1000, 2))})
pause = threading.Event()
while "wait in memory" not in read_status(folder).message:
    pause.wait(0.01)
print(read_status(folder).message)
try:
    writer.flush(patience=0.05)
except RunError as error:
    print(error)
if sys.argv[2] == "space comes back":
    limit(resource.RLIM_INFINITY)
    while writer.pending:
        pause.wait(0.01)  # the heartbeat sends them out
    writer.set_status(state="finished")
    writer.close()
else:
    try:
        writer.close()
    except RunError:
        print("failed by name")
"""


def test_rows_wait_in_memory_while_the_disk_is_full_and_none_is_lost(folder: Path) -> None:
    message, refusal, *_ = output(FULL, folder, "space comes back").splitlines()
    assert re.fullmatch(r"\d+ rows of metrics\.jsonl wait in memory: File too large", message)
    assert refusal.startswith(f"{folder}: ")
    assert "rows of metrics.jsonl wait in memory: File too large" in refusal
    assert [row.get("step") for row in lines(folder / layout.METRICS)] == [None, *range(1, 201)]
    status = read_status(folder)
    assert (status.state, status.step, status.message) == ("finished", 200, "")


def test_a_disk_that_stays_full_is_named_and_the_run_let_go(folder: Path) -> None:
    assert output(FULL, folder, "no space").splitlines()[-1] == "failed by name"
    liveness.WorkerLock(folder).release()
