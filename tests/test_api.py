"""seqlab from Python: load a spec, train it, look at the run."""

import threading

import numpy as np
import pytest
from safetensors.numpy import save_file

import seqlab
from seqlab.runs.layout import RunError, create_run, list_runs
from tests.conftest import small
from tests.runs.conftest import until
from tests.worker.conftest import train_here


def test_a_spec_is_trained_and_the_run_holds_its_arrays(tmp_path):
    spec = seqlab.load_spec(small().model_dump(), ["training.steps=30"])
    run = seqlab.train(spec, out=tmp_path)
    assert run.state == "finished"
    assert run.metrics["train/loss"].values.shape == run.metrics["train/loss"].steps.shape == (30,)
    assert run.frame(-1).tensors["layer0/state/f"].shape == (10, 4)
    assert run.checkpoint().tensors["model.weight_hh_l0"].shape == (16, 4)
    again = seqlab.open_run(run.path)
    np.testing.assert_array_equal(again.metrics["eval/loss"].values, run.metrics["eval/loss"].values)


def test_a_run_can_start_from_weights_of_elsewhere(tmp_path):
    spec = small(steps=2)
    first = seqlab.train(spec, out=tmp_path)
    weights = first.checkpoint().weights
    save_file(weights, tmp_path / "w.safetensors")
    run = seqlab.train(spec, out=tmp_path, init_from=tmp_path / "w.safetensors")
    for name, value in weights.items():
        np.testing.assert_array_equal(run.checkpoint(0).weights[name], value)
    with pytest.raises(RunError, match=r"none.safetensors: cannot be read"):
        seqlab.train(spec, out=tmp_path, init_from=tmp_path / "none.safetensors")
    assert len(list_runs(tmp_path)) == 2


def test_a_run_is_forked_and_the_fork_is_returned_when_it_is_over(tmp_path):
    origin = train_here(create_run(small(), tmp_path))
    run = seqlab.fork(origin, 13, ["training.truncation=3"], out=tmp_path)
    assert (run.state, run.spec.fork.run, run.spec.fork.step) == ("finished", origin.name, 13)
    assert run.metrics["train/loss"].steps.tolist() == [*range(14, 21)]
    with pytest.raises(RunError, match="no step 21"):
        seqlab.fork(origin.name, 21, out=tmp_path)


def test_an_interrupt_stops_the_run_and_is_passed_on(tmp_path, monkeypatch):
    from seqlab.runs import follow

    def interrupted(folder, worker):
        run = seqlab.open_run(folder)
        until(lambda: run.rows > 0, 300)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(follow, "follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        seqlab.train(small(steps=10_000_000), out=tmp_path)
    run = seqlab.open_run(list_runs(tmp_path)[0])
    assert run.state == "stopped"


def test_a_run_can_be_followed_while_it_trains(tmp_path):
    spec = small(steps=3_000)
    training = threading.Thread(target=seqlab.train, args=(spec, tmp_path))
    training.start()
    until(lambda: list_runs(tmp_path), 300)
    run = seqlab.open_run(list_runs(tmp_path)[0])
    until(lambda: run.rows > 10, 300)
    assert run.wait(120) == "finished"
    training.join()


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        seqlab.open_run(tmp_path)
    with pytest.raises(AttributeError, match="nonsense"):
        seqlab.nonsense  # noqa: B018


def test_public_names_are_listed_and_there():
    for name in seqlab.__all__:
        assert getattr(seqlab, name)
        assert name in dir(seqlab)
