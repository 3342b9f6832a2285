"""Every task draws what its definition says, as a pure function, and its rungs are what simulation finds."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.methods import LOSSES
from seqlab.tasks import TASKS, Task
from seqlab.tasks.adding import Adding
from seqlab.tasks.ahead import Ahead
from seqlab.tasks.base import Split, normal, numerals, uniform
from seqlab.tasks.copy import Copy
from seqlab.tasks.generate import Generate
from seqlab.tasks.mackey_glass import MackeyGlass
from seqlab.tasks.order import Order
from seqlab.tasks.sine import Sine
from seqlab.tasks.timing import Timing

tasks = st.one_of(
    st.builds(Adding, length=st.integers(2, 40)),
    st.builds(Copy, delay=st.integers(1, 12), symbols=st.integers(1, 6), alphabet=st.integers(2, 9)),
    st.builds(
        Sine,
        length=st.integers(2, 40),
        sines=st.integers(1, 3),
        period=st.tuples(st.floats(2, 10), st.floats(10, 50)),
        noise=st.floats(0, 1),
        horizon=st.integers(0, 9),
    ),
    st.builds(MackeyGlass, length=st.integers(2, 40), tau=st.integers(5, 30), horizon=st.integers(0, 9)),
    st.builds(
        Generate,
        length=st.integers(2, 40),
        period=st.tuples(st.floats(2, 10), st.floats(11, 50)),
        channels=st.integers(2, 9),
    ),
    st.builds(Order, length=st.integers(10, 40), shortest=st.sampled_from([0, 10])),
    st.builds(
        Ahead,
        length=st.integers(10, 40),
        distance=st.integers(1, 9),
        alphabet=st.integers(2, 9),
        stay=st.floats(0, 0.999),
    ),
    st.builds(Timing, shortest=st.integers(1, 5), longest=st.integers(6, 9), intervals=st.integers(1, 4)),
)
each = pytest.mark.parametrize(
    "task",
    [
        Adding(length=9),
        Copy(delay=3),
        Sine(length=9),
        MackeyGlass(length=9),
        Generate(length=9),
        Order(length=14, shortest=10),
        Ahead(length=9),
        Timing(shortest=2, longest=4),
    ],
    ids=lambda task: task.name,
)


def test_every_task_file_is_registered():
    known = [
        "adding",
        "copy",
        "sine",
        "generate",
        "mackey_glass",
        "order",
        "ahead",
        "timing",
        "reverse",
        "parity",
    ]
    assert list(TASKS) == known


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_its_shape_in_words(name: str):
    assert TASKS[name].summary.startswith(
        ("many-to-one: ", "many-to-many: ", "one-to-many: ", "encoder-decoder: ")
    )
    assert len(TASKS[name].summary) <= 46  # which is what the open list has room for


@given(tasks)
@settings(deadline=None)
def test_what_classes_there_are_has_signs(task: Task):
    signs = task.signs()
    assert (signs is not None) == (task.loss == "cross_entropy")
    if signs is not None:
        assert len(signs.inputs) == len(set(signs.inputs)) == task.features
        assert len(signs.classes) == len(set(signs.classes)) == task.outputs
        assert all(len(sign) == 1 for sign in signs.inputs)
        assert 0 <= signs.fillers < task.features


def test_numerals_do_not_end():
    signs = numerals(256)
    assert signs[:10] == (*"123456789a",)
    assert len(set(signs)) == 256
    assert all(sign.isprintable() for sign in signs)


splits = st.sampled_from(["train", "eval", "probe"])


@given(tasks, st.integers(0, 2**63 - 1), splits, st.integers(0, 2**40), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_a_batch_has_the_shapes_it_promises(task: Task, seed: int, split: Split, step: int, size: int):
    batch = task.batch(seed, split, step, size)
    assert batch.inputs.shape == (task.timesteps, size, task.features)
    assert batch.inputs.dtype == batch.mask.dtype == np.float32
    assert batch.mask.shape == (task.timesteps, size)
    if task.loss == "cross_entropy":
        assert batch.targets.shape == (task.timesteps, size)
        assert batch.targets.dtype == np.int64
        assert batch.targets.max() < task.outputs
    else:
        assert batch.targets.shape == (task.timesteps, size, task.outputs)
    assert all(array.flags.c_contiguous for array in (batch.inputs, batch.targets, batch.mask))
    runs_free = split != "train" and task.forecast_horizon > 0
    assert (batch.future is not None) == runs_free
    assert set(np.flatnonzero(batch.mask.any(axis=1))) <= set(task.loss_steps())


@each
def test_losses_stand_where_the_task_says(task: Task):
    mask = task.batch(0, "eval", 0, 500).mask
    np.testing.assert_array_equal(np.flatnonzero(mask.any(axis=1)), task.loss_steps())


@each
def test_a_batch_is_a_pure_function_of_seed_split_and_step(task: Task):
    one = task.batch(3, "train", 7, 4)
    for other in (task.batch(4, "train", 7, 4), task.batch(3, "train", 8, 4), task.batch(3, "eval", 7, 4)):
        assert not np.array_equal(one.inputs, other.inputs)


@each
def test_a_batch_is_the_same_whatever_was_drawn_before_it(task: Task):
    """A thread of its own has drawn nothing yet; training batches are drawn several at a time."""
    steps = [0, 1, 2, 3000, 3001]
    drawn = {step: task.batch(3, "train", step, 4) for step in steps}
    with ThreadPoolExecutor(1) as thread:
        for step in reversed(steps):
            again = thread.submit(task.batch, 3, "train", step, 4).result()
            np.testing.assert_array_equal(again.inputs, drawn[step].inputs)
            np.testing.assert_array_equal(again.targets, drawn[step].targets)
    assert len({drawn[step].inputs.tobytes() for step in steps}) == len(steps)


@given(st.integers(1, 500), st.integers(0, 2**40))
@settings(deadline=None)
def test_uniform_numbers_are_those_of_numpy(count: int, seed: int):
    ours, theirs = (np.random.Generator(np.random.Philox(seed)) for _ in range(2))
    np.testing.assert_array_equal(uniform(ours, count), theirs.random(count, np.float32))


def test_normal_numbers_are_normal():
    """By Kolmogorov's distance, which stays below 1.95 / sqrt(N) in 999 of 1,000 draws."""
    drawn = np.sort(normal(np.random.Generator(np.random.Philox(1)), 100_001).astype(float))
    expected = (1 + np.vectorize(math.erf)(drawn / math.sqrt(2))) / 2
    assert np.abs(expected - np.linspace(0, 1, len(drawn))).max() < 1.95 / math.sqrt(len(drawn))


