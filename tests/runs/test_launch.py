from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from seqlab.runs import launch, layout
from seqlab.runs.launch import Worker, worker_log_tail
from seqlab.runs.layout import RunError

from .conftest import output, until

#: A worker that says what it hears, and goes on without input once it has a run.
ECHO = """
import json, os, sys
print("a library that prints", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"state": "ready", "heard": message}), flush=True)
    if "run" in message:
        log = os.open(message["run"] + "/worker.log", os.O_WRONLY | os.O_CREAT, 0o644)
        for descriptor in (0, 1, 2):
            os.dup2(log, descriptor)
        names = ("OPENBLAS_NUM_THREADS", "SEQLAB_THREADS")
        print("training", os.getpid(), os.getsid(0), *(os.environ.get(name) for name in names), flush=True)
        os.mkfifo(message["run"] + "/end")
        open(message["run"] + "/end").read()
        print("over", flush=True)
        break
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "echo_worker.py").write_text(ECHO)
    (tmp_path / "modules" / "dying_worker.py").write_text("raise SystemExit('no numba here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return "echo_worker"


def test_a_worker_says_what_it_does_and_nobody_waits_for_it(module: str) -> None:
    worker = Worker(module=module)
    assert worker.states() == []
    assert worker.latest == {}
    worker.warm({"model": {"cell": "lstm"}})
    worker.warm({"model": {"cell": "gru"}})
    until(lambda: worker.latest.get("heard") == {"warm": {"model": {"cell": "gru"}}})
    assert [said["heard"]["warm"]["model"]["cell"] for said in worker.states()] == ["lstm", "gru"]
    assert worker.states() == []
    assert worker.alive
    worker.close()
    assert worker.reap(300) == 0
    assert (worker.alive, worker.exit_code) == (False, 0)


def test_a_worker_without_a_run_goes_away_with_its_input(module: str) -> None:
    worker = Worker(module=module)
    worker.close()
    assert worker.reap(300) == 0


def test_a_worker_with_a_run_needs_nobody(module: str, folder: Path) -> None:
    worker = Worker(threads=3, module=module)
    worker.run(folder, steps=50)
    assert worker.folder == folder
    until(lambda: "heard" in worker.latest)
    (message,) = [said["heard"] for said in worker.states()]
    assert (message["run"], message["steps"]) == (str(folder), 50)
    assert isinstance(message["since"], int)
    worker.close()
    assert worker.alive
    assert worker.reap(0) is None
    pid = worker.pid
    until(lambda: "training" in " ".join(worker_log_tail(folder)))
    assert worker_log_tail(folder) == [f"training {pid} {pid} 1 3"]  # in a session of its own
    until((folder / "end").exists)
    (folder / "end").write_text("")
    assert worker.reap(300) == 0
    assert worker_log_tail(folder, 1) == ["over"]


def test_a_run_outlives_the_one_who_started_it(module: str, folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from seqlab.runs.launch import Worker
worker = Worker(module=sys.argv[1])
worker.run(Path(sys.argv[2]))
while not (Path(sys.argv[2]) / "end").exists():
    pass
print(worker.pid)
"""
    pid = int(output(code, module, folder))
    os.kill(pid, 0)
    (folder / "end").write_text("")
    until(lambda: worker_log_tail(folder)[-1] == "over")


def test_an_early_death_is_told_with_its_last_words(module: str, folder: Path) -> None:
    worker = Worker(module="dying_worker")
    until(lambda: not worker.alive)
    assert (worker.exit_code, worker.stderr_tail()) == (1, "no numba here")
    with pytest.raises(RunError, match="the worker ended with exit code 1: no numba here"):
        worker.run(folder)
    assert worker.folder is None
    worker.close()
    assert worker.stderr_tail() == ""


def test_a_signal_is_a_negative_exit_code(module: str) -> None:
    worker = Worker(module=module)
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not worker.alive)
    assert worker.exit_code == -9
    worker.close()


def test_closed_workers_are_reaped(module: str) -> None:
    worker = Worker(module=module)
    worker.close()

    def gone() -> bool:
        launch.reap_all()
        return worker not in launch._let_go

    until(gone)
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


def test_a_file_in_the_current_folder_does_not_stand_in_for_a_module(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    worker = Worker(module=module)
    worker.warm({})
    until(lambda: worker.latest.get("state") == "ready" or not worker.alive)
    assert worker.stderr_tail() == ""
    worker.close()


def test_a_worker_is_told_which_commands_were_there_before_it(module: str, folder: Path) -> None:
    (folder / layout.CONTROL / "41-abc.json").write_text('{"command": "stop"}')
    worker = Worker(module=module)
    worker.run(folder)
    until(lambda: "heard" in worker.latest)
    assert worker.latest["heard"]["since"] == 42
    until((folder / "end").exists)
    (folder / "end").write_text("")
    assert worker.reap(300) == 0
    worker.close()


def test_what_workers_wrote_is_fit_for_a_terminal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / layout.LOG).write_text("a\x1b]0;b\x07\n  c\u202ed\n")
    assert worker_log_tail(folder) == [r"a\x1b]0;b\x07", r"  c\u202ed"]
    (tmp_path / "loud_worker.py").write_text("raise SystemExit('no\\x1b[2J numba\\n  here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker(module="loud_worker")
    until(lambda: not worker.alive)
    assert worker.stderr_tail() == "no\\x1b[2J numba\n  here"
    worker.close()


def test_the_log_is_read_from_its_end(folder: Path) -> None:
    assert worker_log_tail(folder) == []
    (folder / layout.LOG).write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert worker_log_tail(folder, 3) == ["line 9997", "line 9998", "line 9999"]
    assert worker_log_tail(folder, 0) == []


@pytest.mark.parametrize("name", ["launch", "control", "reader", "run", "claims", "writer", "persist"])
def test_nothing_heavy_is_imported(name: str) -> None:
    said = output(f"import seqlab.runs.{name}, sys, json; print(json.dumps(sorted(sys.modules)))")
    heavy = re.compile(r"(numba|llvmlite|textual|rich|pydantic|seqlab\.(kernels|training|tui))(\.|$)")
    assert [module for module in json.loads(said) if heavy.match(module)] == []
