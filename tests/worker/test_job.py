"""A worker trains a run to its end, can be stopped, killed and steered, and ends with the same bits."""

import os
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file

from seqlab.runs import control, layout
from seqlab.runs.checkpoint import save_checkpoint
from seqlab.runs.initial import read_weights
from seqlab.runs.launch import Worker, worker_log_tail
from seqlab.runs.writer import RunWriter
from seqlab.training.network import Network
from seqlab.training.trainer import MODEL, Trainer
from tests.conftest import small
from tests.runs.conftest import until
from tests.worker.conftest import assert_same_run, copied, rows, train_here

LONG = {"steps": 10_000_000, "log_every": 5, "eval_every": 50, "frame_every": 20}
SHORT = {"steps": 120, "log_every": 7, "eval_every": 50, "frame_every": 20}


def training(run) -> bool:
    return run.state == "training" and run.rows > 0


def names(run) -> list[str]:
    return [event["event"] for event in run.events]


def test_a_run_is_trained_to_its_end_and_everything_is_written_down(start):
    run, worker = start(small(**SHORT))
    assert worker.reap(300) == 0
    assert run.state == "finished"
    assert run.status.step == 120
    assert [row["step"] for row in rows(run)] == sorted(
        {*range(7, 121, 7), 50, 100, 120, *range(20, 121, 20)}
    )
    evaluated = [row["step"] for row in rows(run) if "eval/loss" in row]
    assert evaluated == [50, 100, 120]
    assert run.frames == run.checkpoints == list(range(0, 121, 20))
    assert names(run)[:5] == ["started", "importing", "compiling", "compiled", "rungs"]
    assert names(run)[-1] == "finished"
    assert [rung.name for rung in run.rungs] == ["constant", "one", "exact"]
    assert run.env["threads"] == 1
    assert run.probe is not None
    assert run.probe["inputs"].shape == (10, 8, 2)
    assert not worker_log_tail(run.path)


def test_the_last_frame_can_be_made_again_from_the_last_checkpoint(tmp_path):
    run = train_here(
        layout.create_run(
            small({"name": "sine", "length": 12, "horizon": 3}, truncation=5, **SHORT), tmp_path
        )
    )
    trainer = Trainer(run.spec)
    checkpoint = run.checkpoint()
    trainer.network.parameters.load_torch(checkpoint.tensors, MODEL)
    assert checkpoint.step == run.frame().step == 120
    for name, value in trainer.probe.look().tensors.items():
        np.testing.assert_array_equal(run.frame().tensors[name], value)


def test_a_run_stopped_and_resumed_ends_like_one_never_interrupted(start, tmp_path):
    spec = small(
        **{**LONG, "steps": 4_000},
        loss="huber",
        optimizer={"name": "rmsprop", "momentum": 0.5},
        schedule={"kind": "cosine", "warmup": 100},
        clip={"kind": "layer", "limit": 0.1},
        l1=1e-5,
        l2=1e-4,
        gradient_noise=1e-4,
    )
    broken, first = start(spec)
    until(lambda: training(broken))
    control.send(broken.path, "stop")
    assert first.reap(300) == 0
    assert broken.state == "stopped"
    assert broken.frames[-1] == broken.checkpoints[-1] == broken.status.step < 4_000
    _, second = start(broken.path)
    assert second.reap(300) == 0
    assert "resumed" in names(broken)
    assert_same_run(train_here(layout.create_run(spec, tmp_path)), broken)


def test_pause_step_and_continue(start):
    run, worker = start(small(**LONG))
    until(lambda: training(run))
    control.touch_viewer(run.path, "me")
    control.send(run.path, "pause")
    until(lambda: run.state == "paused")
    step = run.status.step
    until(lambda: run.snapshot().frame.step == step)
    for more in (1, 2):
        control.send(run.path, "step")
        until(lambda more=more: run.state == "paused" and run.status.step == step + more)
        until(lambda more=more: run.snapshot().frame.step == step + more)
    control.send(run.path, "continue")
    until(lambda: run.status.step > step + 2)
    assert names(run).count("paused") == names(run).count("continued") == 1
    control.send(run.path, "stop")
    assert worker.reap(300) == 0


