from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.claims import Verdict, combine, needed, verdicts
from seqlab.runs.layout import RunError
from seqlab.runs.run import open_run
from seqlab.runs.writer import RunWriter
from seqlab.spec import Claim, load_spec

from .conftest import SOURCE

RUNGS = [
    {"name": "constant", "label": "constant", "metric": "eval/loss", "value": 1 / 6, "measured": 0.2},
    {"name": "one", "label": "one marker", "metric": "eval/loss", "value": 1 / 12, "measured": 0.1},
]
ROWS = [
    {"step": 10, "train/loss": 0.5, "eval/loss": 0.4, "eval/accuracy": 0.1},
    {"step": 20, "train/loss": 0.3, "eval/loss": 0.05, "eval/accuracy": 0.9},
    {"step": 30, "train/loss": 0.2, "eval/loss": 0.15, "eval/accuracy": 0.7},
    {"step": 35, "train/loss": 0.1},
]


def judge(
    tmp_path: Path, claim: dict[str, Any], rows: list[dict[str, Any]] = ROWS, state: str = "finished"
) -> Verdict:
    folder = layout.create_run(load_spec({**SOURCE, "expect": [claim]}), tmp_path)
    with RunWriter(folder) as writer:
        writer.event("rungs", rungs=RUNGS)
        for row in rows:
            writer.rows(row)
        writer.set_status(state=state)
    (verdict,) = verdicts(open_run(folder))
    return verdict


@pytest.mark.parametrize(
    ("claim", "measured", "limit", "held"),
    [
        ({"metric": "eval/loss", "below": 0.2}, 0.15, "below 0.2", True),
        ({"metric": "eval/loss", "below": 0.15}, 0.15, "below 0.15", False),
        ({"metric": "eval/loss", "below": 0.06, "at": "best"}, 0.05, "below 0.06", True),
        ({"metric": "eval/accuracy", "above": 0.8}, 0.7, "above 0.8", False),
        ({"metric": "eval/accuracy", "above": 0.8, "at": "best"}, 0.9, "above 0.8", True),
        ({"metric": "train/loss", "above": 0.2}, 0.1, "above 0.2", False),
        (
            {"metric": "eval/loss", "below": {"rung": "constant", "times": 0.5}},
            0.15,
            "below 0.5 × constant = 0.1",
            False,
        ),
        ({"metric": "eval/loss", "above": {"rung": "one"}}, 0.15, "above one = 0.1", True),
        ({"state": "diverged"}, "finished", "the run ends diverged", False),
        ({"state": "finished"}, "finished", "the run ends finished", True),
    ],
)
def test_a_claim_is_judged_by_what_was_measured(
    tmp_path: Path, claim: dict[str, Any], measured: float | str, limit: str, held: bool
) -> None:
    found = judge(tmp_path, claim)
    assert (found.measured, found.limit, found.held) == (measured, limit, held)


@pytest.mark.parametrize("at", ["end", "best"])
@pytest.mark.parametrize("side", ["below", "above"])
def test_nan_infinity_and_nothing_hold_no_claim(tmp_path: Path, at: str, side: str) -> None:
    for rows in ([{"step": 1, "eval/loss": math.nan}], [{"step": 1, "eval/loss": math.inf}], []):
        found = judge(tmp_path, {"metric": "eval/loss", side: 0.5, "at": at}, rows, "diverged")
        assert not math.isfinite(found.measured)  # type: ignore[arg-type]
        assert not found.held


def test_a_run_that_was_to_diverge_and_did_holds(tmp_path: Path) -> None:
    assert judge(tmp_path, {"state": "diverged"}, ROWS, "diverged").held


def test_a_rung_that_was_not_measured_is_named(tmp_path: Path) -> None:
    claim = {"metric": "eval/loss", "below": {"rung": "constant"}}
    folder = layout.create_run(load_spec({**SOURCE, "expect": [claim]}), tmp_path)
    with pytest.raises(RunError, match="has not measured the rung 'constant' of eval/loss"):
        verdicts(open_run(folder))


@given(of=st.integers(1, 50), seeds=st.integers(1, 50), data=st.data())
def test_a_claim_for_k_of_n_asks_for_the_same_share_of_any_number_of_seeds(
    of: int, seeds: int, data: st.DataObject
) -> None:
    held = data.draw(st.integers(1, of))
    found = needed(held, of, seeds)
    assert found * of >= held * seeds > (found - 1) * of
    assert 1 <= found <= seeds
    assert needed(held, of, of) == held


def test_seeds_are_joined_claim_by_claim() -> None:
    some, every = Claim(state="diverged", seeds=(2, 3)), Claim(state="finished", seeds=(3, 3))
    runs = [
        [Verdict(some, state, "", state == "diverged"), Verdict(every, state, "", state == "finished")]
        for state in ("diverged", "finished", "diverged")
    ]
    first, second = combine(runs)
    assert (first.claim, first.holds, first.needed, first.met) == (some, 2, 2, True)
    assert (second.claim, second.holds, second.needed, second.met) == (every, 1, 3, False)
    assert combine([]) == []
