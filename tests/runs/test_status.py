"""status.json: what a worker writes comes back, and what anybody else writes does no harm."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.runs import layout, liveness
from seqlab.runs.layout import NewerFormatError
from seqlab.runs.status import MOST_STEP, Status

NUMBERS = st.floats(allow_nan=False)
GOOD = {"format": 1, "state": "training", "step": 3, "steps": 10}


@settings(max_examples=40)
@given(
    st.builds(
        Status,
        state=st.sampled_from(sorted(layout.STATES)),
        step=st.integers(0, 10**9),
        steps=st.integers(0, 10**9),
        metrics=st.dictionaries(st.text().map("eval/".__add__), NUMBERS),
        best=st.none() | st.fixed_dictionaries({"step": st.integers(0, 10**9), "eval/loss": NUMBERS}),
        rate=st.none() | NUMBERS,
        heartbeat=st.floats(0, 1e10),
        pid=st.none() | st.integers(1, 2**31),
        pid_started=st.none() | st.just("Mon Jan  1 00:00:00 2026"),
        host=st.sampled_from(["höst", "Infinity"]),
        boot_id=st.text(st.characters(categories=["L"])),
        message=st.just("disk full; „wait“"),
    )
)
def test_a_status_comes_back_as_it_was_written(status: Status) -> None:
    assert Status.from_bytes(status.to_bytes()) == status


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "Infinity", "training"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["step", "eval/loss", "state", "a/b"]) | st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=40)
@given(wild=st.dictionaries(st.sampled_from([*Status.__dataclass_fields__, "format"]), WILD))
def test_of_whatever_is_written_only_what_fits_is_taken(wild: dict[str, object]) -> None:
    refusal = ""
    try:
        status = Status.from_bytes(json.dumps({**GOOD, **wild}).encode())
    except (ValueError, NewerFormatError) as refused:
        refusal = str(refused)
    assert len(refusal) < 200
    if refusal:
        return
    assert 0 <= status.step < MOST_STEP
    assert 0 <= status.steps < MOST_STEP
    assert type(status.heartbeat) is float
    assert status.rate is None or type(status.rate) is float
    assert all("/" in name and type(value) is float for name, value in status.metrics.items())
    if status.best is not None:
        assert status.best.keys() == {"step", "eval/loss"}
        assert 0 <= status.best["step"] < MOST_STEP
        assert type(status.best["eval/loss"]) is float
    assert all(isinstance(text, str) for text in (status.host, status.boot_id, status.message))


@pytest.mark.parametrize(
    "wild",
    [
        {"heartbeat": 10**400},
        {"rate": 10**400},
        {"step": 10**400},
        {"steps": -1},
        {"step": 2**62},
        {"step": True},
        {"state": "lost"},
        {"pid": -7},
        {"metrics": []},
        {"state": ["training"]},
    ],
)
def test_a_number_that_nothing_can_count_to_is_named(wild: dict[str, object]) -> None:
    [name] = wild
    with pytest.raises(ValueError, match=rf"^{name} is "):
        Status.from_bytes(json.dumps({**GOOD, **wild}).encode())


def test_what_is_no_metric_is_left_out() -> None:
    metrics = {"eval/loss": "NaN", "train/loss": [1], "a/b": "much", "state": 3, "name": 4, "run": "x"}
    status = Status.from_bytes(json.dumps({**GOOD, "metrics": metrics, "best": {}}).encode())
    assert status.metrics.keys() == {"eval/loss"}
    assert math.isnan(status.metrics["eval/loss"])
    assert status.best is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[1]",
        b"[" * 60_000,
        b'{"format": true, "state": "training", "step": 0, "steps": 1}',
        b'{"format": 1, "state": "training"}',
        b'{"format": 1, "state": "lost", "step": 0, "steps": 1}',
        b'{"format": 1, "state": "training", "step": "0", "steps": 1}',
    ],
)
def test_what_is_no_status_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Status.from_bytes(content)


def test_a_newer_format_is_refused_by_its_number(folder: Path) -> None:
    (folder / layout.STATUS).write_text('{"format": 2, "state": "dreaming"}')
    with pytest.raises(NewerFormatError, match=rf"{folder}: status.json has format 2; .* reads format 1"):
        liveness.read_status(folder)


def test_a_later_status_takes_no_more_space_than_an_earlier_one() -> None:
    early = Status("starting", step=0, steps=10)
    late = Status(
        "training",
        step=10**9,
        steps=10**9,
        metrics={f"eval/{number}": 1 / 3 for number in range(12)},
        best={"step": 7, "eval/loss": 1 / 3},
        message="x" * 500,
    )
    assert len(early.to_bytes()) == len(late.to_bytes()) == 4096
