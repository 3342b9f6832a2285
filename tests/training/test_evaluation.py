"""Evaluation runs a fixed split forward, measures the rungs on it, and runs free after its end."""

import numpy as np
import pytest

from seqlab.methods import LOSSES
from seqlab.training.evaluation import CHUNK
from seqlab.training.trainer import Trainer
from tests.conftest import small
from tests.reference import network as reference

SEQUENCES = CHUNK + 5


def as_reference(trainer):
    layers = [tuple(array.astype(float) for array in layer) for layer in trainer.network.parameters.layers]
    return layers, tuple(array.astype(float) for array in trainer.network.parameters.readout)


def split(spec):
    first = spec.task.batch(0, "eval", 0, CHUNK)
    second = spec.task.batch(0, "eval", 1, SEQUENCES - CHUNK)
    return first, second


@pytest.mark.parametrize("task", [{"name": "adding", "length": 70}, {"name": "copy", "delay": 60}], ids=str)
def test_loss_and_accuracy_are_those_of_the_whole_split(task):
    spec = small(task, {"cell": "lstm"}, eval_sequences=SEQUENCES)
    trainer = Trainer(spec)
    found = trainer.evaluate()
    layers, head = as_reference(trainer)
    total = count = right = asked = 0.0
    for batch in split(spec):
        y = reference.outputs(spec.model, layers, head, batch.inputs.astype(float))
        total += LOSSES[spec.task.loss].total(y, batch.targets, batch.mask)
        count += batch.mask.sum()
        hits, questions = spec.task.correct(y, batch.targets, batch.mask)
        right, asked = right + hits, asked + questions
    assert found.loss == pytest.approx(total * spec.loss.scale(count, spec.task.outputs), rel=1e-5)
    assert found.accuracy == pytest.approx(right / asked)
    assert found.forecast is None


def test_the_forecast_feeds_on_its_own_outputs():
    spec = small({"name": "sine", "length": 12, "horizon": 4}, {"cell": "gru"}, eval_sequences=SEQUENCES)
    trainer = Trainer(spec)
    layers, head = as_reference(trainer)
    squares = []
    for batch in split(spec):
        series = batch.inputs.astype(float)
        for _ in range(4):
            next_value = reference.outputs(spec.model, layers, head, series)[-1:]
            series = np.concatenate([series, next_value])
        # The outputs after step T, T+1, …: the first is the last ordinary prediction, fed in.
        free = reference.outputs(spec.model, layers, head, series)[12:]
        squares.append((free - batch.future) ** 2)
    expected = np.concatenate(squares, axis=1).mean()
    assert trainer.evaluate().forecast == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", ["adding", "copy", "sine"])
def test_rungs_are_measured_on_the_runs_own_split(task):
    spec = small({"name": task, **({} if task == "copy" else {"length": 10})}, eval_sequences=SEQUENCES)
    measured = Trainer(spec).evaluator.rungs()
    assert [found.rung for found in measured] == list(spec.task.rungs())
    first, second = split(spec)
    for found in measured:
        key = found.rung.metric, found.rung.name
        if found.rung.metric == "eval/forecast":
            errors = [(spec.task.guesses(batch)[key] - batch.future) ** 2 for batch in (first, second)]
            expected = np.concatenate(errors, axis=1).mean()
        else:
            totals = [spec.loss.total(spec.task.guesses(b)[key], b.targets, b.mask) for b in (first, second)]
            expected = sum(totals) * spec.loss.scale(
                float(first.mask.sum() + second.mask.sum()), spec.task.outputs
            )
        assert found.measured == pytest.approx(expected, rel=1e-12)


def test_evaluation_does_not_depend_on_training_length_of_windows_or_seed():
    one = Trainer(small({"length": 70}, truncation=0, seed=1))
    other = Trainer(small({"length": 70}, truncation=9, seed=2))
    other.network.parameters.flat[:] = one.network.parameters.flat
    assert one.evaluate() == other.evaluate()


def test_long_sequences_are_run_in_smaller_chunks():
    spec = small({"name": "copy", "delay": 2_000, "alphabet": 256}, truncation=10, eval_sequences=64)
    evaluator = Trainer(spec).evaluator
    assert evaluator.chunks > 8
    assert Trainer(small(eval_sequences=2 * CHUNK)).evaluator.chunks == 2
