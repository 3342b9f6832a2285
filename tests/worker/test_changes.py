"""A run is steered while it trains; what was changed is written down, and acts again when it is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.runs import control, layout
from seqlab.runs.record import encode_changes
from seqlab.runs.replay import compare, create_replay
from seqlab.runs.run import Run
from seqlab.runs.writer import RunWriter
from seqlab.spec.steerable import Change, value_of
from seqlab.training.trainer import Trainer
from tests.conftest import small
from tests.worker.conftest import STEERED, assert_same_run, copied, rows, train_here, train_steered


def of(run: Run, name: str) -> list[dict]:
    return [dict(event) for event in run.events if event["event"] == name]


def test_every_change_is_written_down_with_the_step_from_which_it_acts(steered: Run):
    assert [(e["step"] - 1, e["field"], e["value"], e["before"]) for e in of(steered, "changed")] == [
        (step, field, value, value_of(steered.spec, field)) for step, (field, value) in STEERED.items()
    ]


def test_a_changed_learning_rate_and_clip_limit_act_from_their_step_on(steered: Run):
    for row in rows(steered)[:-1]:
        assert row["train/lr"] == (0.001 if row["step"] <= 10 else 0.05)
        if row["step"] > 40:
            assert row["train/clipped"] == int(row["train/grad_norm"] > 0.01)


def test_frames_hold_the_truncation_and_the_learning_rate_in_force(steered: Run):
    for step in steered.frames:
        metadata = steered.frame(step).metadata
        assert metadata["truncation"] == (0 if step <= 20 else 4), step
        assert metadata["learning_rate"] == (0.001 if step <= 10 else 0.05), step


def test_another_held_out_split_is_evaluated_and_its_rungs_are_measured_anew(steered: Run):
    first, second = of(steered, "rungs")
    for event, count in ((first, 8), (second, 5)):
        evaluator = Trainer(small(eval_sequences=count)).evaluator
        assert [each["measured"] for each in event["rungs"]] == [each.measured for each in evaluator.rungs()]
    trainer = Trainer(small(eval_sequences=5))
    trainer.restore(60, steered.checkpoint(60).tensors)
    assert steered.metrics["eval/loss"].last == pytest.approx(trainer.evaluate().loss, rel=1e-6)


@pytest.mark.parametrize("after", [0, 20, 40])
def test_a_steered_run_that_goes_on_from_a_checkpoint_ends_like_one_never_killed(after, steered, tmp_path):
    lost = copied(steered, tmp_path, after)
    assert_same_run(train_here(lost.path), steered)
    assert of(lost, "changed") == of(steered, "changed")


def test_a_steered_run_is_made_again_from_its_record_bit_for_bit(steered, tmp_path):
    replay = create_replay(steered.path, tmp_path)
    again = train_here(replay.folder)
    assert compare(replay) is None
    assert_same_run(again, steered)
    assert (replay.until, len(replay.rows), replay.left) == (60, 60, 0)


def test_what_was_recorded_and_what_was_not_makes_a_difference(steered, tmp_path):
    replay = create_replay(steered.path, tmp_path)
    (replay.folder / layout.EVENTS).unlink()
    train_here(replay.folder)
    found = compare(replay)
    assert (found.step, found.field, found.run, found.replay) == (11, "train/lr", 0.05, 0.001)


def test_a_learning_rate_that_is_set_is_what_the_schedule_starts_from(tmp_path):
    spec = small(steps=40, schedule={"kind": "exponential", "gamma": 0.9, "warmup": 10})
    run = train_steered(layout.create_run(spec, tmp_path), {20: ("training.optimizer.lr", 0.5)})
    for row in rows(run):
        base = 0.5 if row["step"] > 20 else 0.001
        assert row["train/lr"] == spec.training.schedule.rate(base, row["step"], 40), row["step"]


def test_recorded_changes_act_at_their_steps(tmp_path):
    made = [Change(step, "training.optimizer.lr", lr) for step, lr in ((5, 0.25), (15, 0.5))]
    folder = layout.create_run(small(), tmp_path, more={layout.EVENTS: encode_changes(made, 0.0)})
    for row in rows(train_here(folder)):
        assert row["train/lr"] == (0.001 if row["step"] < 5 else 0.25 if row["step"] < 15 else 0.5)


def test_a_change_to_a_run_that_went_back_is_not_undone_by_one_from_before_that(steered, tmp_path):
    lost = copied(steered, tmp_path, after=0)
    again = train_steered(lost.path, {5: ("training.optimizer.lr", 0.25)})
    for row in rows(again):
        assert row["train/lr"] == (0.001 if row["step"] <= 5 else 0.25), row["step"]
    replay = create_replay(again.path, tmp_path)
    train_here(replay.folder)
    assert compare(replay) is None


def test_a_change_that_is_not_on_the_disk_does_not_act(tmp_path, monkeypatch):
    folder = layout.create_run(small(log_every=1), tmp_path)
    control.send(folder, "set", "training.optimizer.lr", 0.5)
    with monkeypatch.context() as patch:
        event = RunWriter.event
        patch.setattr(RunWriter, "event", lambda *given, **fields: event(*given, **fields) and False)
        run = train_here(folder)
    assert {row["train/lr"] for row in rows(run)} == {0.001}
    assert of(run, "refused")[0]["why"] == (
        "training.optimizer.lr = 0.5: it cannot be recorded, so it could not be repeated"
    )
    replay = create_replay(folder, tmp_path)  # the disk has it after all, and what takes it back
    train_here(replay.folder)
    assert compare(replay) is None


def test_a_run_that_cannot_be_lengthened_on_record_is_not_lengthened(tmp_path, monkeypatch):
    folder = layout.create_run(small(), tmp_path)
    train_here(folder)
    event = RunWriter.event
    monkeypatch.setattr(RunWriter, "event", lambda *given, **fields: event(*given, **fields) and False)
    run = train_here(folder, steps=30)
    assert run.state == "failed"
    assert (
        "events.jsonl: cannot be written, so the run cannot be lengthened to 30 steps" in run.status.message
    )


def test_a_held_out_split_that_would_take_too_long_is_refused_and_a_smaller_one_never(tmp_path, monkeypatch):
    monkeypatch.setattr("seqlab.worker.changes.MOST_SECONDS", 0.0)
    sent = {5: ("training.eval_sequences", 9), 10: ("training.eval_sequences", 7)}
    run = train_steered(layout.create_run(small(), tmp_path), sent)
    assert [event["why"] for event in of(run, "refused")] == [
        "training.eval_sequences = 9: an evaluation would take about 0 s"
    ]
    assert [(event["value"], event["before"]) for event in of(run, "changed")] == [(7, 8)]


@pytest.mark.parametrize(
    ("command", "field", "value", "why"),
    [
        ("set", "training.seed", 3, "training.seed: cannot be changed while a run trains; training.optim"),
        ("set", "training.optimizer.lr", -1.0, "-1.0 is out of bounds: it must be above 0"),
        ("set", "training.truncation", "short", "'short' is not an integer"),
        ("step", None, None, "only a paused run can make a single step"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_a_reason(command, field, value, why, tmp_path):
    folder = layout.create_run(small(), tmp_path)
    control.send(folder, command, field, value)
    control.send(folder, "stop")
    run = train_here(folder)
    (refused,) = of(run, "refused")
    assert why in refused["why"]
    assert run.state == "stopped"
    assert not list((folder / layout.CONTROL).glob("*.json"))


def test_to_set_what_is_so_already_is_no_change(tmp_path):
    folder = layout.create_run(small(), tmp_path)
    control.send(folder, "set", "training.truncation", 0)
    assert not of(train_here(folder), "changed")


def test_a_change_for_which_there_is_no_memory_is_refused_and_the_run_goes_on(tmp_path, monkeypatch):
    def none(*arguments):
        raise MemoryError

    folder = layout.create_run(small(), tmp_path)
    control.send(folder, "set", "training.truncation", 5)
    monkeypatch.setattr(Trainer, "change", none)
    run = train_here(folder)
    assert of(run, "refused")[0]["why"] == "training.truncation = 5: there is not enough memory for that"
    assert (run.state, of(run, "changed")) == ("finished", [])


def test_a_record_that_fits_no_run_is_said_to_be_wrong(tmp_path: Path):
    folder = layout.create_run(small(), tmp_path)
    wrong = encode_changes([Change(3, "training.truncation", -4)], 0.0)
    (folder / layout.EVENTS).write_bytes(wrong)
    run = train_here(folder)
    assert run.state == "failed"
    assert "events.jsonl: what was changed up to step 3 fits no run: training.truncation: -4" in (
        run.status.message
    )
