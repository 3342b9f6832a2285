"""Directions, residual connections and dropout: what is between layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.training.joints import backwards, dropout_masks, turn
from seqlab.training.network import Network, Pass
from seqlab.training.trainer import Trainer
from tests.conftest import small


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 4))
def test_turning_reverses_each_sequence_up_to_its_end_and_twice_is_the_original(lengths, padding):
    timesteps = max(lengths) + padding
    order = backwards(np.array(lengths), timesteps)
    x = np.arange(timesteps * len(lengths) * 2.0).reshape(timesteps, len(lengths), 2)
    turned = turn(x, np.empty_like(x), order)
    for b, length in enumerate(lengths):
        assert (turned[:length, b] == x[:length, b][::-1]).all()
        assert (turned[length:, b] == x[length:, b]).all()
    assert (turn(turned, np.empty_like(x), order) == x).all()


def test_without_lengths_all_sequences_are_turned_whole():
    x = np.arange(12.0).reshape(3, 2, 2)
    assert (turn(x, np.empty_like(x), backwards(None, 3)) == x[::-1]).all()


def test_a_mask_is_a_function_of_seed_and_step_and_scales_what_it_keeps():
    spec = small({}, {"layers": 3, "hidden": 40, "dropout": 0.25}, batch_size=50)
    first, again, later = (dropout_masks(spec, step) for step in (7, 7, 8))
    assert [mask.shape for mask in first] == [(50, 40)] * 2
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, later, strict=True))
    for mask in first:
        assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}
        assert 0.7 < (mask > 0).mean() < 0.8
    assert dropout_masks(small(), 7) is None


def test_dropout_is_on_in_training_and_off_in_evaluation_and_the_probe():
    spec = small({}, {"layers": 2, "dropout": 0.5})
    with_dropout, without = Trainer(spec), Trainer(small({}, {"layers": 2}))
    assert with_dropout.evaluate() == without.evaluate()
    seen = [trainer.probe.look().tensors["outputs"] for trainer in (with_dropout, without)]
    assert (seen[0] == seen[1]).all()
    assert with_dropout.advance().loss != without.advance().loss


def test_a_residual_layer_adds_its_input_where_widths_agree():
    spec = small({"name": "copy", "delay": 3, "alphabet": 2}, {"cell": "rnn", "layers": 2, "residual": True})
    network = Network(spec)  # 4 features and 4 units
    x = spec.task.batch(0, "train", 1, 3).inputs
    work = Pass(network, 3, len(x))
    work.forward(x)
    lower, upper = work.observed()
    V, d = network.parameters.readout
    expected = (x + lower["h"] + upper["h"]) @ V + d
    np.testing.assert_allclose(work.outputs(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_bit_of_a_joined_network(threads):
    model = {"hidden": 64, "layers": 2, "dropout": 0.3, "bidirectional": True, "residual": True}
    spec = small({"length": 100}, model, batch_size=32)
    trainer = Trainer(spec, threads)
    assert len(trainer.passes) == 2
    found = [trainer.advance().loss for _ in range(2)]
    trainer.close()
    alone = Trainer(spec)
    assert found == [alone.advance().loss for _ in range(2)]
    assert (trainer.network.parameters.flat == alone.network.parameters.flat).all()


def test_gates_and_states_of_both_directions_are_observed_by_name_in_the_order_of_time():
    spec = small({"length": 6}, {"cell": "gru", "bidirectional": True})
    network = Network(spec)
    x = spec.task.batch(0, "train", 1, 3).inputs
    work = Pass(network, 3, len(x))
    work.forward(x)
    (seen,) = work.observed()
    assert list(seen) == [state.name for state in spec.model.shown(0)]
    # The backward direction alone, on reversed inputs, with the weights of the second part.
    forward = small({"length": 6}, {"cell": "gru"})
    alone = Network(forward)
    for name, value in network.parameters.named[1].items():
        alone.parameters.named[0][name][...] = value
    other = Pass(alone, 3, len(x))
    other.forward(np.ascontiguousarray(x[::-1]))
    np.testing.assert_array_equal(seen["h_reverse"], other.observed()[0]["h"][::-1])