@each
@pytest.mark.parametrize("split", ["eval", "probe"])
def test_held_out_data_do_not_depend_on_the_training_seed(task: Task, split):
    np.testing.assert_array_equal(task.batch(0, split, 5, 4).inputs, task.batch(9, split, 5, 4).inputs)


@given(st.integers(2, 50), st.integers(0, 1000))
@settings(deadline=None)
def test_adding_marks_one_value_in_each_half_and_asks_for_their_sum(length: int, seed: int):
    batch = Adding(length=length).batch(seed, "train", 1, 8)
    for b in range(8):
        marked = np.flatnonzero(batch.inputs[:, b, 1])
        assert len(marked) == 2
        assert marked[0] < length // 2 <= marked[1]
        assert batch.targets[-1, b, 0] == batch.inputs[marked, b, 0].sum(dtype=np.float32)
        assert batch.mask[:, b].tolist() == [0] * (length - 1) + [1]


@given(st.integers(1, 9), st.integers(1, 5), st.integers(2, 6))
@settings(deadline=None)
def test_copy_shows_symbols_then_a_marker_and_asks_for_them_back(delay: int, symbols: int, alphabet: int):
    task = Copy(delay=delay, symbols=symbols, alphabet=alphabet)
    batch = task.batch(0, "train", 1, 6)
    shown = batch.inputs.argmax(axis=2)
    assert (batch.inputs.sum(axis=2) == 1).all()
    for b in range(6):
        drawn = shown[:symbols, b]
        assert ((drawn >= 1) & (drawn <= alphabet)).all()
        blanks_and_marker = [0] * (delay - 1) + [alphabet + 1] + [0] * symbols
        assert shown[symbols:, b].tolist() == blanks_and_marker
        assert batch.targets[:, b].tolist() == [0] * (delay + symbols) + drawn.tolist()


def test_sine_targets_are_the_next_inputs_and_the_future_follows_them():
    batch = Sine(length=12, sines=2, horizon=5, noise=0.3).batch(0, "eval", 1, 3)
    np.testing.assert_array_equal(batch.targets[:-1], batch.inputs[1:])
    assert batch.future is not None
    assert batch.future.shape == (5, 3, 1)


