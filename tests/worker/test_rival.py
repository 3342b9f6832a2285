"""The rival comes when it is asked for, is what its spec says, and leaves the training alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.runs import control, layout
from seqlab.runs.launch import BLAS_THREADS
from seqlab.runs.reader import RunReader
from seqlab.runs.rival import MOST_POINTS
from seqlab.runs.run import Run
from seqlab.spec import load_spec
from seqlab.spec.rival import rival_of
from seqlab.training.ridge import RidgeTrainer, trainer_for
from seqlab.training.trainer import Step, Trainer
from seqlab.worker.rival import Rivalry, fitted
from tests.conftest import small
from tests.runs.conftest import python, until
from tests.worker.conftest import Start, rows, train_here

LONG = {"steps": 100_000_000, "batch_size": 32, "log_every": 5, "eval_every": 50, "frame_every": 100_000}
SINE = {"name": "sine", "length": 100, "horizon": 5}


def training(run: Run) -> bool:
    return run.state == "training" and run.rows > 0


def names(run: Run) -> list[str]:
    return [str(event["event"]) for event in run.events]


def tell(run: Run, command: str) -> None:
    """Send a command, and wait until the worker has taken note."""
    control.send(run.path, command)
    until(lambda: not list((run.path / layout.CONTROL).glob("*.json")))


def train_asking(folder: Path, send: Callable[[int], str | None]) -> Run:
    """Train a run in this process, sending it what `send` has for each of its steps."""
    advance = Trainer.advance

    def sending(trainer: Trainer) -> Step:
        result = advance(trainer)
        command = send(trainer.step)
        if command is not None:
            control.send(folder, command)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", sending)
        patch.setattr("seqlab.worker.orders.EVERY", 0.0)  # a look before every step
        patch.setattr("seqlab.worker.rival.PATIENCE", 300.0)  # the rival gives way to whatever else runs
        for name in BLAS_THREADS:  # as a worker has it
            patch.setenv(name, "1")
        return train_here(folder)


@pytest.fixture(scope="module")
def rivalled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was asked twice for its rival, and stopped once it was there."""
    folder = layout.create_run(small(SINE, **LONG), tmp_path_factory.mktemp("rivalled"))

    def send(step: int) -> str | None:
        if step == 30:  # so far the rival was beside the training; now leave it the processor
            until(lambda: Run(folder).rival is not None, 300)
        return {5: "rival", 10: "rival", 60: "stop"}.get(step)

    return train_asking(folder, send)


def test_it_is_what_its_spec_gives_and_training_has_the_bits_it_has_without(
    rivalled: Run, tmp_path: Path
) -> None:
    run, rival = rivalled, rivalled.rival
    assert names(run).count("rival") == 1
    assert "refused" not in names(run)
    assert names(run)[-1] == "stopped"
    assert rival is not None
    trainer = trainer_for(load_spec(rival.spec))
    assert isinstance(trainer, RidgeTrainer)
    for _ in range(trainer.spec.training.steps):
        trainer.advance()
    found, seen = trainer.evaluate(), trainer.probe.look().tensors
    assert (rival.loss, rival.forecast) == tuple(
        float(str(np.float32(x))) for x in (found.loss, found.forecast)
    )
    assert rival.rows == 100 * rival.batches * run.spec.training.batch_size
    assert rival.steps.tolist() == list(range(99, 105))
    said = np.concatenate([seen["outputs"][-1:, 0], seen["forecast"][:, 0]])
    np.testing.assert_array_equal(rival.said.astype(np.float32), said)

    last = rows(run)[-1]["step"]
    alone = train_here(layout.create_run(small(SINE, **{**LONG, "steps": last + 1}), tmp_path))
    logged = [row for row in rows(run) if row["step"] % 5 == 0]
    assert logged == [row for row in rows(alone) if row["step"] <= last and row["step"] % 5 == 0]


def test_a_task_of_classes_has_none_and_the_reason_is_given(start: Start) -> None:
    run, _ = start(small({"name": "copy", "delay": 3}, **LONG))
    until(lambda: training(run))
    tell(run, "rival")
    refused = next(event for event in run.events if event["event"] == "refused")
    assert (refused["command"], refused["field"]) == ("rival", None)
    assert (
        refused["why"] == "a rival is fitted to values by least squares, but the loss here is cross_entropy"
    )


def test_a_run_that_goes_on_keeps_the_rival_it_has(rivalled: Run, start: Start, tmp_path: Path) -> None:
    shutil.copytree(rivalled.path, tmp_path / "run")
    run, worker = start(tmp_path / "run")
    until(lambda: training(run) and "resumed" in names(run))
    tell(run, "rival")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.reap(300) == 0
    assert names(run).count("rival") == 1
    assert run.rival is not None


def test_a_run_that_is_over_before_its_rival_waits_for_it(tmp_path: Path) -> None:
    folder = layout.create_run(small(SINE, steps=20), tmp_path)
    run = train_asking(folder, lambda step: "rival" if step == 10 else None)
    assert run.state == "finished"
    assert run.rival is not None
    assert names(run)[-2:] == ["finished", "rival"]
    assert RunReader(run.path).poll().rival is not None


def test_it_ends_with_the_worker_and_then_says_nothing() -> None:
    said: list[Mapping[str, Any]] = []
    with Rivalry(small(SINE), said.append) as rivalry:
        assert rivalry.begin() == ""
        first = rivalry.process
        assert rivalry.begin() == ""
        assert rivalry.process is first
    assert first is not None
    assert first.returncode == -signal.SIGKILL
    assert said == []


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo"])
def test_one_that_fails_or_talks_nonsense_says_nothing(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Mapping[str, Any]] = []
    monkeypatch.setattr(sys, "executable", program)
    with Rivalry(small(SINE), said.append) as rivalry:
        assert rivalry.begin() == ""
        assert rivalry.process is not None
        rivalry.process.wait(300)
    assert said == []


def test_one_that_cannot_be_started_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/file")
    with Rivalry(small(SINE), print) as rivalry:
        assert rivalry.begin() == "a process for the rival cannot be started: No such file or directory"


WAITING = """
import os, subprocess, sys
code = "import os; from seqlab.worker.rival import _end_without as end; print(flush=True); end(os.getppid())"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_it_outlives_no_worker_that_is_killed() -> None:
    with python(WAITING) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
        parent.wait()
    until(lambda: not runs(child))


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def test_where_nothing_runs_free_it_says_what_is_asked_for() -> None:
    spec = rival_of(small({"name": "timing", "shortest": 3, "longest": 6}))
    found = fitted(spec)
    batch = spec.task.batch(0, "probe", 0, 8)
    assert list(found["steps"]) == np.flatnonzero(batch.mask[:, 0]).tolist()
    assert "eval/forecast" not in found
    assert found["batches"] == spec.training.steps
    assert load_spec(found["spec"]) == spec


def test_of_a_long_sequence_it_says_a_part() -> None:
    found = fitted(rival_of(small({"name": "generate", "length": 2_500}, steps=1)))
    assert list(found["steps"]) == list(range(0, 2_500, 3))
    assert len(found["said"]) == len(found["steps"]) <= MOST_POINTS


def test_what_diverges_is_no_rival() -> None:
    spec = small(
        {"length": 60},
        {"cell": "rnn", "activation": "relu", "hidden": 16},
        optimizer={"name": "sgd", "lr": 1e6},
        clip={"kind": "none"},
    )
    with pytest.raises(ValueError, match="is not finite"):
        fitted(spec)
