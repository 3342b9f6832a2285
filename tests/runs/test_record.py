"""What was done to a run, as its folder has it, however damaged that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.runs import layout, record
from seqlab.runs.layout import RunError
from seqlab.runs.metrics import MetricsFile
from seqlab.runs.run import Run
from seqlab.spec.steerable import STEPS, Change


def lengthened(*plans: tuple[int, int]) -> list[Change]:
    return [Change(step, STEPS, steps) for step, steps in plans]


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ([], [100]),
        (lengthened((101, 200)), [100, 200]),
        (lengthened((101, 200), (201, 300)), [100, 200, 300]),
        (lengthened((51, 200)), [200]),  # from a checkpoint before its first end
        (lengthened((101, 200), (151, 300)), [100, 300]),
        (lengthened((101, 200), (91, 300)), [300]),  # it went back before the first end
        (lengthened((61, 100)), [100]),  # stopped early, and asked to go on
        ([Change(5, STEPS, "many"), Change(7, "training.truncation", 3)], [100]),
    ],
)
def test_a_run_ends_where_it_was_planned_to_when_it_got_there(changes, ends):
    assert record.planned_ends(100, changes) == ends


def test_changes_are_read_in_the_order_in_which_they_were_made(folder: Path):
    made = [Change(9, "a", 1.5), Change(3, "b", None), Change(3, "b", "text")]
    (folder / layout.EVENTS).write_bytes(record.encode_changes(made, 0.0))
    assert record.recorded_changes(folder) == made
    assert record.changes_in(Run(folder).events) == made


@settings(max_examples=30)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.dictionaries(
            st.sampled_from(["event", "step", "field", "value"]), st.none() | st.integers()
        ).map(lambda event: json.dumps({"event": "changed", **event}).encode())
    )
)
def test_what_is_no_change_is_left_out(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("run")
    good = record.encode_changes([Change(3, "x", 1)], 0.0)
    (folder / layout.EVENTS).write_bytes(b"\n".join([*lines, b""]) + good + b'{"event": "changed", "st')
    found = record.recorded_changes(folder)
    assert found[-1] == Change(3, "x", 1)
    assert all(isinstance(change.field, str) for change in found)


def test_rows_are_those_that_the_metrics_count(folder: Path):
    lines = [
        {"step": 1, "a": 1.0},
        {"step": 2, "a": "NaN"},
        {"step": 4, "a": 3.0},
        {"resumed": 2},
        {"step": 2, "a": 7.0},
        {"step": 3, "a": 4.0},
    ]
    torn = [b'{"step": 9', b"[1]", b'{"step": true}', b"\xff"]
    content = layout.METRICS_HEADER + b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    (folder / layout.METRICS).write_bytes(content + b"\n".join(torn))
    found = record.rows(folder)
    assert {step: json.loads(line)["a"] for step, line in found.items()} == {1: 1.0, 2: "NaN", 3: 4.0}
    metrics = MetricsFile(folder / layout.METRICS)
    metrics.poll()
    assert [*found] == metrics.series()["a"].steps.tolist()


def test_an_environment_is_told_apart_by_what_bits_depend_on():
    here = {"versions": {"numpy": "2", "numba": "1"}, "cpu": "zen", "cpu_features": ["avx", "fma"]}
    there = {"versions": {"numpy": "1", "numba": "1"}, "cpu": "zen\x1b[2J", "cpu_features": ["avx", "sse"]}
    assert record.differences(here, {**here, "host": "another"}) == []
    assert record.differences(there, here) == [
        "versions: numpy 1 there, 2 here",
        r"cpu: zen\x1b[2J there, zen here",
        "cpu_features: without fma there, without sse here",
    ]
    assert record.differences({}, here)[1] == "cpu: none there, zen here"


@pytest.mark.parametrize("name", [layout.EVENTS, layout.METRICS])
def test_a_record_that_is_no_file_is_named(folder: Path, name: str):
    read = {layout.EVENTS: record.recorded_changes, layout.METRICS: record.rows}[name]
    for make in (Path.mkdir, lambda path: path.symlink_to(path)):
        make(folder / name)
        with pytest.raises(RunError, match=f"{name}: cannot be read: "):
            read(folder)
        (folder / name).rename(folder / f"old {name} {make}".replace("/", ""))


def test_of_a_long_record_everything_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seqlab.runs.tail.MOST_BYTES", 100)
    made = [Change(step, "x", 1) for step in range(50)]
    (folder / layout.EVENTS).write_bytes(record.encode_changes(made, 0.0))
    assert record.recorded_changes(folder) == made


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b" " * 2_000_000])
def test_an_environment_that_cannot_be_read_is_none(folder: Path, content: bytes):
    (folder / layout.ENV).write_bytes(content)
    assert record.environment(folder) == {}
