"""Early stopping: when it strikes, which step was the best, and that a run that goes on decides the same."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.spec.schema import Stop
from seqlab.worker.stopping import Stopping

values = st.one_of(st.integers(0, 6).map(float), st.floats(0, 10), st.just(math.nan), st.just(math.inf))


def naive(seen: list[float], patience: int, min_delta: float, upwards: bool) -> tuple[int | None, int | None]:
    """At which evaluation it strikes, and which was the best by then, from 0; None if never, or none."""
    seen = [math.nan if math.isinf(value) else value for value in seen]
    losses = [-value if upwards else value for value in seen]
    mark, last = math.inf, -1
    struck = None
    for number, loss in enumerate(losses):
        if mark - loss > min_delta:
            mark, last = loss, number
        if number - last == patience:
            struck = number
            break
    until = len(losses) if struck is None else struck + 1
    finite = [loss for loss in losses[:until] if not math.isnan(loss)]
    return struck, losses.index(min(finite)) if finite else None


@given(
    seen=st.lists(values, max_size=25),
    patience=st.integers(1, 5),
    min_delta=st.sampled_from([0.0, 0.5, 2.0]),
    metric=st.sampled_from(["eval/loss", "eval/accuracy"]),
    left=st.integers(0, 25),
)
def test_it_strikes_and_finds_the_best_as_the_naive_rule_does_also_if_the_run_was_left(
    seen: list[float], patience: int, min_delta: float, metric: str, left: int
):
    stop = Stop(metric=metric, patience=patience, min_delta=min_delta)
    stopping, struck, best = Stopping(stop), None, None
    for number, value in enumerate(seen):
        if number == left:  # through the metadata of a checkpoint
            stopping = Stopping(stop, json.loads(json.dumps(stopping.state())))
        if stopping.look(100 * number, value):
            best = number
        if stopping.struck:
            struck = number
            break
    assert (struck, best) == naive(seen, patience, min_delta, metric == "eval/accuracy")
    assert stopping.best_step == (None if best is None else 100 * best)


def test_off_it_never_strikes():
    stopping = Stopping(Stop(patience=1))
    for step in range(5):
        stopping.look(step, 1.0)
    assert not stopping.struck


def test_a_slow_creep_is_the_best_so_far_and_yet_no_improvement():
    stopping = Stopping(Stop(metric="eval/loss", patience=3, min_delta=0.5))
    assert [stopping.look(step, 1 - 0.1 * step) for step in range(4)] == [True] * 4
    assert stopping.struck
    assert stopping.best_step == 3


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ({"patience": 1}, "stopped early at step 1,000: eval/loss has not improved for 1 evaluation"),
        (
            {"patience": 2, "min_delta": 0.25},
            "stopped early at step 1,000: eval/loss has not improved by more than 0.25 for 2 evaluations",
        ),
    ],
)
def test_it_says_what_has_not_improved_and_for_how_long(stop: dict[str, float], words: str):
    stopping = Stopping(Stop.model_validate({"metric": "eval/loss", **stop}))
    while not stopping.struck:
        stopping.look(0, 1.0)
    assert stopping.in_words(1_000) == words


def test_renewed_it_waits_anew_for_something_better_than_before():
    stopping = Stopping(Stop(metric="eval/loss", patience=2))
    for step, value in enumerate([1.0, 2.0, 2.0]):
        stopping.look(step, value)
    assert stopping.struck
    stopping.renew()
    assert not stopping.struck
    assert not stopping.look(3, 1.5)
    assert stopping.look(4, 0.5)
    assert stopping.waited == 0
