from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqlab.tui.widgets.spark import spark


def test_heights_rise_with_values() -> None:
    assert spark(range(8), 8) == "▁▂▃▄▅▆▇█"
    assert spark([10.0**-k for k in range(7, -1, -1)], 8, log=True) == "▁▂▃▄▅▆▇█"
    assert spark(range(8), 8, charset="ascii").isascii()


@settings(deadline=None)
@given(arrays(np.float64, st.integers(2, 300), elements=st.floats(-1e6, 1e6)), st.integers(1, 80))
def test_the_greatest_or_least_value_is_always_in_sight(y: np.ndarray, width: int) -> None:
    text = spark(y, width)
    assert len(text) == width
    if y.max() > y.min() + 1e-6:
        assert "█" in text or "▁" in text


def test_one_spike_among_thousands_survives() -> None:
    y = np.zeros(5_000)
    y[1_234] = 1
    assert spark(y, 20).count("█") == 1


def test_limits_hold_the_scale() -> None:
    assert spark([0.5], 1, limits=(0, 1)) == "▅"
    assert spark([7.0], 1, limits=(0, 1)) == "█"


def test_what_is_not_finite_is_marked_and_what_has_no_logarithm_left_blank() -> None:
    assert spark([1, np.nan, 1, np.inf], 4) == "▅×▅×"
    assert spark([1.0, 0.0, 10.0], 3, log=True) == "▁ █"


def test_a_value_is_seen_beside_one_without_a_height() -> None:
    assert spark([0.0, 10.0, 0.0, 1.0], 2, log=True) == "█▁"


@pytest.mark.parametrize(("values", "width"), [([], 5), ([1.0], 0), ([1.0], -1)])
def test_nothing_is_drawn_from_nothing(values: list[float], width: int) -> None:
    assert spark(values, width) == ""


def test_constant_and_huge_values_are_drawn() -> None:
    assert spark([3.0] * 4, 4) == "▅▅▅▅"
    assert spark([-1.7e308, 1.7e308], 2) == "▁█"
    assert spark([np.nan, np.nan], 2) == "××"
