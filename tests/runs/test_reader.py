from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import control, layout, tensors
from seqlab.runs.checkpoint import load_checkpoint
from seqlab.runs.frames import encode_frame
from seqlab.runs.layout import NewerFormatError, RunError
from seqlab.runs.liveness import read_status
from seqlab.runs.reader import RunReader
from seqlab.runs.tensors import Tensors
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec

from .conftest import Process, python, until

RUNGS = [{"name": "constant", "label": "constant", "metric": "eval/loss", "value": 1 / 6, "measured": 0.17}]
PROBE: Tensors = {
    "inputs": np.zeros((5, 8, 2), np.float32),
    "targets": np.zeros((5, 8), np.int64),
    "mask": np.ones((5, 8)),
}


def frame(value: float) -> dict[str, np.ndarray]:
    return {"outputs": np.full((5, 2), value, np.float32)}


def shown(reader: RunReader) -> tuple[int, float] | None:
    found = reader.poll().frame
    return None if found is None else (found.step, float(found.tensors["outputs"][0, 0]))


def test_a_new_run_reads_as_starting_with_nothing_in_it(folder: Path, spec: Spec) -> None:
    now = RunReader(folder).poll()
    assert (now.state, now.rows, now.events, now.frame, now.probe) == ("starting", 0, (), None, None)
    assert (now.folder, now.name, now.spec) == (folder, folder.name, spec)
    assert (now.skipped, now.problems) == (0, ())
    assert 0 <= now.age < 60


def test_a_reader_follows_everything_a_worker_writes(folder: Path) -> None:
    reader = RunReader(folder)
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
        writer.write_probe(PROBE)
        writer.event("rungs", rungs=RUNGS)
        writer.rows({"step": 1, "wall": 0.1, "train/loss": 2.0, "eval/loss": 3.0})
        first = reader.poll()
        assert (first.state, first.rows) == ("training", 1)
        assert first.rungs[0].measured == 0.17
        assert first.probe is not None
        assert first.probe["targets"].dtype == np.int64
        writer.rows({"step": 2, "wall": 0.2, "train/loss": 1.0})
        writer.set_status(state="paused")
        second = reader.poll()
        assert second.state == "paused"
        assert second.metrics["train/loss"].values.tolist() == [2.0, 1.0]
        assert second.metrics["eval/loss"].steps.tolist() == [1]
        assert second.probe is first.probe  # not read again
        assert first.rows == 1
        writer.set_status(state="finished")
    assert reader.poll().state == "finished"


def test_the_newest_frame_is_shown_live_or_kept(folder: Path) -> None:
    reader = RunReader(folder)
    with RunWriter(folder) as writer:
        writer.live(1, frame(1.0))
        assert shown(reader) == (1, 1.0)
        (folder / layout.FRAMES / layout.numbered(5)).write_bytes(encode_frame(5, frame(5.0)))
        assert shown(reader) == (5, 5.0)
        writer.live(7, frame(7.0))
        assert shown(reader) == (7, 7.0)
        assert reader.poll().frame is reader.poll().frame  # not read again
        writer.resume(0)
        assert shown(reader) is None
        writer.live(1, frame(1.5))
        assert shown(reader) == (1, 1.5)


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 100, tensors.encode({}, {"step": "one"})])
def test_a_damaged_frame_is_named_and_the_last_good_one_stays(folder: Path, content: bytes) -> None:
    reader = RunReader(folder)
    (folder / layout.LIVE).write_bytes(encode_frame(3, frame(3.0)))
    assert shown(reader) == (3, 3.0)
    (folder / layout.LIVE).write_bytes(content)
    now = reader.poll()
    assert now.frame is not None
    assert now.frame.step == 3
    assert len(now.problems) == 1
    assert now.problems[0].startswith(f"{folder / layout.LIVE}: ")
    (folder / layout.LIVE).write_bytes(encode_frame(4, frame(4.0)))
    assert reader.poll().problems == ()