def test_a_clean_sine_obeys_its_recurrence_to_the_end_of_the_future():
    batch = Sine(length=30, sines=1, horizon=10, noise=0).batch(0, "eval", 1, 4)
    series = np.concatenate([batch.inputs, batch.targets[-1:], batch.future]).astype(float)[:, :, 0]
    for x in series.T:
        # x_{t+1} + x_{t-1} = 2 cos ω x_t for every pure sine.
        t = np.abs(x[1:-1]) > 0.2
        ratio = (x[2:] + x[:-2])[t] / x[1:-1][t]
        np.testing.assert_allclose(ratio, ratio[0], atol=1e-4)
        period = 2 * math.pi / math.acos(ratio[0] / 2)
        assert 10 <= period <= 50


@pytest.mark.parametrize(
    "task",
    [
        Adding(length=20),
        Adding(length=2),
        Copy(),
        Copy(symbols=5, alphabet=4, delay=10),
        Copy(symbols=1, alphabet=2, delay=1),
        Sine(),
        Sine(sines=3, noise=0.2, period=(4, 9), horizon=7),
        Sine(horizon=0),
        Generate(),
        Generate(length=17, period=(2, 30), channels=2),
        Order(),
        Order(length=13, shortest=10),
        Ahead(),
        Ahead(length=9, distance=7, alphabet=3, stay=0.95),
        Ahead(distance=1, stay=0),
        Timing(),
        Timing(shortest=3, longest=7, intervals=2),
        Timing(shortest=1, longest=2),
    ],
    ids=str,
)
def test_rungs_by_formula_are_what_simulation_finds(task: Task):
    batch = task.batch(0, "eval", 0, 20_000)
    guesses = task.guesses(batch)
    assert set(guesses) == {(rung.metric, rung.name) for rung in task.rungs()}
    for rung in task.rungs():
        guess = guesses[rung.metric, rung.name]
        if rung.metric == "eval/forecast":
            measured = LOSSES["mse"].value(guess, batch.future, np.ones(guess.shape[:2]))
        else:
            measured = LOSSES[task.loss].value(guess, batch.targets, batch.mask)
        assert measured == pytest.approx(rung.value, rel=0.03, abs=1e-12), rung


def test_the_rungs_of_the_literature():
    assert [rung.value for rung in Adding().rungs()] == pytest.approx([1 / 6, 1 / 12, 0])
    for delay, loss in ((10, 0.6931), (20, 0.5199), (30, 0.4159), (100, 0.1733)):
        assert Copy(delay=delay).rungs()[1].value == pytest.approx(loss, abs=5e-5)
    assert Copy(symbols=5, alphabet=4, delay=10).rungs()[1].value == pytest.approx(0.3466, abs=5e-5)


def test_adding_is_right_within_four_hundredths():
    task = Adding(length=2)
    batch = task.batch(0, "eval", 0, 3)
    answers = batch.targets.astype(float)
    answers[-1, :, 0] += [0.039, -0.039, 0.041]
    assert task.correct(answers, batch.targets, batch.mask) == (2, 3)


def test_copy_judges_the_recalled_symbols_alone():
    task = Copy(symbols=2, alphabet=3, delay=2)
    batch = task.batch(0, "eval", 0, 5)
    answers = np.zeros((task.timesteps, 5, task.outputs))
    np.put_along_axis(answers, batch.targets[:, :, None], 1.0, axis=2)
    assert task.correct(answers, batch.targets, batch.mask) == (10, 10)
    answers[-1, :, 0] = 2.0
    assert task.correct(answers, batch.targets, batch.mask) == (5, 10)
    answers[0, :, 1] = 2.0
    assert task.correct(answers, batch.targets, batch.mask) == (5, 10)


@pytest.mark.parametrize("task", [Order(length=12, shortest=10), Ahead(length=9)], ids=str)
def test_classes_are_judged_where_they_are_asked_for(task: Task):
    batch = task.batch(0, "eval", 0, 5)
    asked = int(batch.mask.sum())
    answers = np.zeros((task.timesteps, 5, task.outputs))
    np.put_along_axis(answers, batch.targets[:, :, None], 1.0, axis=2)
    assert task.correct(answers, batch.targets, batch.mask) == (asked, asked)
    answers[batch.mask == 0] = 0
    assert task.correct(answers, batch.targets, batch.mask) == (asked, asked)
    assert task.correct(-answers, batch.targets, batch.mask) == (0, asked)


def test_timing_is_right_if_no_other_interval_is_nearer():
    task = Timing(shortest=2, longest=6, intervals=3)
    batch = task.batch(0, "eval", 0, 1)
    answers = batch.targets.astype(float)
    answers[batch.mask > 0, 0] += [0.124, -0.124, 0.126]
    assert task.correct(answers, batch.targets, batch.mask) == (2, 3)


def test_sine_has_no_single_right_answers():
    assert not Sine().judged
    with pytest.raises(TypeError, match="sine does not judge"):
        Sine().correct(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1)))
