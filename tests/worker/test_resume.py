"""A run goes on from a whole checkpoint, and never begins again where it has checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.runs import layout
from seqlab.runs.run import Run
from tests.worker.conftest import copied, rows, train_here


def test_a_run_whose_checkpoints_are_all_damaged_is_left_as_it_is(steered: Run, tmp_path: Path) -> None:
    lost = copied(steered, tmp_path)
    for path in (lost.path / layout.CHECKPOINTS).glob("*.safetensors"):
        path.write_bytes(b"torn")
    for _ in range(2):  # and the run is let go of
        with pytest.raises(
            layout.RunError, match=r"none of its \d+ checkpoints is whole, so there is nothing"
        ):
            train_here(lost.path)
    assert rows(lost) == rows(steered)
    assert lost.frames == steered.frames


def test_of_several_checkpoints_a_whole_one_is_enough(steered: Run, tmp_path: Path) -> None:
    lost = copied(steered, tmp_path)
    (lost.path / layout.CHECKPOINTS / layout.numbered(60)).write_bytes(b"torn")
    assert train_here(lost.path).state == "finished"
    assert rows(lost) == rows(steered)


def test_a_run_without_any_checkpoint_begins_again(steered: Run, tmp_path: Path) -> None:
    lost = copied(steered, tmp_path, after=-1)
    assert not lost.checkpoints
    assert train_here(lost.path).state == "finished"
    assert rows(lost) == rows(steered)