def test_a_terminated_worker_stops_with_a_checkpoint(start):
    run, worker = start(small(**LONG))
    until(lambda: training(run))
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.reap(300) == 0
    assert run.state == "stopped"
    assert run.checkpoint().step == run.frame().step == run.status.step


def test_a_worker_outlives_what_ends_terminals_and_needs_nobody_once_it_has_a_run(start):
    run, worker = start(small(**LONG))
    until(lambda: training(run))
    for change in (
        lambda: os.kill(worker.pid, signal.SIGHUP),
        lambda: os.kill(worker.pid, signal.SIGINT),
        worker.close,
    ):
        change()
        rows_before = run.rows
        until(lambda before=rows_before: run.rows > before + 10)
        assert worker.alive


def test_a_worker_on_a_folder_that_has_one_gives_way_and_names_it(start, tmp_path):
    folder = layout.create_run(small(**LONG), tmp_path)
    with RunWriter(folder):
        _, second = start(folder)
        assert second.reap(300) == 2
        assert str(os.getpid()) in second.stderr_tail()


def test_a_diverging_run_says_at_which_step_and_keeps_the_last_good_weights(tmp_path):
    spec = small(
        {"name": "sine", "length": 60},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 100.0},
        **SHORT,
    )
    run = train_here(layout.create_run(spec, tmp_path))
    assert run.state == "diverged"
    event = run.events[-1]
    assert event["event"] == "diverged"
    last = rows(run)[-1]
    assert last["step"] == event["at"] == run.checkpoint().step + 1 == run.status.step
    assert {last["train/loss"], last["train/grad_norm"]} & {"NaN", "Infinity"}
    assert f"diverged at step {event['at']}" in run.status.message
    assert all(np.isfinite(value).all() for value in run.checkpoint().tensors.values())
    train_here(run.path)
    assert run.events[-1]["at"] == event["at"]


def test_a_finished_run_is_refused_but_can_be_lengthened(tmp_path):
    run = train_here(layout.create_run(small(**SHORT), tmp_path))
    with pytest.raises(layout.RunError, match="lengthens it"):
        train_here(run.path)
    assert run.state == "finished"
    train_here(run.path, steps=200)
    whole = train_here(layout.create_run(small(**{**SHORT, "steps": 200}), tmp_path))
    longest = {row["step"]: row for row in rows(run)}
    for row in rows(whole):
        assert longest[row["step"]].items() >= row.items()
    assert (
        run.checkpoint().tensors["model.weight_hh_l0"].tobytes()
        == whole.checkpoint().tensors["model.weight_hh_l0"].tobytes()
    )


def given_weights(spec, tmp_path):
    """A run of a spec that starts from weights of another seed, and these weights."""
    other = small(**{**SHORT, "seed": 9})
    weights = Network(other).parameters.to_torch()
    save_file(weights, tmp_path / "w.safetensors")
    initial = read_weights(tmp_path / "w.safetensors", spec)
    return layout.create_run(spec, tmp_path / "runs", initial), weights


def test_a_run_begins_with_the_weights_it_was_given_again_and_again(tmp_path):
    folder, weights = given_weights(small(**SHORT), tmp_path)
    run = train_here(folder)
    for name, value in weights.items():
        assert run.checkpoint(0).weights[name].tobytes() == value.tobytes()
    again = train_here(copied(run, tmp_path, after=-1).path)
    assert names(again).count("initialised") == 2
    assert_same_run(run, again)


