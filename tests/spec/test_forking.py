"""What a fork may change, and what it has in common with the run that it goes on from."""

from __future__ import annotations

import tomllib

import pytest

from seqlab.spec import SpecError, load_spec, to_toml
from seqlab.spec.forking import fork_of
from tests.conftest import small

CLAIMED = load_spec({**small().model_dump(), "expect": [{"metric": "eval/loss", "below": 1.0}]})
SINE = {"name": "sine", "length": 12}


def refused(*what: str, origin=small(), step: int = 5) -> list[str]:  # noqa: B008  specs are immutable
    with pytest.raises(SpecError) as error:
        fork_of(origin, "a run", step, what)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    "what",
    [
        "training.truncation=3",
        "training.optimizer.name=sgd",
        "training.schedule.kind=cosine",
        "training.clip.kind=none",
        "training.loss=mae",
        "training.update=window",
        "training.l2=0.1",
        "training.steps=50",
        "training.stop.metric=eval/loss",
        "training.eval_every=2",
        "title=another",
    ],
)
def test_what_leaves_weights_and_data_alone_may_change(what: str):
    spec = fork_of(small(), "a run", 5, [what])
    assert (spec.fork.run, spec.fork.step) == ("a run", 5)
    assert spec != fork_of(small(), "a run", 5)
    assert load_spec(tomllib.loads(to_toml(spec))) == spec


def test_dropout_may_change_for_no_weight_depends_on_it():
    assert fork_of(small(model={"layers": 2}), "a run", 5, ["model.dropout=0.5"]).model.dropout == 0.5


def test_what_does_not_is_refused_by_name_all_of_it_at_once():
    assert refused(
        "task.length=11",
        "model.hidden=5",
        "training.seed=1",
        "training.batch_size=5",
        "training.precision=float64",
        "training.steps=5",
    ) == [
        "task.length: a fork goes on with the same data, so it stays 10",
        "model.hidden: a fork goes on with the same weights, so it stays 4",
        "training.seed: a fork goes on with the same data, so it stays 0",
        "training.batch_size: a fork goes on with the same data, so it stays 4",
        "training.precision: a fork goes on with the same weights, so it stays 'float32'",
        "training.steps: 5, but the fork begins at step 5: above that",
    ]


def test_another_task_or_cell_is_refused_and_not_each_of_its_fields():
    assert refused("task.name=copy", "model.cell=gru") == [
        "task.name: a fork goes on with the same data, so it stays 'adding'",
        "model.cell: a fork goes on with the same weights, so it stays 'lstm'",
    ]


def test_what_is_no_spec_is_refused_as_ever():
    assert refused("training.truncation=-1") == [
        "-s training.truncation=-1: training.truncation: -1 is out of bounds: it must be at least 0"
    ]


def test_a_network_that_is_solved_for_has_nothing_to_go_on_with():
    (said,) = refused(origin=small(SINE, {"cell": "esn"}))
    assert said.startswith("model.cell: esn solves for its readout anew at every step")


def test_claims_are_for_whole_runs_and_a_fork_of_a_fork_names_the_nearer():
    first = fork_of(CLAIMED, "a run", 5)
    assert not first.expect
    second = fork_of(first, "another", 7)
    assert (second.fork.run, second.fork.step) == ("another", 7)


def test_a_whole_spec_may_be_given():
    wanted = small(truncation=2, steps=90)
    assert fork_of(small(), "a run", 5, wanted) == wanted.model_copy(
        update={"fork": fork_of(small(), "a run", 5).fork}
    )