def test_a_huge_frame_and_a_probe_without_inputs_are_refused(folder: Path) -> None:
    with (folder / layout.LIVE).open("wb") as file:
        file.truncate(1 << 40)
    (folder / layout.PROBE).write_bytes(tensors.encode({"targets": np.zeros(3)}))
    now = RunReader(folder).poll()
    assert (now.frame, now.probe) == (None, None)
    assert [problem.rpartition(": ")[2] for problem in now.problems] == [
        "longer than 64000000 bytes",
        "has no inputs and no mask",
    ]


def test_a_rung_without_a_formula_stands_where_it_was_measured(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.event("rungs", rungs=[{**RUNGS[0], "value": None}, RUNGS[0]])
    measured, exact = RunReader(folder).poll().rungs
    assert (measured.value, measured.height) == (None, measured.measured)
    assert exact.height == exact.value == RUNGS[0]["value"] != exact.measured


def test_lines_that_are_no_events_are_counted(folder: Path) -> None:
    lines = [
        b'{"time": 1.0, "step": 0, "event": "started"}',
        b"{",
        b'{"time": "x", "step": 0, "event": "started"}',
        b'{"time": 1.0, "event": "started"}',
        b'{"time": 1.0, "step": 0, "event": "rungs", "rungs": [{"name": "constant"}]}',
        b'{"time": 1.0, "st',
    ]
    (folder / layout.EVENTS).write_bytes(b"\n".join(lines))
    now = RunReader(folder).poll()
    assert [event["event"] for event in now.events] == ["started", "rungs"]
    assert (now.skipped, now.rungs) == (5, ())


def test_what_is_no_readable_run_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty: is not a run folder: it has no spec\.toml"):
        RunReader(tmp_path / "empty")
    with pytest.raises(RunError, match=r"nothing: there is no such folder"):
        RunReader(tmp_path / "nothing")
    spec = (folder / layout.SPEC).read_text()
    (folder / layout.SPEC).write_text(spec.replace('"adding"', '"subtracting"'))
    with pytest.raises(RunError, match=r"spec\.toml:\d+: task\.name: 'subtracting'"):
        RunReader(folder)
    (folder / layout.SPEC).write_text(spec[: len(spec) // 2] + "\n=")
    with pytest.raises(RunError, match=r"spec\.toml.*not a TOML file"):
        RunReader(folder)
    (folder / layout.SPEC).write_text(spec.replace("schema_version = 1", "schema_version = 9"))
    with pytest.raises(RunError, match="9 is newer than"):
        RunReader(folder)
    (folder / layout.SPEC).write_text(spec)
    (folder / layout.STATUS).write_bytes(b'{"format": 2}')
    with pytest.raises(NewerFormatError, match="format 2"):
        RunReader(folder)


def test_a_status_that_is_torn_for_a_while_leaves_the_last_one(folder: Path) -> None:
    reader = RunReader(folder)
    whole = (folder / layout.STATUS).read_bytes()
    (folder / layout.STATUS).write_bytes(whole[:20])
    now = reader.poll()
    assert now.state == "starting"
    assert "status.json: is damaged" in now.problems[0]
    (folder / layout.STATUS).write_bytes(whole)
    assert reader.poll().problems == ()


def test_a_folder_that_goes_away_is_said(folder: Path) -> None:
    reader = RunReader(folder)
    shutil.rmtree(folder)
    with pytest.raises(RunError, match="there is no such folder"):
        reader.poll()


WORK = """
import sys
from pathlib import Path
import numpy as np
from seqlab.runs.persist import Persister
from seqlab.runs.writer import RunWriter
with RunWriter(Path(sys.argv[1]), beat=0.02) as writer, Persister(writer, 10, 10) as persister:
    writer.set_status(state="training")
    writer.write_probe({"inputs": np.zeros((5, 8, 2)), "targets": np.zeros((5, 8)), "mask": np.ones((5, 8))})
    for step in range(1, 10**9):
        writer.rows({"step": step, "wall": step / 100, "train/loss": 1.0 / step})
        if step % 10 == 0:
            persister.frame(step, {"outputs": np.full((5, 2), step)})
            persister.checkpoint(step, {"model.w": np.full(9, step)})
            writer.live(step, {"outputs": np.full((5, 2), step)})
        if step == 30:
            persister.drain()
            print("ready", flush=True)
"""


def work(folder: Path) -> Process:
    process = python(WORK, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def elsewhere(folder: Path) -> None:
    """Let the copy look as it does on another machine than that of the worker."""
    status = dataclasses.replace(read_status(folder), host="cluster-7", boot_id="another")
    (folder / layout.STATUS).write_bytes(status.to_bytes())


def test_a_folder_copied_while_it_trains_is_read_on_another_machine(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"

    def ignore(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith(".")]

    with work(folder) as process:
        reader = RunReader(folder)
        for turn in range(3):
            more = reader.poll().rows + 1
            until(partial(lambda more: reader.poll().rows >= more, more))
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            for name in sorted(os.listdir(folder)):  # file by file, while the worker goes on
                source = folder / name
                if source.is_dir():
                    (copy / name).mkdir()
                    for inner in sorted(os.listdir(source)):
                        if not ignore("", [inner]):
                            try:
                                shutil.copy(source / inner, copy / name / inner)
                            except FileNotFoundError:  # thinned out meanwhile
                                continue
                elif not ignore("", [name]):
                    shutil.copy(source, copy / name)
            elsewhere(copy)
            copied = RunReader(copy).poll()
            assert copied.state == "training", turn
            assert copied.rows >= 30
            losses = copied.metrics["train/loss"]
            assert losses.steps.tolist() == list(range(1, copied.rows + 1))
            assert copied.frame is not None
            assert copied.frame.tensors["outputs"][0, 0] == copied.frame.step
            assert copied.problems == ()
            assert copied.skipped <= 2  # a line cut by the copying
        process.kill()


def test_a_copy_that_grows_by_copying_again_is_followed(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
        writer.rows({"step": 1, "train/loss": 1.0})
        shutil.copytree(folder, copy)
        elsewhere(copy)
        reader = RunReader(copy)
        assert reader.poll().rows == 1
        for step in range(2, 50):
            writer.rows({"step": step, "train/loss": 1.0})
            content = (folder / layout.METRICS).read_bytes()
            (copy / "new").write_bytes(content[: len(content) - step % 7])  # a new file, cut anywhere
            (copy / "new").replace(copy / layout.METRICS)
            assert reader.poll().rows == step - (step % 7 > 0)
        assert reader.poll().skipped <= 1


def test_a_run_whose_worker_was_killed_goes_on_from_a_checkpoint(folder: Path) -> None:
    reader = RunReader(folder)
    for _ in range(3):
        with work(folder) as process:
            process.kill()
        assert reader.poll().state == "lost"
        with RunWriter(folder) as writer:
            step = load_checkpoint(folder, 20).step
            writer.resume(step)
            writer.set_status(state="training")
            assert reader.poll().metrics["train/loss"].steps.tolist() == list(range(1, 21))
            writer.rows({"step": 21, "train/loss": -1.0})
            now = reader.poll()
            assert (now.state, now.rows, now.metrics["train/loss"].last) == ("training", 21, -1.0)
            assert now.frame is not None
            assert now.frame.step == 20
            writer.resume(0)


def test_reading_leaves_the_folder_as_it_was(folder: Path) -> None:
    with work(folder) as process:
        process.kill()

    def everything() -> list[tuple[Path, int, int]]:
        found = sorted(folder.rglob("*"))
        return [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in found]

    before = everything()
    now = RunReader(folder).poll()
    assert now.state == "lost"
    assert now.rows >= 30
    assert everything() == before


def test_a_folder_one_may_only_read_is_read(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
        writer.rows({"step": 1, "train/loss": 1.0})
        writer.set_status(state="stopped")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        now = RunReader(folder).poll()
        assert (now.state, now.rows) == ("stopped", 1)
        if os.geteuid():  # root may write anyway
            assert not control.touch_viewer(folder, "me")
            with pytest.raises(RunError, match="cannot send 'stop': Permission denied"):
                control.send(folder, "stop")
            with pytest.raises(RunError, match="Permission denied"):
                RunWriter(folder)
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_long_file_is_read_at_once_or_bit_by_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunWriter(folder) as writer:
        writer.rows(*({"step": step, "train/loss": 1.0} for step in range(1, 51)))
        for step in range(50):
            writer.event("frame", step=step)
    monkeypatch.setattr("seqlab.runs.tail.MOST_BYTES", 200)
    whole = RunReader(folder).poll()
    assert (whole.rows, len(whole.events), whole.behind) == (50, 50, False)
    reader = RunReader(folder)
    found = [reader.poll(whole=False)]
    while found[-1].behind:
        found.append(reader.poll(whole=False))
    assert [now.behind for now in found[:5]] == [True] * 5
    assert 0 < found[0].rows < found[1].rows < 50
    assert (found[-1].rows, len(found[-1].events)) == (50, 50)


def test_a_file_without_an_end_takes_neither_memory_nor_time(folder: Path) -> None:
    for name in (layout.METRICS, layout.EVENTS):
        (folder / name).touch()
        os.truncate(folder / name, 1 << 42)
    now = RunReader(folder).poll(whole=False)
    assert (now.rows, now.events, now.skipped, now.behind) == (0, (), 2, True)


def test_a_worker_that_is_there_and_silent_is_a_problem(folder: Path) -> None:
    with RunWriter(folder, beat=3600) as writer:
        writer.set_status(state="training")
        reader = RunReader(folder)
        assert reader.poll().problems == ()
        status = dataclasses.replace(read_status(folder), heartbeat=time.time() - 60)
        (folder / layout.STATUS).write_bytes(status.to_bytes())
        (problem,) = reader.poll().problems
        assert re.fullmatch(r"no sign of life from the worker for 6\d s: is its disk full\?", problem)
        writer.set_status(state="stopped")
        assert reader.poll().problems == ()


def test_no_text_of_strangers_reaches_a_terminal_as_it_is(folder: Path) -> None:
    evil = "a\x1b]0;PWN\x07b\x9bc\u202e\nd"
    rungs = [{**RUNGS[0], "name": evil, "label": evil, "metric": evil}]
    with RunWriter(folder) as writer:
        writer.event("rungs", rungs=rungs)
        writer.set_status(state="stopped")
    status = dataclasses.replace(read_status(folder), message=evil, host=evil)
    (folder / layout.STATUS).write_bytes(status.to_bytes())
    reader = RunReader(folder)
    now = reader.poll()
    texts = [now.status.message, now.status.host, now.rungs[0].name, now.rungs[0].label, now.rungs[0].metric]
    (folder / layout.STATUS).write_text(json.dumps({"format": 1, "state": "x", "step": evil, "steps": 1}))
    problems = reader.poll().problems
    assert len(problems) == 1
    assert all(text.isprintable() for text in [*texts, *problems])
    spec = (folder / layout.SPEC).read_text()
    (folder / layout.SPEC).write_text(spec + '\n["\\u001b\\u009b\\u202e"]\n')
    with pytest.raises(RunError) as refused:
        RunReader(folder)
    assert str(refused.value).isprintable()


def test_steps_that_no_run_has_are_skipped(folder: Path) -> None:
    lines = [f'{{"time": 1.0, "step": {step}, "event": "frame"}}\n' for step in (-1, 2**62, 10**400, 5)]
    (folder / layout.EVENTS).write_text("".join(lines))
    for step in (2**62, 10**400):
        (folder / layout.LIVE).write_bytes(
            tensors.encode({}, {"step": step, "unit_stride": 1, "time_stride": 1})
        )
        now = RunReader(folder).poll()
        assert [event["step"] for event in now.events] == [5]
        assert (now.skipped, now.frame, len(now.problems)) == (3, None, 1)


def test_the_age_of_the_heartbeat_is_told(folder: Path) -> None:
    status = dataclasses.replace(
        read_status(folder), host="far", boot_id="another", heartbeat=time.time() - 120
    )
    (folder / layout.STATUS).write_bytes(status.to_bytes())
    assert RunReader(folder).poll().age >= 120
    status = dataclasses.replace(status, heartbeat=time.time() + 120)
    (folder / layout.STATUS).write_bytes(status.to_bytes())
    assert RunReader(folder).poll().age < 60  # since the file was written