def test_a_run_whose_weights_are_gone_does_not_begin_with_others(tmp_path):
    folder, _ = given_weights(small(**SHORT), tmp_path)
    lost = copied(train_here(folder), tmp_path, after=-1)
    initial = lost.path / layout.INITIAL
    initial.unlink()
    run = train_here(lost.path)
    assert run.state == "failed"
    assert run.status.message == f"{initial}: is gone, and the run started from it"


def test_a_run_that_fails_says_why(start, tmp_path):
    run = copied(train_here(layout.create_run(small(**SHORT), tmp_path)), tmp_path, after=100)
    checkpoint = run.checkpoint()
    tensors = {**checkpoint.tensors, "model.readout.bias": np.zeros(7, np.float32)}
    save_checkpoint(run.path, checkpoint.step, tensors, checkpoint.metadata)
    _, worker = start(run.path)
    assert worker.reap(300) == 1
    assert run.state == "failed"
    assert "has shape" in run.status.message
    assert "Traceback" in run.events[-1]["traceback"]
    assert any("has shape" in line for line in worker_log_tail(run.path))


def test_a_run_whose_spec_was_edited_is_refused_and_left_as_it_was(tmp_path):
    run = train_here(layout.create_run(small(**SHORT), tmp_path))
    text = (run.path / layout.SPEC).read_text()
    (run.path / layout.SPEC).write_text(text.replace("seed = 0", "seed = 7"))
    with pytest.raises(layout.RunError, match="was edited after checkpoint 120"):
        train_here(run.path, steps=200)
    assert run.state == "finished"


def test_a_run_is_never_made_shorter(tmp_path):
    run = copied(train_here(layout.create_run(small(**SHORT), tmp_path)), tmp_path)
    with pytest.raises(layout.RunError, match="with N above that"):
        train_here(run.path, steps=1)
    assert run.status.step == 120


def test_under_another_loss_rungs_have_no_formula_and_are_measured(tmp_path):
    run = train_here(
        layout.create_run(small({"name": "sine", "length": 12, "horizon": 3}, loss="mae", **SHORT), tmp_path)
    )
    own, free = ([rung for rung in run.rungs if rung.metric == m] for m in ("eval/loss", "eval/forecast"))
    assert [rung.name for rung in own] == ["zero", "repeat", "clean"]
    assert [rung.value for rung in own] == [None] * 3
    batch = run.spec.task.batch(0, "eval", 0, 8)
    assert own[0].height == own[0].measured == pytest.approx(np.abs(batch.targets).mean(), rel=1e-6)
    assert all(rung.value is not None and rung.height == rung.value for rung in free)


STOPPING = small(
    **LONG,
    checkpoint_every=300,
    optimizer={"lr": 0.05},
    seed=5,
    stop={"metric": "eval/loss", "patience": 4, "min_delta": 1e-4},
)


def early_end(run) -> tuple[int, int]:
    """Where the rows of a run say that it should end, and which step was the best by then."""
    stop, seen = run.spec.training.stop, []
    mark = last = None
    for row in rows(run):
        if row["step"] % run.spec.training.eval_every == 0:
            value = float(np.float32(row["eval/loss"]))
            seen.append((value, row["step"]))
            if mark is None or mark - value > stop.min_delta:
                mark, last = value, len(seen)
            if len(seen) - last == stop.patience:
                break
    return seen[-1][1], min(seen)[1]


def test_a_run_that_improves_no_more_is_stopped_early_and_keeps_its_best_checkpoint(tmp_path):
    run = train_here(layout.create_run(STOPPING, tmp_path))
    assert run.state == "finished"
    step, best = early_end(run)
    assert rows(run)[-1]["step"] == run.status.step == run.checkpoint().step == run.frames[-1] == step
    event = run.events[-1]
    words = f"stopped early at step {step:,}: eval/loss has not improved by more than 0.0001 for 4 "
    words += "evaluations"
    assert (event["event"], event["why"], event["best"]) == ("finished", words, best)
    assert run.status.message == words
    assert best % 300
    assert run.checkpoints == sorted({*range(0, step, 300), best, step})
    again = Trainer(run.spec)
    again.restore(best, run.checkpoint(best).tensors)
    evaluated = next(row for row in rows(run) if row["step"] == best)
    assert np.float32(again.evaluate().loss) == np.float32(evaluated["eval/loss"])


