"""The tasks of other shapes draw what their definitions say, and padding changes nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seqlab.tasks.ahead import Ahead
from seqlab.tasks.generate import Generate
from seqlab.tasks.order import Order
from seqlab.tasks.parity import Parity
from seqlab.tasks.timing import Timing
from seqlab.training.network import Network, Pass
from tests.conftest import small


@given(st.integers(10, 60), st.integers(0, 50), st.integers(0, 1000))
@settings(deadline=None)
def test_order_hides_two_symbols_among_others_and_asks_for_their_order(length: int, less: int, seed: int):
    shortest = max(10, length - less)
    batch = Order(length=length, shortest=shortest).batch(0, "eval", seed, 6)
    assert batch.lengths is not None
    for b, own in enumerate(batch.lengths):
        assert shortest <= own <= length
        assert (batch.inputs[:own, b].sum(axis=1) == 1).all()
        assert not batch.inputs[own:, b].any()
        written = "".join("abcdXYEB"[at] for at in batch.inputs[:own, b].argmax(axis=1))
        assert (written[0], written[-1]) == ("E", "B")
        first, second = (step for step, sign in enumerate(written, 1) if sign in "XY")
        assert max(2, own // 10) <= first <= own // 5
        assert own // 2 <= second <= 3 * own // 5
        assert set(written) <= set("abcdXYEB")
        assert written.count("E") == written.count("B") == 1
        classes = ["XX", "XY", "YX", "YY"]
        assert classes[batch.targets[own - 1, b]] == written[first - 1] + written[second - 1]
        assert np.flatnonzero(batch.mask[:, b]).tolist() == [own - 1]


def test_order_is_experiment_6a_where_it_is_as_long():
    batch = Order(length=110, shortest=100).batch(0, "eval", 0, 2_000)
    assert batch.lengths is not None
    assert set(batch.lengths) == set(range(100, 111))
    hundred = batch.inputs[:, batch.lengths == 100]
    places = np.argwhere(hundred[:, :, 4:6].any(axis=2).T)[:, 1].reshape(-1, 2) + 1
    assert set(places[:, 0]) == set(range(10, 21))
    assert set(places[:, 1]) == set(range(50, 61))


def test_order_without_a_shortest_length_has_one_for_all():
    batch = Order(length=20).batch(0, "train", 1, 9)
    assert batch.lengths is None
    assert (batch.mask[-1] == 1).all()
    assert batch.mask.sum() == 9


@given(st.integers(1, 9), st.integers(2, 6), st.integers(0, 1000))
@settings(deadline=None)
def test_ahead_asks_for_what_comes_some_steps_later(distance: int, alphabet: int, seed: int):
    batch = Ahead(length=12, distance=distance, alphabet=alphabet).batch(0, "eval", seed, 5)
    shown = batch.inputs.argmax(axis=2)
    assert (batch.inputs.sum(axis=2) == 1).all()
    np.testing.assert_array_equal(batch.targets[:-distance], shown[distance:])
    assert (batch.mask[:-distance] == 1).all()
    assert not batch.mask[-distance:].any()


@pytest.mark.parametrize("stay", [0.0, 0.6])
def test_ahead_is_a_markov_chain_that_stays_as_often_as_it_is_told_to(stay: float):
    task = Ahead(length=20, distance=1, alphabet=3, stay=stay)
    shown = task.batch(0, "eval", 0, 20_000).inputs.argmax(axis=2)
    for before, after in itertools.product(range(3), repeat=2):
        follows = (shown[1:] == after)[shown[:-1] == before].mean()
        assert follows == pytest.approx((before == after) * stay + (1 - stay) / 3, abs=0.01)
    # What came before the present symbol says nothing more.
    known = (shown[1:-1] == 0) & (shown[:-2] == 1)
    assert (shown[2:] == 0)[known].mean() == pytest.approx(stay + (1 - stay) / 3, abs=0.01)


def test_without_staying_the_past_says_nothing():
    chance, past = Ahead(stay=0, alphabet=5).rungs()
    assert chance.value == pytest.approx(math.log(5))
    assert past.value == pytest.approx(chance.value)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
@settings(deadline=None)
def test_timing_asks_at_each_spike_for_the_time_since_the_last(shortest, more, intervals, seed):
    task = Timing(shortest=shortest, longest=shortest + more, intervals=intervals)
    batch = task.batch(0, "eval", seed, 6)
    for b in range(6):
        spikes = np.flatnonzero(batch.inputs[:, b, 0])
        assert set(np.unique(batch.inputs[:, b])) == {0, 1}
        assert spikes[0] == 0
        assert len(spikes) == intervals + 1
        assert np.flatnonzero(batch.mask[:, b]).tolist() == spikes[1:].tolist()
        told = shortest + more * batch.targets[spikes[1:], b, 0].astype(float)
        np.testing.assert_allclose(told, np.diff(spikes), atol=1e-5)


def test_timing_can_have_a_loss_wherever_intervals_can_end():
    task = Timing(shortest=3, longest=4, intervals=3)
    assert task.loss_steps().tolist() == [3, 4, 6, 7, 8, 9, 10, 11, 12]
    batch = task.batch(0, "eval", 0, 2_000)
    np.testing.assert_array_equal(np.flatnonzero(batch.mask.any(axis=1)), task.loss_steps())


@given(st.integers(2, 40), st.integers(2, 8), st.integers(0, 1000))
@settings(deadline=None)
def test_generate_tells_a_frequency_at_the_first_step_and_asks_for_its_sine(length, channels, seed):
    task = Generate(length=length, period=(5, 20), channels=channels)
    batch = task.batch(0, "eval", seed, 4)
    assert not batch.inputs[1:].any()
    np.testing.assert_allclose(batch.inputs[0].sum(axis=1), 1, rtol=1e-6)
    assert ((batch.inputs[0] > 0).sum(axis=1) <= 2).all()
    frequencies = batch.inputs[0].astype(float) @ np.linspace(1 / 20, 1 / 5, channels)
    assert ((frequencies >= 1 / 20) & (frequencies <= 1 / 5)).all()
    t = np.arange(1, length + 1)[:, None]
    np.testing.assert_allclose(batch.targets[:, :, 0], np.sin(2 * np.pi * frequencies * t), atol=1e-4)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_parity_asks_at_each_step_whether_the_ones_so_far_are_odd(length: int, seed: int):
    batch = Parity(length=length).batch(0, "eval", seed, 5)
    bits = batch.inputs.argmax(axis=2)
    for b in range(5):
        for t in range(length):
            assert batch.targets[t, b, 0] == sum(bits[: t + 1, b]) % 2
    assert (batch.inputs.sum(axis=2) == 1).all()


def test_a_logit_above_zero_says_odd():
    task = Parity(length=4)
    batch = task.batch(0, "eval", 0, 50)
    told = np.where(batch.targets > 0, 3.0, -3.0)
    assert task.correct(told, batch.targets, batch.mask) == (200, 200)
    assert task.correct(-told, batch.targets, batch.mask) == (0, 200)


@pytest.mark.parametrize(
    ("task", "fields", "words"),
    [
        (Order, {"length": 50, "shortest": 60}, "shortest: 60 should be from 10 to length = 50"),
        (Order, {"length": 50, "shortest": 9}, "shortest: 9 should be from 10 to length = 50"),
        (Ahead, {"length": 5, "distance": 5}, "distance: 5 steps ahead of the first lie beyond the end"),
        (Timing, {"shortest": 7, "longest": 7}, "shortest: 7 should be less than longest = 7"),
        (Generate, {"period": (9.0, 9.0)}, r"period: \[9.0, 9.0\] should go from a shorter to a longer one"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(task, fields, words):
    with pytest.raises(ValidationError, match=words):
        task(**fields)


MODELS = [
    {"cell": cell, "bidirectional": both, "layers": 2}
    for cell in ("rnn", "lstm", "gru", "peephole_lstm")
    for both in (False, True)
]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(map(str, model.values())))


def padded(model, precision, more=0, filler=0.0):
    """Outputs, states and loss of a batch of unequal lengths, where there are no padding, and gradients.

    Behind the end of each sequence stands `filler`, and `more` steps of it behind that of all.
    """
    spec = small({"name": "order", "length": 15, "shortest": 10}, model, precision=precision)
    network = Network(spec)
    batch = spec.task.batch(0, "train", 1, 5)
    lengths, steps = batch.lengths, 15 + more
    assert lengths is not None
    assert len(set(lengths)) > 2
    x = np.full((steps, 5, 8), filler, precision)
    mask, classes = np.zeros((steps, 5), precision), np.zeros((steps, 5), np.int64)
    mask[:15], classes[:15] = batch.mask, batch.targets
    for b, own in enumerate(lengths):
        x[:own, b] = batch.inputs[:own, b]
    work, gradients = Pass(network, 5, steps), network.empty()
    work.reset()
    y = work.forward(x, 0, lengths)
    loss = work.loss(classes, mask, 1 / 5)
    valid = np.arange(steps)[:, None] < lengths
    states = [values[valid] for layer in work.observed() for values in layer.values()]
    found = [y[valid].copy(), np.array(loss), *(state.copy() for state in states)]
    work.backward(x, gradients)
    return network, batch, found, gradients.flat


@each_model
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_padding_changes_no_bit_of_outputs_states_and_loss(model, precision):
    _, _, exact, gradient = padded(model, precision)
    for more, filler in ((0, 7.0), (4, 0.0), (3, -2.0)):
        _, _, found, other = padded(model, precision, more, filler)
        for one, two in zip(exact, found, strict=True):
            np.testing.assert_array_equal(one, two)
        assert np.linalg.norm(gradient - other) <= 1e-6 * np.linalg.norm(gradient)


@each_model
def test_padded_sequences_are_what_they_are_alone(model):
    network, batch, (y, *_), _ = padded(model, "float64")
    valid = np.arange(15)[:, None] < batch.lengths
    whole = np.zeros((15, 5, 4))
    whole[valid] = y
    for b, own in enumerate(batch.lengths):
        alone = Pass(network, 1, own)
        x = np.ascontiguousarray(batch.inputs[:own, b : b + 1], np.float64)
        np.testing.assert_allclose(alone.forward(x)[:, 0], whole[:own, b], rtol=1e-12, atol=1e-14)
