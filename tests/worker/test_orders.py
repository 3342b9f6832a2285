"""What comes for a run that is over is answered, too, and a stop is heard as long as there is a worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqlab.runs import control, layout
from seqlab.runs.run import Run
from seqlab.training.trainer import Trainer
from seqlab.worker.rival import Rivalry
from tests.conftest import small
from tests.worker.conftest import train_here, train_steered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return layout.create_run(small(), tmp_path)


def refused(run: Run) -> list[tuple[object, ...]]:
    return [
        (event["command"], event["field"], event["why"], event["step"])
        for event in run.events
        if event["event"] == "refused"
    ]


def test_a_command_that_comes_after_the_last_step_is_refused(folder: Path) -> None:
    run = train_steered(folder, {20: ("training.truncation", 3)})
    assert run.state == "finished"
    assert refused(run) == [("set", "training.truncation", "the run is over", 20)]
    assert not os.listdir(folder / layout.CONTROL)


def test_a_second_stop_and_a_late_rival_are_no_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("stop", "stop"):
        control.send(folder, command)
    close = Trainer.close

    def last_moment(trainer: Trainer) -> None:
        control.send(folder, "stop")
        control.send(folder, "rival")
        close(trainer)

    monkeypatch.setattr(Trainer, "close", last_moment)
    run = train_here(folder)
    assert (run.state, refused(run)) == ("stopped", [])
    assert not os.listdir(folder / layout.CONTROL)


def test_while_a_worker_waits_for_the_rival_it_hears_a_stop(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def wait(rivalry: Rivalry, enough: Callable[[], bool]) -> None:
        for command in ("pause", "stop"):
            control.send(folder, command)
            heard.append((command, enough()))

    monkeypatch.setattr(Rivalry, "wait", wait)
    run = train_here(folder)
    assert heard == [("pause", False), ("stop", True)]
    assert (run.state, refused(run)) == ("finished", [("pause", None, "the run is over", 20)])


def test_what_is_no_command_is_refused_once_and_left_where_it_is(folder: Path) -> None:
    (folder / layout.CONTROL / "notes.txt").write_text("mine")
    run = train_here(folder)
    (only,) = refused(run)
    assert "'notes.txt' is not a command file's name" in only
    assert os.listdir(folder / layout.CONTROL) == ["notes.txt"]