def test_a_run_that_was_lost_when_it_had_been_stopped_early_goes_no_further(tmp_path):
    run = train_here(layout.create_run(STOPPING, tmp_path))
    lost = copied(run, tmp_path)
    assert_same_run(train_here(lost.path), run)
    assert (lost.state, lost.events[-1]["why"]) == ("finished", run.events[-1]["why"])


def test_a_run_stopped_early_goes_on_only_if_it_is_asked_to(tmp_path):
    spec = small(**LONG, optimizer={"lr": 1e-30}, stop={"metric": "eval/loss", "patience": 2})
    run = train_here(layout.create_run(spec, tmp_path))
    assert run.status.step == 150
    with pytest.raises(layout.RunError, match="finished at step 150"):
        train_here(run.path)
    assert train_here(run.path, steps=LONG["steps"]).status.step == 250
    assert run.events[-1]["why"].startswith("stopped early at step 250: eval/loss has not improved for 2")


def test_the_end_that_was_planned_is_none_that_came_early(tmp_path):
    spec = small(
        **{**SHORT, "steps": 150},
        optimizer={"lr": 1e-30},
        stop={"metric": "eval/accuracy", "patience": 2},
    )
    run = train_here(layout.create_run(spec, tmp_path))
    assert run.status.step == 150
    assert run.status.message == ""
    assert "why" not in run.events[-1]


def test_a_held_out_loss_that_is_not_finite_ends_the_run_as_diverged(tmp_path):
    spec = small(
        {"name": "sine", "length": 30},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 1e6},
        steps=1,
    )
    run = train_here(layout.create_run(spec, tmp_path))
    assert run.state == "diverged"
    assert "held-out loss is not finite; checkpoint 0 is good" in run.status.message
    assert rows(run)[-1]["eval/loss"] in ("Infinity", "NaN")


def test_float64_rows_keep_every_digit(tmp_path):
    run = train_here(layout.create_run(small(precision="float64", **SHORT), tmp_path))
    loss = rows(run)[-1]["train/loss"]
    assert loss != float(np.float32(loss))
    trainer = Trainer(run.spec)
    for _ in range(119):
        trainer.advance()
    assert trainer.advance().loss == loss


def test_a_warm_worker_says_what_it_does_and_measures_a_step():
    worker = Worker()
    worker.warm(small().model_dump(mode="json"))
    until(lambda: "step_ms" in worker.latest, 300)
    said = worker.states()
    assert [message["state"] for message in said] == ["importing", "compiling", "ready", "ready"]
    assert worker.latest["step_ms"] > 0
    assert worker.latest["run_seconds"] > 0
    worker.warm({"task": {"name": "adding"}, "model": {"cell": "none"}})
    until(lambda: worker.latest["state"] == "error")
    assert "'none' is not one of" in worker.latest["message"]
    worker._process.stdin.close()
    assert worker.reap(300) == 0
    worker.close()


def test_a_worker_without_a_run_goes_away_when_its_input_ends():
    worker = Worker()
    worker._process.stdin.close()
    assert worker.reap(300) == 0
    worker.close()


@pytest.mark.parametrize("threads", ["many", "0", "-1", "99999999999999"])
def test_a_number_of_threads_that_is_none_is_refused(threads, monkeypatch):
    monkeypatch.setenv("SEQLAB_THREADS", threads)
    with pytest.raises(layout.RunError, match=f"SEQLAB_THREADS is '{threads}'"):
        Worker()


def test_a_worker_whose_folder_is_gone_ends(start):
    run, worker = start(small(**LONG))
    until(lambda: training(run))
    run.path.rename(run.path.with_name("elsewhere"))
    assert worker.reap(300) == 1
