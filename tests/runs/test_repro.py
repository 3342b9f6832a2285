"""The command that trains a run again says what the run did."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from seqlab.runs.repro import repro_command
from seqlab.spec import load_spec

FOLDER = Path("a run")


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.seed=7"],
        ["training.optimizer.name=sgd", "training.optimizer.lr=0.25", "task.length=33", "model.layers=2"],
        ["task.name=copy", "training.clip.kind=none"],
    ],
    ids=str,
)
def test_it_gives_the_same_spec(overrides: list[str]) -> None:
    spec = load_spec("adding-lstm", overrides)
    _, command, preset, *words = shlex.split(repro_command(spec, FOLDER))
    assert (command, preset) == ("run", "adding-lstm")
    assert load_spec(preset, words[1::2]) == spec


def test_a_run_of_no_preset_is_replayed_from_its_folder() -> None:
    spec = load_spec("adding-lstm").model_copy(update={"title": "my own"})
    assert repro_command(spec, FOLDER) == "seqlab replay 'a run'"


def test_so_is_one_that_was_changed_on_the_way() -> None:
    assert repro_command(load_spec("adding-lstm"), FOLDER, as_planned=False) == "seqlab replay 'a run'"
