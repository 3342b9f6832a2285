"""A fork's folder holds all it needs; what cannot be forked is refused, and nothing is made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout, record
from seqlab.runs.checkpoint import save_checkpoint
from seqlab.runs.fork import create_fork, load_origin
from seqlab.runs.layout import RunError
from seqlab.runs.run import Run
from seqlab.spec import Spec, SpecError, load_spec
from seqlab.spec.steerable import STEPS, Change
from tests.conftest import small

CHANGES = [
    Change(11, "training.truncation", 4),
    Change(31, "training.optimizer.lr", 0.5),
    Change(41, STEPS, 300),
]


def save(folder: Path, *steps: int) -> None:
    for step in steps:
        digest = layout.spec_digest(folder)
        save_checkpoint(folder, step, {"model.w": np.full(3, step)}, {"digest": digest, "wall": step / 10})


@pytest.fixture
def origin(folder: Path) -> Path:
    """A run that stopped at step 50 of 100, with a few checkpoints and changes."""
    save(folder, 0, 20, 40)
    (folder / layout.EVENTS).write_bytes(record.encode_changes(CHANGES, 0.0))
    (folder / layout.ENV).write_text('{"cpu": "zen"}')
    status = json.loads((folder / layout.STATUS).read_text())
    (folder / layout.STATUS).write_text(json.dumps({**status, "state": "stopped", "step": 50}))
    return folder


@pytest.mark.parametrize(
    ("step", "base"), [(None, 40), (50, 40), (40, 40), (39, 20), (20, 20), (1, 0), (0, 0)]
)
def test_a_fork_holds_the_nearest_checkpoint_and_the_changes_from_before_its_step(
    origin, tmp_path, step, base
):
    fork = Run(create_fork(origin, step, [], tmp_path))
    at = base if step is None else step
    assert (fork.spec.fork.run, fork.spec.fork.step) == (origin.name, at)
    found = load_origin(fork.path, fork.spec)
    assert found.spec == load_spec(origin)
    assert found.checkpoint.step == base
    assert found.checkpoint.tensors["model.w"].tolist() == [base] * 3
    assert [*found.changes] == [change for change in CHANGES[:2] if change.step <= at]
    assert record.environment(fork.path / layout.ORIGIN) == {"cpu": "zen"}


def test_a_fork_starts_from_what_was_in_force_and_changes_what_is_asked_for(origin, tmp_path):
    spec = Run(create_fork(origin, 35, ["training.clip.limit=0.1"], tmp_path)).spec.training
    assert (spec.truncation, spec.optimizer.lr, spec.clip.limit) == (4, 0.5, 0.1)


@pytest.mark.parametrize(("step", "lr"), [(29, 1e-3), (30, 0.5)])
def test_in_force_is_what_the_next_step_is_made_under(origin, tmp_path, step, lr):
    assert Run(create_fork(origin, step, [], tmp_path)).spec.training.optimizer.lr == lr


@pytest.mark.parametrize(
    ("what", "steps", "changes"),
    [
        ([], 100, [Change(36, STEPS, 300)]),
        (["training.steps=300"], 100, [Change(36, STEPS, 300)]),
        (["training.steps=200"], 200, []),
        (["training.steps=100"], 100, []),
    ],
)
def test_a_fork_of_a_lengthened_run_is_lengthened_as_that_is_unless_it_shall_end_elsewhere(
    origin, tmp_path, what, steps, changes
):
    fork = Run(create_fork(origin, 35, what, tmp_path))
    assert fork.spec.training.steps == steps
    assert record.recorded_changes(fork.path) == changes


def test_a_lengthened_run_is_forked_beyond_the_steps_of_its_spec(origin, tmp_path):
    status = json.loads((origin / layout.STATUS).read_text())
    (origin / layout.STATUS).write_text(json.dumps({**status, "step": 150}))
    fork = Run(create_fork(origin, 120, [], tmp_path))
    assert load_origin(fork.path, fork.spec).checkpoint.step == 40
    assert record.planned_ends(fork.spec.training.steps, record.recorded_changes(fork.path))[-1] == 300


def test_a_linked_folder_of_the_origin_is_not_followed(origin, tmp_path):
    fork = Run(create_fork(origin, 35, [], tmp_path))
    inner = fork.path / layout.ORIGIN
    inner.rename(tmp_path / "elsewhere")
    inner.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="origin is a link"):
        load_origin(fork.path, fork.spec)


def test_a_fork_may_be_given_a_whole_spec(origin, tmp_path):
    wanted = load_spec(load_spec(origin).model_dump(), ["training.truncation=2"])
    assert Run(create_fork(origin, 35, wanted, tmp_path)).spec.training == wanted.training


def test_a_damaged_checkpoint_is_passed_over_for_an_earlier_one(origin, tmp_path):
    (origin / layout.CHECKPOINTS / layout.numbered(40)).write_bytes(b"torn")
    fork = Run(create_fork(origin, 45, [], tmp_path))
    assert load_origin(fork.path, fork.spec).checkpoint.step == 20


@pytest.mark.parametrize(
    ("step", "what", "said"),
    [
        (51, [], "is at step 50: there is no step 51 to go on from yet"),
        (35, ["task.length=3"], "task.length: a fork goes on with the same data, so it stays 10"),
        (35, ["training.steps=35"], "training.steps: 35, but the fork begins at step 35: above that"),
        (35, ["training.nonsense=1"], "unknown field"),
        (35, small(), "model.cell: a fork goes on with the same weights, so it stays 'rnn'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(origin, tmp_path, step, what, said):
    with pytest.raises((RunError, SpecError), match=said):
        create_fork(origin, step, what, tmp_path / "forks")
    assert not (tmp_path / "forks").exists()


def test_a_run_that_diverged_is_forked_from_before_that(origin, tmp_path):
    status = json.loads((origin / layout.STATUS).read_text())
    (origin / layout.STATUS).write_text(json.dumps({**status, "state": "diverged"}))
    with pytest.raises(RunError, match="diverged at step 50: a fork must begin before that, not at 50"):
        create_fork(origin, 50, [], tmp_path / "forks")
    assert Run(create_fork(origin, 49, [], tmp_path)).spec.fork.step == 49


def test_a_run_without_a_checkpoint_from_before_cannot_be_forked(origin, tmp_path):
    for step in (0, 20):
        (origin / layout.CHECKPOINTS / layout.numbered(step)).unlink()
    with pytest.raises(RunError, match="has no whole checkpoint of step 39 or before"):
        create_fork(origin, 39, [], tmp_path)
    text = (origin / layout.SPEC).read_text()
    (origin / layout.SPEC).write_text(text + "\n# edited\n")
    with pytest.raises(RunError, match=r"has no whole checkpoint$"):
        create_fork(origin, None, [], tmp_path)


def test_a_fork_has_no_steps_from_before_itself(origin, tmp_path):
    fork = create_fork(origin, 35, [], tmp_path)
    save(fork, 35)
    with pytest.raises(RunError, match=f"begins at step 35, where it left {origin.name}, which has the"):
        create_fork(fork, 34, [], tmp_path)
    assert Run(create_fork(fork, 35, [], tmp_path)).spec.fork.run == fork.name


def test_links_and_sizes_of_strangers_are_not_followed_and_take_no_memory(origin, tmp_path):
    inner = origin / layout.CHECKPOINTS
    os.truncate(inner / layout.numbered(40), 1 << 40)
    (inner / layout.numbered(20)).rename(tmp_path / "elsewhere")
    (inner / layout.numbered(20)).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(inner / layout.numbered(30))
    fork = Run(create_fork(origin, 45, [], tmp_path / "forks"))
    assert load_origin(fork.path, fork.spec).checkpoint.step == 0


@pytest.mark.parametrize(
    ("name", "said"), [("a\x1b[2Jb", r"a\x1b[2Jb"), ("\x1b" * 200, (r"\x1b" * 64)[:255]), ("  ", "?")]
)
def test_a_strange_name_is_written_out(origin, tmp_path, name, said):
    strange = origin.rename(origin.with_name(name))
    assert Run(create_fork(strange, 35, [], tmp_path)).spec.fork.run == said


def test_a_spec_of_a_fork_without_an_origin_makes_a_run_of_its_own(origin, tmp_path, spec: Spec):
    fork = Run(create_fork(origin, 35, [], tmp_path)).spec
    assert Run(layout.create_run(fork, tmp_path)).spec.fork is None
