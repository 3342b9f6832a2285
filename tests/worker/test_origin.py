"""A fork begins with the bits of the run that it goes on from, at any step of it, and needs it no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import control, layout
from seqlab.runs.checkpoint import save_checkpoint
from seqlab.runs.fork import create_fork
from seqlab.runs.replay import compare, create_replay
from seqlab.runs.run import Run
from seqlab.training.ridge import trainer_for
from tests.conftest import small
from tests.runs.conftest import until
from tests.worker.conftest import assert_same_run, copied, rows, train_here, train_steered


def bits(run: Run, step: int) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in run.checkpoint(step).tensors.items()}


def names(run: Run) -> list[str]:
    return [event["event"] for event in run.events]


@pytest.mark.parametrize("step", [20, 40, 60])
def test_a_fork_has_the_bits_of_its_origin_where_that_kept_none(step, steered, tmp_path):
    lost = copied(steered, tmp_path, after=0)
    fork = train_here(create_fork(lost.path, step, ["training.steps=61"], tmp_path))
    assert bits(fork, step) == bits(steered, step)
    assert next(e for e in fork.events if e["event"] == "forked")["step"] == 0


@pytest.mark.parametrize("step", [45, 40])
def test_a_fork_in_which_nothing_is_changed_goes_on_as_its_origin_did(step, steered, tmp_path):
    """At step 45 all changes act already; at step 40 one was made that acts from step 41 on."""
    fork = train_here(create_fork(steered.path, step, [], tmp_path))
    assert rows(fork)[1:] == [row for row in rows(steered) if row["step"] > step]
    assert bits(fork, 60) == bits(steered, 60)


def test_a_fork_begins_with_an_evaluation_a_frame_and_a_checkpoint_of_its_first_step(steered, tmp_path):
    fork = train_here(create_fork(steered.path, 33, ["training.truncation=2"], tmp_path))
    first, second, *_ = rows(fork)
    assert (first["step"], second["step"]) == (33, 34)
    assert not {name for name in first if name.startswith("train/")}
    assert {"eval/loss", "eval/accuracy", "probe/gradient_last"} <= first.keys()
    assert fork.frames[0] == fork.checkpoints[0] == 33
    assert fork.frame(33).metadata["truncation"] == 2
    assert (fork.status.step, fork.state) == (60, "finished")
    assert fork.spec.fork.run == steered.name


def test_a_fork_needs_its_origin_no_more(steered, tmp_path):
    gone = copied(steered, tmp_path)
    folder = create_fork(gone.path, 33, [], tmp_path)
    shutil.rmtree(gone.path)
    assert train_here(folder).state == "finished"


def test_an_optimiser_of_another_kind_begins_afresh(steered, tmp_path):
    fork = train_here(create_fork(steered.path, 20, ["training.optimizer.name=sgd"], tmp_path))
    for name, value in fork.checkpoint(20).tensors.items():
        if name.startswith("optimizer."):
            assert not value.any()
        else:
            np.testing.assert_array_equal(value, steered.checkpoint(20).tensors[name])


def test_a_fork_of_a_steered_fork_goes_on_from_that_and_is_made_again_bit_for_bit(steered, tmp_path):
    first = train_steered(
        create_fork(steered.path, 25, [], tmp_path), {27: ("training.optimizer.lr", 0.5), 31: ("x", 1)}
    )
    second = train_here(create_fork(first.path, 29, ["training.truncation=0"], tmp_path))
    assert second.spec.fork.run == first.name
    assert second.spec.training.optimizer.lr == 0.5
    for run in (first, second):
        replay = create_replay(run.path, tmp_path)
        train_here(replay.folder)
        assert compare(replay) is None


def test_a_fork_at_step_0_begins_with_the_weights_that_its_origin_began_with(steered, tmp_path):
    fork = train_here(create_fork(steered.path, 0, ["training.optimizer.lr=0.1"], tmp_path))
    assert bits(fork, 0) == bits(steered, 0)
    assert [row["step"] for row in rows(fork)][:3] == [0, 1, 2]


@pytest.mark.parametrize("keep", [True, False], ids=["its row is there", "its row is not"])
def test_a_fork_that_was_lost_before_its_first_checkpoint_begins_again(keep, steered, tmp_path):
    folder = create_fork(steered.path, 33, [], tmp_path)
    straight = copied(train_here(folder), tmp_path)
    lost = copied(straight, tmp_path, after=0)
    for frame in (lost.path / layout.FRAMES).iterdir():
        frame.unlink()
    lines = (lost.path / layout.METRICS).read_bytes().splitlines(keepends=True)
    (lost.path / layout.METRICS).write_bytes(b"".join(lines[: 2 if keep else 1]) + b'{"step": 34')
    again = train_here(lost.path)
    assert_same_run(again, straight)
    assert again.snapshot().skipped == 1


def test_a_fork_can_be_lengthened_but_not_to_before_its_first_step(steered, tmp_path):
    folder = create_fork(steered.path, 58, [], tmp_path)
    with pytest.raises(layout.RunError, match="begins at step 58, so it cannot end at step 50"):
        train_here(folder, steps=50)
    assert train_here(folder, steps=70).status.step == 70


def test_a_lengthened_run_is_forked_beyond_its_first_plan(tmp_path):
    folder = layout.create_run(small(), tmp_path)
    train_here(folder)
    run = train_here(folder, steps=30)
    fork = train_here(create_fork(folder, 25, [], tmp_path))
    assert fork.status.step == 30
    assert rows(fork)[1:] == [row for row in rows(run) if row["step"] > 25]
    replay = create_replay(folder, tmp_path)
    train_here(replay.folder)
    assert compare(replay) is None


def test_a_fork_of_a_lengthened_run_keeps_to_its_schedule(tmp_path):
    folder = layout.create_run(small(log_every=1, schedule={"kind": "cosine"}), tmp_path)
    train_here(folder)
    run = train_here(folder, steps=30)
    for step in (15, 25):
        fork = train_here(create_fork(folder, step, [], tmp_path))
        rates = {row["step"]: row["train/lr"] for row in rows(run)}
        assert {row["step"]: row["train/lr"] for row in rows(fork)[1:]} == {
            later: rates[later] for later in range(step + 1, 31)
        }
        replay = create_replay(fork.path, tmp_path)
        train_here(replay.folder)
        assert compare(replay) is None


def test_a_fork_waits_no_longer_than_its_origin_for_an_improvement(tmp_path):
    """The loss never improves: the origin, with evaluations at 7, 14 and 21, ends at 21."""
    often = {"steps": 400, "log_every": 1, "eval_every": 7, "frame_every": 10}
    spec = small(optimizer={"lr": 1e-30}, stop={"metric": "eval/loss", "patience": 2}, **often)
    run = train_here(layout.create_run(spec, tmp_path))
    assert run.status.step == 21
    forks = {at: train_here(create_fork(run.path, at, [], tmp_path)) for at in (5, 16, 20, 21)}
    assert {at: fork.status.step for at, fork in forks.items()} == {5: 21, 16: 21, 20: 21, 21: 35}
    other = train_here(create_fork(run.path, 16, ["training.stop.metric=eval/accuracy"], tmp_path))
    assert other.status.step == 35
    replay = create_replay(forks[16].path, tmp_path)
    train_here(replay.folder)
    assert compare(replay) is None


def test_a_run_that_starts_from_what_is_not_its_origin_fails_and_says_so(steered, tmp_path):
    for number, (damage, said) in enumerate(DAMAGES.items()):
        folder = create_fork(steered.path, 33, [], tmp_path / str(number))
        damage(folder / layout.ORIGIN)
        run = train_here(folder)
        assert run.state == "failed"
        assert said in run.status.message
        assert not run.checkpoints


def other_spec(origin: Path) -> None:
    text = (origin / layout.SPEC).read_text()
    (origin / layout.SPEC).write_text(text.replace("seed = 0", "seed = 1"))


def other_title(origin: Path) -> None:
    text = (origin / layout.SPEC).read_text()
    (origin / layout.SPEC).write_text(text.replace('title = ""', 'title = "another"'))


def huge(origin: Path) -> None:
    (path,) = (origin / layout.CHECKPOINTS).glob("*.safetensors")
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk


def link(origin: Path) -> None:
    (path,) = (origin / layout.CHECKPOINTS).glob("*.safetensors")
    path.rename(origin.parent / "elsewhere.safetensors")
    path.symlink_to(origin.parent / "elsewhere.safetensors")


def later(origin: Path) -> None:
    save_checkpoint(origin, 34, trainer_for(small()).state())


def gone(origin: Path) -> None:
    shutil.rmtree(origin)


DAMAGES = {
    other_spec: "is not what this fork went on from: training.seed: ",
    other_title: "its checkpoint of step 20 is not one that this fork can go on from",
    huge: "has no whole checkpoint",
    link: "has no whole checkpoint",
    later: "its checkpoint of step 34 is not one that this fork can go on from",
    gone: "there is no such file",
}


def test_a_run_under_way_is_forked_where_it_is_and_goes_on_as_it_was(start, tmp_path):
    run, worker = start(small(steps=10_000_000, log_every=1, eval_every=10**6, frame_every=10**6))
    until(lambda: run.rows > 50)
    step = int(run.metrics["train/loss"].steps[-1])
    fork = train_here(create_fork(run.path, step, [f"training.steps={step + 5}"], tmp_path))
    until(lambda: run.metrics["train/loss"].steps[-1] > step + 5)
    beyond = {row["step"]: row["train/loss"] for row in rows(run)}
    assert [(row["step"], row["train/loss"]) for row in rows(fork)[1:]] == [
        (step + n, beyond[step + n]) for n in range(1, 6)
    ]
    assert worker.alive
    assert run.state == "training"
    control.send(run.path, "stop")
    assert worker.reap(300) == 0
