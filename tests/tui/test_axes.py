from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seqlab.tui.widgets.axes import (
    Ticks,
    linear_limits,
    linear_ticks,
    log_limits,
    log_ticks,
    number,
    sequence_ticks,
)

large = st.floats(-1e300, 1e300)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1 / 6, "0.1667"), (0.0007, "0.0007"), (24_600, "24,600"), (1234.56, "1,235"), (5, "5"),
        (3e-7, "3e-7"), (1.23456e-7, "1.235e-7"), (-0.5, "-0.5"), (-12_345, "-12,340"), (1.2e9, "1.2e9"),
        (9_999_500, "1e7"), (0.00009999999, "0.0001"), (float("nan"), "NaN"), (float("inf"), "∞"),
        (float("-inf"), "-∞"), (1e-300, "1e-300"), (100, "100"), (-0.0, "0"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_lab_writes_them(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e308, 1e308))
def test_numbers_keep_four_significant_digits(value: float) -> None:
    text = number(value)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=5.1e-4, abs=5e-324)
    digits = text.split("e")[0].replace(",", "").replace("-", "").replace(".", "").lstrip("0").rstrip("0")
    assert len(digits) <= 4


def test_linear_ticks_stand_at_round_numbers() -> None:
    assert linear_ticks((0, 0.2), 5) == Ticks((0.0, 0.05, 0.1, 0.15000000000000002, 0.2), ("0.00", "0.05", "0.10", "0.15", "0.20"))  # fmt: skip # noqa: E501
    assert linear_ticks((0, 1300), 4, whole=True).labels == ("0", "500", "1,000")
    assert linear_ticks((-1, 1), 3).labels == ("-1", "0", "1")
    assert linear_ticks((0, 3), 10, whole=True).labels == ("0", "1", "2", "3")
    assert linear_ticks((0, 2e-300), 3).labels == ("0", "1e-300", "2e-300")


@given(large, large, st.integers(1, 8))
def test_linear_ticks_are_few_distinct_and_inside(a: float, b: float, most: int) -> None:
    low, high = sorted((a, b))
    assume(low < high and high - low > 1e-9 * max(abs(low), abs(high)) and high - low > 1e-290)
    ticks = linear_ticks((low, high), most)
    slack = 1e-6 * (high / 2 - low / 2) * 2 if high < 1e300 else 1e302
    assert len(ticks.values) <= most
    assert len(set(ticks.labels)) == len(ticks.labels) == len(ticks.values)
    assert all(low - slack <= value <= high + slack for value in ticks.values)
    assert list(ticks.values) == sorted(ticks.values)


@given(st.lists(st.floats(), max_size=20), st.integers(2, 8))
def test_linear_limits_hold_all_finite_values(values: list[float], most: int) -> None:
    limits = linear_limits(values, most)
    known = [min(max(v, -1e300), 1e300) for v in values if math.isfinite(v)]
    if not known:
        assert limits is None
        return
    assert limits is not None
    low, high = limits
    slack = 1e-6 * (high / 2 - low / 2)
    assert low < high
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low - slack <= min(known)
    assert max(known) <= high + slack


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 0.1667, 1e-300, 1e300, -1e300, 12_345.678])
def test_constant_data_get_an_extent_with_ticks_that_differ(value: float) -> None:
    limits = linear_limits([value, value])
    assert limits is not None
    ticks = linear_ticks(limits)
    assert limits[0] < limits[1]
    assert limits[0] <= value <= limits[1]
    assert len(set(ticks.labels)) == len(ticks.labels) >= 2


def test_limits_stay_while_data_move_between_ticks() -> None:
    assert linear_limits([0.02, 0.187]) == linear_limits([0.03, 0.171])
    assert log_limits([2e-5, 0.3]) == log_limits([8e-5, 0.7])


def test_limits_keep_what_is_named_in_sight() -> None:
    assert linear_limits([0.5], include=[0.0, 1.0]) == (0.0, 1.0)
    limits = log_limits([1.0, 2.0], include=[1e-3, 0.0])
    assert limits == pytest.approx((1e-3, 10))


@given(st.lists(st.floats(), max_size=20))
def test_log_limits_hold_all_positive_values(values: list[float]) -> None:
    limits = log_limits(values)
    known = [min(max(v, 1e-300), 1e300) for v in values if math.isfinite(v) and v > 0]
    if not known:
        assert limits is None
        return
    assert limits is not None
    low, high = limits
    assert 0 < low < high < math.inf
    assert low <= min(known) * (1 + 1e-6)
    assert max(known) <= high * (1 + 1e-6)
    ticks = log_ticks(limits)
    assert 1 <= len(ticks.values) <= 5
    assert len(set(ticks.labels)) == len(ticks.labels)


def test_log_ticks_stand_at_decades_thinned_evenly() -> None:
    assert log_ticks((1e-7, 1), 4).labels == ("1e-6", "1e-4", "1e-2", "1e0")
    assert log_ticks((0.001, 1), 5).labels == ("0.001", "0.01", "0.1", "1")
    assert log_ticks((0.1, 0.5), 5).labels == ("0.1", "0.2", "0.5")
    assert log_ticks((1e-300, 1e300), 5).values[-1] == 1e300


@pytest.mark.parametrize("limits", [(0.0, 0.0), (1.0, 0.0), (math.nan, 1.0), (0.0, math.inf)])
def test_no_ticks_without_an_extent(limits: tuple[float, float]) -> None:
    assert linear_ticks(limits) == Ticks()
    assert log_ticks(limits) == Ticks()


def test_sequence_ticks_name_both_ends() -> None:
    assert sequence_ticks(100, 5).labels == ("1", "25", "50", "75", "100")
    assert sequence_ticks(1_000, 3).labels == ("1", "500", "1,000")
    assert sequence_ticks(1, 5).labels == ("1",)
    assert sequence_ticks(2, 5).labels == ("1", "2")


@given(st.integers(2, 100_000), st.integers(2, 12))
def test_sequence_ticks_are_few_and_rising(length: int, most: int) -> None:
    values = sequence_ticks(length, most).values
    assert len(values) <= most
    assert values[0] == 1
    assert values[-1] == length
    assert all(np.diff(values) > 0)
