"""What can be changed while a run trains, by the rules of its own spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.spec import Spec, SpecError
from seqlab.spec.steerable import STEERABLE, STEPS, Change, acting, changed, steerable, value_of, with_changes
from tests.conftest import small

ESN = {"cell": "esn"}
SINE = {"name": "sine", "length": 12}


def test_every_field_that_can_be_changed_is_one_of_the_spec_and_has_a_name():
    for field, each in STEERABLE.items():
        assert value_of(small(), field) is not None
        assert each.field == field == ".".join(each.path)
        assert each.label
        assert len(each.short) <= 10


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (small(), set(STEERABLE)),
        (small(clip={"kind": "none"}), set(STEERABLE) - {"training.clip.limit"}),
        (small(SINE, ESN), {"training.truncation", "training.eval_sequences"}),
    ],
    ids=["all", "no clip", "esn"],
)
def test_only_what_a_run_has_and_makes_use_of_can_be_changed(spec: Spec, fields: set[str]):
    assert {each.field for each in steerable(spec)} == fields


@pytest.mark.parametrize(
    ("spec", "field", "value", "said"),
    [
        (small(), "training.optimizer.lr", -1.0, "-1.0 is out of bounds: it must be above 0"),
        (small(), "training.optimizer.lr", "fast", "'fast' is not a number"),
        (small(), "training.optimizer.lr", None, "None is not a number"),
        (small(), "training.truncation", 2.5, "2.5 is not an integer"),
        (small(), "training.eval_sequences", 0, "0 is out of bounds: it must be at least 1"),
        (small(), "training.clip.limit", {"a": 1}, "is not a number"),
        (small(), "training.batch_size", 8, "cannot be changed while a run trains; training.optimizer.lr, "),
        (small(clip={"kind": "none"}), "training.clip.limit", 1.0, "clip = none has no such thing"),
        (small(SINE, ESN), "training.optimizer.lr", 1.0, "esn solves for its readout"),
        (small(model={"bidirectional": True}), "training.truncation", 5, "cannot be cut into windows"),
        (small({"name": "reverse"}), "training.truncation", 5, "reverse has an encoder"),
        (small(stride=2, window=4), "training.truncation", 5, "truncation is stride = window in one"),
        (
            small(schedule={"kind": "cosine", "lr_min": 1e-4}),
            "training.optimizer.lr",
            1e-5,
            "0.0001 is above the learning rate",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_the_words_of_the_spec(spec, field, value, said):
    with pytest.raises(SpecError, match=said.replace("(", r"\(")):
        changed(spec, field, value)


def test_a_change_acts_from_its_step_on_and_leaves_the_rest_as_it_is():
    spec = small()
    changes = [Change(7, "training.truncation", 5), Change(3, "training.optimizer.lr", 0.5)]
    assert with_changes(spec, changes, 2) is spec
    assert with_changes(spec, changes, 3) == changed(spec, "training.optimizer.lr", 0.5)
    both = with_changes(spec, changes, 7)
    assert (both.training.truncation, both.training.optimizer.lr) == (5, 0.5)
    data = both.model_dump() | {"training": spec.training.model_dump()}
    assert data == spec.model_dump()


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0.001, 10.0))), st.integers(0, 10))
def test_the_latest_of_several_changes_counts_but_for_those_that_were_taken_back(made, step):
    changes = [Change(at, "training.optimizer.lr", value) for at, value in made]
    expected = small().training.optimizer.lr
    for at in range(step + 1):
        for number, change in enumerate(changes):
            taken_back = any(later.step <= change.step for later in changes[number + 1 :])
            if change.step == at and not taken_back:
                expected = change.value
    assert with_changes(small(), changes, step).training.optimizer.lr == expected


def test_a_change_to_one_field_takes_back_none_to_another():
    changes = [Change(9, "training.truncation", 5), Change(3, "training.optimizer.lr", 0.5)]
    assert acting(changes, 9) == {"training.truncation": 5, "training.optimizer.lr": 0.5}


def test_lengthening_a_run_changes_nothing_that_is_in_force():
    assert with_changes(small(), [Change(3, STEPS, 900)], 5) == small()


def test_a_record_that_makes_no_spec_is_refused():
    with pytest.raises(SpecError, match=r"training.truncation: -4 is out of bounds"):
        with_changes(small(), [Change(3, "training.truncation", -4)], 3)
