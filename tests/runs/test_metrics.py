from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs.files import encode_row
from seqlab.runs.layout import METRICS_HEADER, NewerFormatError
from seqlab.runs.metrics import MetricsFile

Row = dict[str, float]


def naive(rows: list[Row]) -> list[Row]:
    """Rows that count: a resume drops the later ones."""
    there: list[Row] = []
    for row in rows:
        if "resumed" in row:
            there = [each for each in there if each["step"] <= row["resumed"]]
        elif not there or row["step"] > there[-1]["step"]:
            there.append(row)
    return there


def assert_same(found: MetricsFile, rows: list[Row]) -> None:
    there = naive(rows)
    assert found.rows == len(there)
    names = {name for row in there for name in row} - {"step"}
    assert found.series().keys() == names
    for name in names:
        having = [row for row in there if name in row]
        series = found.series()[name]
        assert series.steps.tolist() == [row["step"] for row in having]
        np.testing.assert_array_equal(series.values, [row[name] for row in having])


VALUES = st.floats(width=64)
ROWS = st.lists(
    st.fixed_dictionaries({"step": st.integers(0, 30)}, optional={"train/loss": VALUES, "eval/loss": VALUES})
    | st.fixed_dictionaries({"resumed": st.integers(0, 30)}),
    max_size=30,
)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_whatever_the_moments_of_looking_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    content = METRICS_HEADER + b"".join(encode_row(row) for row in rows)
    followed = MetricsFile(path)
    for cut in [*sorted(cuts), len(content)]:
        path.write_bytes(content[:cut])
        followed.poll()
        assert followed.skipped >= (content[:cut][-1:] not in (b"", b"\n"))
    assert_same(followed, rows)


@given(rows=ROWS, cut=st.integers(1, 40))
def test_a_torn_last_line_is_skipped_and_counted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], cut: int
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    torn = encode_row({"step": 31, "train/loss": 0.123456789})[:cut].rstrip(b"\n")
    path.write_bytes(METRICS_HEADER + b"".join(encode_row(row) for row in rows) + torn)
    found = MetricsFile(path)
    found.poll()
    assert_same(found, rows)
    before = found.skipped
    assert before >= 1
    with path.open("ab") as file:  # a worker that resumes closes it with a newline
        file.write(b"\n" + encode_row({"resumed": 30}) + encode_row({"step": 40}))
    found.poll()
    whole = torn.endswith(b"}")
    assert found.skipped == before - whole
    assert_same(found, [*rows, {"resumed": 30}, {"step": 40}])


def test_earlier_views_do_not_change_when_a_resume_drops_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b"".join(encode_row({"step": n, "a": n}) for n in range(1, 9)))
    found = MetricsFile(path)
    found.poll()
    before = found.series()["a"]
    with path.open("ab") as file:
        file.write(
            encode_row({"resumed": 2}) + b"".join(encode_row({"step": n, "a": -n}) for n in range(3, 20))
        )
    found.poll()
    assert before.values.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.series()["a"].values.tolist() == [1, 2, *range(-3, -20, -1)]
    with pytest.raises(ValueError, match="read-only"):
        before.values[0] = 7


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"step": 1.5}',
        b'{"step": true}',
        b'{"step": "3"}',
        b'{"step": -1}',
        b'{"step": 1' + b"0" * 400 + b"}",
        b'{"step": 5, "a": "high"}',
        b'{"step": 5, "a": null}',
        b'{"step": 5, "a": 1' + b"0" * 400 + b"}",
        b'{"resumed": "2"}',
        b"[" * 100_000,
        b"",
        b"\0" * 4096,
    ],
)
def test_a_damaged_line_costs_itself_alone_and_is_counted(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b'{"step": 1, "a": 1}\n' + line + b'\n{"step": 2, "a": 2}\n')
    found = MetricsFile(path)
    found.poll()
    assert (found.rows, found.skipped) == (2, 1)
    assert found.series()["a"].values.tolist() == [1, 2]


def test_nan_and_infinities_are_numbers_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b'{"step": 1, "a": "NaN", "b": "-Infinity", "c": true}\n')
    found = MetricsFile(path)
    found.poll()
    values = {name: series.last for name, series in found.series().items()}
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (-math.inf, 1.0)


def test_a_newer_format_is_refused_and_stays_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    found = MetricsFile(path)
    assert not found.poll()
    path.write_bytes(METRICS_HEADER[:5])
    assert not found.poll()
    path.write_bytes(b'{"format": 2}\n')
    with pytest.raises(NewerFormatError, match=r"metrics\.jsonl has format 2"):
        MetricsFile(path).poll()
    stranger = MetricsFile(path)
    for _ in range(2):  # it does not get better by looking again
        with pytest.raises(NewerFormatError):
            stranger.poll()


@pytest.mark.parametrize("first", [b'{"form', b"\xff\x00", b'{"format": "one"}', b"[1]", b""])
def test_a_damaged_first_line_is_skipped_like_any_other(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(first + b'\n{"step": 1, "a": 7}\n')
    found = MetricsFile(path)
    assert found.poll()
    assert (found.rows, found.skipped, found.series()["a"].last) == (1, 1, 7)


def test_where_the_format_line_is_gone_the_first_row_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "a": 7}\n{"step": 2, "a": 8}\n')
    found = MetricsFile(path)
    found.poll()
    assert (found.rows, found.skipped) == (2, 0)


def test_a_file_that_got_shorter_is_read_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b'{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n')
    found = MetricsFile(path)
    found.poll()
    path.write_bytes(METRICS_HEADER + b'{"step": 1, "b": 7}\n')
    assert found.poll()
    assert {name: series.values.tolist() for name, series in found.series().items()} == {"b": [7]}


def test_the_best_is_the_first_lowest_finite_eval_loss(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    losses = [3.0, math.nan, 1.0, 2.0, 1.0, -math.inf]
    path.write_bytes(
        METRICS_HEADER + b"".join(encode_row({"step": n, "eval/loss": x}) for n, x in enumerate(losses))
    )
    found = MetricsFile(path)
    assert found.best() is None
    found.poll()
    assert found.best() == {"step": 2, "eval/loss": 1.0}
    found.drop_after(1)
    assert found.best() == {"step": 0, "eval/loss": 3.0}


def test_a_series_tells_its_value_at_a_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b'{"step": 10, "a": 1}\n{"step": 20, "a": 2}\n')
    found = MetricsFile(path)
    found.poll()
    series = found.series()["a"]
    assert [series.at(10), series.at(19), series.at(20), series.at(99)] == [1, 1, 2, 2]
    assert math.isnan(series.at(9))


def test_looking_again_reads_only_what_has_come(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(METRICS_HEADER + b"".join(encode_row({"step": n, "a": n}) for n in range(100_000)))
    found = MetricsFile(path)
    found.poll()
    with path.open("r+b") as file:  # what was read is not looked at again
        file.seek(len(METRICS_HEADER))
        file.write(b"#" * 1000)
        file.seek(0, 2)
        file.write(json.dumps({"step": 100_000, "a": 7}).encode() + b"\n")
    assert found.poll()
    assert (found.rows, found.skipped) == (100_001, 0)
    assert not found.poll()
    assert found.series() is found.series()
