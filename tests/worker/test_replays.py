"""Whatever happened to a run, it can be made again from its record, with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from seqlab.runs import control, layout
from seqlab.runs.initial import read_weights
from seqlab.runs.replay import compare, create_replay
from seqlab.runs.run import Run
from seqlab.training.network import Network
from tests.conftest import small
from tests.worker.conftest import copied, rows, train_here, train_steered

SHORT = {"steps": 40, "log_every": 1, "eval_every": 7, "frame_every": 10}


def stopped(place: Path) -> Run:
    """Stopped, resumed, stopped, and resumed to beyond its end."""
    folder = layout.create_run(small(**SHORT), place)
    for step in (13, 29):
        stopped_after(folder, step)
    train_here(folder)
    return train_here(folder, steps=55)


def stopped_after(folder: Path, step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqlab.worker.job.replayed_until", lambda folder: step)
        assert train_here(folder).state == "stopped"


def early(place: Path) -> Run:
    """Stopped early, and asked to go on, which it did until it was stopped early once more."""
    stop = {"metric": "eval/loss", "patience": 2}
    spec = small(**{**SHORT, "steps": 400}, optimizer={"lr": 1e-30}, stop=stop)
    folder = layout.create_run(spec, place)
    assert train_here(folder).status.step == 21
    run = train_here(folder, steps=400)
    assert run.status.step == 35
    return run


def lost(place: Path) -> Run:
    """Lost after its end was put off, and gone on with from a checkpoint before its first end."""
    folder = layout.create_run(small(**SHORT), place)
    train_here(folder)
    run = train_here(folder, steps=60)
    again = copied(run, place, after=30)
    return train_here(again.path, steps=65)


def diverged(place: Path) -> Run:
    """Its loss is not finite at some step."""
    spec = small(
        {"name": "sine", "length": 60},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 100.0},
        **SHORT,
    )
    return train_here(layout.create_run(spec, place))


def given(place: Path) -> Run:
    """It started from weights of elsewhere."""
    save_file(Network(small(seed=9)).parameters.to_torch(), place / "w.safetensors")
    initial = read_weights(place / "w.safetensors", small(**SHORT))
    return train_here(layout.create_run(small(**SHORT), place / "runs", initial))


def solved(place: Path) -> Run:
    """A network that is solved for, of which another part was evaluated on the way."""
    spec = small({"name": "sine", "length": 12}, {"cell": "esn"}, **SHORT)
    sent = {10: ("training.eval_sequences", 5), 20: ("training.truncation", 6)}
    return train_steered(layout.create_run(spec, place), sent)


@pytest.mark.parametrize("make", [stopped, early, lost, diverged, given, solved])
def test_a_run_is_made_again_with_the_same_bits(make: Callable[[Path], Run], tmp_path: Path):
    run = make(tmp_path)
    replay = create_replay(run.path, tmp_path / "replays")
    again = train_here(replay.folder)
    assert compare(replay) is None
    assert rows(again) == rows(run)
    assert again.state == run.state
    assert again.status.step == run.status.step


def test_a_replay_of_a_run_that_was_stopped_stops_there_and_goes_on_if_it_is_asked_to(tmp_path: Path):
    folder = layout.create_run(small(**SHORT), tmp_path)
    stopped_after(folder, 17)
    replay = create_replay(folder, tmp_path)
    for _ in range(2):
        again = train_here(replay.folder)
        assert (again.state, again.status.step) == ("stopped", 17)
    assert compare(replay) is None
    assert train_here(replay.folder, steps=20).status.step == 20


def test_a_fork_that_is_stopped_before_it_begins_begins_when_it_is_resumed(steered: Run, tmp_path: Path):
    from seqlab.runs.fork import create_fork

    folder = create_fork(copied(steered, tmp_path, after=0).path, 45, [], tmp_path)
    control.send(folder, "stop")
    control.send(folder, "pause")
    fork = train_here(folder)
    assert (fork.state, fork.status.step, fork.checkpoints) == ("stopped", 0, [])
    for path in (folder / layout.CONTROL).iterdir():
        path.unlink()
    assert train_here(folder).state == "finished"
    assert rows(fork)[1:] == [row for row in rows(steered) if row["step"] > 45]
