"""A replay is held against its run bit by bit, and the first difference is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.checkpoint import load_checkpoint, save_checkpoint
from seqlab.runs.layout import RunError
from seqlab.runs.replay import Difference, Replay, compare, create_replay
from seqlab.spec import Spec

ROWS = [{"step": step, "wall": 0.1, "train/loss": 0.5 / step, "eval/loss": "NaN"} for step in range(1, 6)]
TENSORS = {"model.w": np.arange(6, dtype=np.float32).reshape(2, 3), "optimizer.n": np.array([5])}


def write(folder: Path, rows: list[dict], tensors: dict, step: int = 5) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / layout.METRICS).write_bytes(layout.METRICS_HEADER + lines.encode())
    save_checkpoint(folder, step, tensors, {"digest": layout.spec_digest(folder)})


def state(folder: Path, name: str, step: int) -> None:
    status = json.loads((folder / layout.STATUS).read_text())
    (folder / layout.STATUS).write_text(json.dumps({**status, "state": name, "step": step}))


@pytest.fixture
def replay(folder: Path, tmp_path: Path) -> Replay:
    write(folder, ROWS, TENSORS)
    state(folder, "finished", 5)
    made = create_replay(folder, tmp_path / "replays")
    write(made.folder, [{**row, "wall": 9.0} for row in ROWS], TENSORS)
    return made


def test_the_time_that_steps_took_makes_no_difference(replay: Replay):
    assert compare(replay) is None
    assert (replay.until, len(replay.rows), replay.left) == (5, 5, 0)


@pytest.mark.parametrize(
    ("changed", "difference", "words"),
    [
        (
            {"train/loss": 0.25000000000000006},
            Difference(2, "train/loss", 0.25, 0.25000000000000006),
            "step 2: train/loss is 0.25 in the run, 0.25000000000000006 in the replay",
        ),
        (
            {"a\x1b[2J": 1},
            Difference(2, "a\x1b[2J", None, 1),
            r"step 2: a\x1b[2J is nothing in the run, 1 in the replay",
        ),
        ({"eval/loss": 0.1}, Difference(2, "eval/loss", "NaN", 0.1), "NaN in the run, 0.1 in the replay"),
    ],
)
def test_the_first_field_that_differs_is_named_with_both_values(replay, changed, difference, words):
    write(replay.folder, [ROWS[0], {**ROWS[1], **changed}, {**ROWS[2], **changed}, *ROWS[3:]], TENSORS)
    found = compare(replay)
    assert found == difference
    assert words in str(found)


@pytest.mark.parametrize(
    ("rows", "step", "words"),
    [(ROWS[:3], 4, "the replay has no row"), ([*ROWS, {**ROWS[4], "step": 6}], 6, "the run has no row")],
)
def test_a_row_that_only_one_has_is_a_difference(replay, rows, step, words):
    write(replay.folder, rows, TENSORS)
    assert str(compare(replay)) == f"step {step}: {words}"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"model.w": np.float32([[0, 1, 2], [3, -4, 5]])}, "model.w[1, 1] is 4.0 in the run, -4.0 in the"),
        ({"model.w": np.float32([[-0.0, 1, 2], [3, 4, 5]])}, "model.w[0, 0] is 0.0 in the run, -0.0 in the"),
        ({"model.w": np.arange(6.0).reshape(2, 3)}, "model.w is float32 [2, 3] in the run, float64 [2, 3]"),
        ({"optimizer.n": np.array([6])}, "optimizer.n[0] is 5 in the run, 6 in the replay"),
        ({"more": np.array([6])}, "more is nothing in the run, int64 [1] in the replay"),
    ],
)
def test_the_first_number_that_differs_in_a_bit_is_named(replay, tensors, said):
    write(replay.folder, ROWS, {**TENSORS, **tensors})
    assert str(compare(replay)).startswith(f"step 5: {said}")


def test_a_replay_without_the_checkpoint_differs(replay: Replay):
    (replay.folder / layout.CHECKPOINTS / layout.numbered(5)).unlink()
    assert "has no checkpoint of step 5" in str(compare(replay))


@pytest.mark.parametrize("name", ["training", "failed", "stopped"])
def test_a_run_is_made_again_up_to_its_latest_checkpoint(folder: Path, tmp_path: Path, name: str):
    write(folder, ROWS, TENSORS, step=3)
    state(folder, name, 5)
    made = create_replay(folder, tmp_path / "replays")
    assert (made.until, [*made.rows], made.left) == (3, [1, 2, 3], 2)


def test_a_run_that_diverged_is_made_again_up_to_the_step_that_went_wrong(folder: Path, tmp_path: Path):
    write(folder, ROWS, TENSORS, step=4)
    state(folder, "diverged", 5)
    made = create_replay(folder, tmp_path / "replays")
    assert (made.until, len(made.rows), made.checkpoint.step) == (5, 5, 4)


def test_what_cannot_be_made_again_is_refused_and_nothing_is_made(folder: Path, spec: Spec, tmp_path: Path):
    with pytest.raises(RunError, match="has no checkpoint"):
        create_replay(folder, tmp_path / "replays")
    write(folder, ROWS, TENSORS)
    (folder / layout.SPEC).write_text((folder / layout.SPEC).read_text() + "\n# edited\n")
    with pytest.raises(RunError, match=r"spec.toml was edited after checkpoint 5"):
        create_replay(folder, tmp_path / "replays")
    assert not (tmp_path / "replays").exists()


def test_a_checkpoint_that_is_too_large_for_the_network_is_not_read(folder: Path, tmp_path: Path):
    write(folder, ROWS, TENSORS)
    with (folder / layout.CHECKPOINTS / layout.numbered(5)).open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match="has no whole checkpoint"):
        create_replay(folder, tmp_path / "replays")
    with pytest.raises(RunError, match="is damaged: longer than 4294967296 bytes"):
        load_checkpoint(folder, 5)
