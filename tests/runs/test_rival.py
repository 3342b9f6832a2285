"""What stands in a run folder about its rival is checked before anything draws it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.reader import RunReader
from seqlab.runs.rival import MOST_POINTS, Rival
from seqlab.runs.run import open_run
from seqlab.runs.writer import RunWriter

FOUND: dict[str, Any] = {
    "spec": {"model": {"cell": "esn"}},
    "hidden": 200,
    "batches": 10,
    "rows": 32_000,
    "seconds": 0.41,
    "eval/loss": 0.0021,
    "eval/forecast": 0.1,
    "steps": [99, 100, 102],
    "said": [0.5, -1, 1e-40],
}


def read(folder: Path, *events: dict[str, Any]) -> tuple[Rival | None, int]:
    """What a reader makes of these events, and how many lines it skipped."""
    lines = [json.dumps({"time": 1.0, "step": 3, "event": "rival", **event}) for event in events]
    (folder / layout.EVENTS).write_text("".join(f"{line}\n" for line in lines))
    now = RunReader(folder).poll()
    return now.rival, now.skipped


def test_it_is_read_as_it_was_written(folder: Path) -> None:
    reader = RunReader(folder)
    assert reader.poll().rival is None
    with RunWriter(folder) as writer:
        writer.event("rival", **{**FOUND, "eval/loss": np.float32(0.1), "steps": np.array([99, 100, 102])})
        rival = reader.poll().rival
    assert rival is not None
    assert (rival.label, rival.batches, rival.rows, rival.seconds) == ("ESN 200", 10, 32_000, 0.41)
    assert (rival.loss, rival.forecast) == (0.1, 0.1)
    assert (rival.steps.tolist(), rival.said.tolist()) == ([99, 100, 102], [0.5, -1.0, 1e-40])
    assert rival.spec == FOUND["spec"]
    assert reader.poll().rival is rival  # not read again
    again = open_run(folder).rival
    assert again is not None
    assert again.loss == 0.1


def test_without_a_forecast_there_is_none(folder: Path) -> None:
    rival, skipped = read(folder, {name: value for name, value in FOUND.items() if name != "eval/forecast"})
    assert rival is not None
    assert (rival.forecast, skipped) == (None, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden", 0),
        ("hidden", 1e3),
        ("hidden", 10**9),
        ("batches", True),
        ("rows", -1),
        ("seconds", "Infinity"),
        ("seconds", -1.0),
        ("eval/loss", "NaN"),
        ("eval/loss", None),
        ("eval/loss", 10**400),
        ("eval/forecast", "far"),
        ("steps", [99, 99, 100]),
        ("steps", [-1, 0, 1]),
        ("steps", [1, 2]),
        ("steps", "abc"),
        ("said", ["NaN", 0, 0]),
        ("said", [1e39, 0, 0]),
        ("said", {"0": 1}),
        ("spec", "esn"),
    ],
)
def test_what_is_none_is_counted_and_the_last_good_one_stays(folder: Path, field: str, value: Any) -> None:
    rival, skipped = read(folder, FOUND, {**FOUND, "hidden": 100, field: value})
    assert rival is not None
    assert (rival.hidden, skipped) == (200, 1)


@pytest.mark.parametrize("missing", sorted(set(FOUND) - {"eval/forecast"}))
def test_every_field_is_needed(folder: Path, missing: str) -> None:
    assert read(folder, {name: value for name, value in FOUND.items() if name != missing}) == (None, 1)


@pytest.mark.parametrize("count", [0, MOST_POINTS + 1])
def test_what_it_says_is_bounded(folder: Path, count: int) -> None:
    event = {**FOUND, "steps": list(range(count)), "said": [0.0] * count}
    assert read(folder, event) == (None, 1)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(FOUND)), ANYTHING, max_size=3))
def test_nothing_in_the_event_breaks_the_reader(folder: Path, fields: dict[str, Any]) -> None:
    rival, skipped = read(folder, {**FOUND, **fields})
    assert (rival is None) == (skipped == 1)
    if rival is not None:
        assert len(rival.steps) == len(rival.said)
        assert np.isfinite([rival.loss, rival.seconds, *rival.said]).all()
