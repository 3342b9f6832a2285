"""The recorder's thread keeps the order of things, and what it saw of a step whatever comes after."""

from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.checkpoint import load_checkpoint
from seqlab.runs.control import Inbox, touch_viewer
from seqlab.runs.frames import read_frame
from seqlab.runs.persist import Persister
from seqlab.runs.run import Run
from seqlab.runs.writer import RunWriter
from seqlab.training.trainer import Trainer
from seqlab.worker.recorder import Recorder
from tests.conftest import small
from tests.worker.conftest import rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return layout.create_run(small(), tmp_path)


def recorded(folder: Path, trainer: Trainer, steps: int) -> None:
    with RunWriter(folder) as writer, Persister(writer, 2, 2) as persister:
        recorder = Recorder(trainer, writer, persister, Inbox(folder, 0), (1_000,), 0.0)
        with recorder:
            recorder.begin()
            for _ in range(steps):
                assert recorder.record(trainer.advance(), 0.0) == ""


def test_everything_that_was_due_is_there_at_the_end_and_in_order(folder):
    recorded(folder, Trainer(small(log_every=1)), 7)
    run = Run(folder)
    assert [row["step"] for row in rows(run)] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["step"] for row in rows(run) if "probe/gradient_last" in row] == [2, 4, 6]
    assert run.frames == run.checkpoints == [0, 2, 4, 6]


def test_a_frame_and_a_checkpoint_are_of_their_step_though_training_has_gone_on(folder):
    recorded(folder, Trainer(small()), 7)
    again = Trainer(small())
    for step in range(1, 7):
        again.advance()
        if step % 2 == 0:
            frame = read_frame(folder / layout.FRAMES / layout.numbered(step))
            for name, value in again.probe.look().tensors.items():
                np.testing.assert_array_equal(frame.tensors[name], value)
            kept = load_checkpoint(folder, step).tensors
            for name, value in again.state().items():
                np.testing.assert_array_equal(kept[name], value)


def test_a_metric_of_the_probe_is_looked_at_after_every_evaluation_and_keeps_no_frame(folder):
    stop = {"metric": "probe/gradient_ratio", "patience": 9}
    trainer = Trainer(small(eval_every=3, log_every=100, stop=stop))
    recorded(folder, trainer, 7)
    run = Run(folder)
    assert [row["step"] for row in rows(run) if stop["metric"] in row] == [2, 3, 4, 6]
    assert run.frames == [0, 2, 4, 6]
    ratios = {step: run.metrics[stop["metric"]].at(step) for step in (3, 6)}
    saved = load_checkpoint(folder, 6).metadata["stopping"]
    best = min(ratios, key=ratios.get)
    assert saved["best_step"] == best
    assert saved["best"] == float(np.float32(ratios[best]))
    assert best in run.checkpoints


def test_more_rows_than_may_wait_are_all_written(folder, monkeypatch):
    monkeypatch.setattr("seqlab.worker.recorder._ROWS", 3)
    recorded(folder, Trainer(small(log_every=1)), 50)
    assert [row["step"] for row in rows(Run(folder))] == list(range(1, 51))


def test_a_live_frame_asked_for_now_is_there_on_return(folder):
    trainer = Trainer(small())
    touch_viewer(folder, "me")
    with (
        RunWriter(folder) as writer,
        Persister(writer, 100, 100) as persister,
        Recorder(trainer, writer, persister, Inbox(folder, 0), (1_000,), 0.0) as recorder,
    ):
        for step in (1, 2):
            trainer.advance()
            recorder.live(now=True)
            assert read_frame(folder / layout.LIVE).step == step


def test_what_the_thread_cannot_do_is_raised_to_training(folder, monkeypatch):
    def broken(*rows):
        raise ValueError("no more rows")

    trainer = Trainer(small())
    with RunWriter(folder) as writer, Persister(writer, 100, 100) as persister:
        recorder = Recorder(trainer, writer, persister, Inbox(folder, 0), (1_000,), 0.0)
        monkeypatch.setattr(writer, "rows", broken)

        def train_for_ever() -> None:
            with recorder:
                while True:
                    recorder.record(trainer.advance(), 0.0)

        with pytest.raises(ValueError, match="no more rows"):
            train_for_ever()
        with pytest.raises(ValueError, match="no more rows"):
            recorder.end()
