"""Symbols in, then the same ones from the last to the first, each after the right one before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.spec import SpecError
from seqlab.tasks.reverse import Reverse
from tests.conftest import small


@given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 1000))
def test_the_decoder_is_asked_for_what_the_encoder_read_reversed(symbols: int, alphabet: int, seed: int):
    task = Reverse(symbols=symbols, alphabet=alphabet)
    batch = task.batch(0, "eval", seed, 5)
    read = batch.inputs.argmax(axis=2)
    assert (batch.inputs.sum(axis=2) == 1).all()
    assert (read[:symbols] > 0).all()
    np.testing.assert_array_equal(batch.targets[symbols:], read[:symbols][::-1] - 1)
    assert not batch.mask[:symbols].any()
    assert (batch.mask[symbols:] == 1).all()
    # Teacher forcing: a start sign, then the right answers so far.
    assert (read[symbols] == 0).all()
    np.testing.assert_array_equal(read[symbols + 1 :], batch.targets[symbols:-1] + 1)


def test_what_was_said_is_read_as_the_teacher_would_have_it():
    task = Reverse(symbols=3, alphabet=4)
    batch = task.batch(0, "eval", 0, 5)
    said = np.eye(4, dtype=np.float32)[batch.targets[3:]]
    np.testing.assert_array_equal(task.feed(said[:-1]), batch.inputs[4:])


@pytest.mark.parametrize(
    ("model", "training", "words"),
    [
        ({"bidirectional": True}, {}, "the decoder of reverse cannot read from the end"),
        ({}, {"truncation": 3}, "training.truncation: reverse has an encoder"),
        ({}, {"stride": 2, "window": 4}, "training.truncation: reverse has an encoder"),
        ({"cell": "esn"}, {}, "the loss here is cross_entropy: a task with mse"),
    ],
)
def test_what_an_encoder_and_a_decoder_cannot_be_is_refused(model, training, words):
    with pytest.raises(SpecError, match=words):
        small({"name": "reverse"}, model, **training)


def test_attention_needs_something_to_look_back_at():
    with pytest.raises(SpecError, match=r"adding has no encoder to look back at.*\(reverse\)"):
        small({"name": "adding"}, {"attention": True})
