from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqlab.tui.palette import Charset
from seqlab.tui.widgets.raster import DOTS, Raster, bins, cell_of, extremes, position, rasterise

numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
BRAILLE_DOTS = {(0, 0): 0x01, (1, 0): 0x02, (2, 0): 0x04, (0, 1): 0x08, (1, 1): 0x10, (2, 1): 0x20, (3, 0): 0x40, (3, 1): 0x80}  # fmt: skip # noqa: E501


def dots(raster: Raster) -> np.ndarray:
    """The picture [rows*4, columns*2] behind braille glyphs, dot by dot."""
    rows, columns = raster.glyphs.shape
    picture = np.zeros((rows * 4, columns * 2), bool)
    for row, column in np.ndindex(rows, columns):
        code = int(raster.glyphs[row, column])
        bits = 0 if code == ord(" ") else code - 0x2800
        for (down, across), bit in BRAILLE_DOTS.items():
            picture[row * 4 + down, column * 2 + across] = bool(bits & bit)
    return picture


def naive_samples(y: np.ndarray, width: int, height: int, low: float, high: float) -> np.ndarray:
    """Every sample as its one dot, x spread over the width."""
    picture = np.zeros((height, width), bool)
    for index, value in enumerate(y):
        if math.isfinite(value) and low <= value <= high:
            column = round(index / max(1, len(y) - 1) * (width - 1))
            picture[height - 1 - round((value - low) / (high - low) * (height - 1)), column] = True
    return picture


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(2, 60), elements=st.integers(0, 39).map(float)),
    st.integers(1, 12),
    st.integers(1, 10),
)
def test_every_sample_has_its_dot_and_no_dot_leaves_the_range_of_the_samples(
    y: np.ndarray, columns: int, rows: int
) -> None:
    raster = rasterise([(np.arange(len(y)), y)], columns, rows, (0, len(y) - 1), (-0.5, 39.5))
    picture = dots(raster)
    height = rows * 4
    place = (height - 1) - position(y, (-0.5, 39.5), height)
    column = np.rint(position(np.arange(len(y)), (0, len(y) - 1), columns * 2)).astype(int)
    assert picture[np.rint(place).astype(int), column].all()
    lit = np.flatnonzero(picture.any(axis=1))
    assert lit.min() >= np.rint(place.min())
    assert lit.max() <= np.rint(place.max())
    assert picture.any(axis=0).all()


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.integers(2, 40), elements=st.integers(0, 31).map(float)))
def test_a_curve_without_gaps_is_connected(y: np.ndarray) -> None:
    picture = dots(rasterise([(np.arange(len(y)), y)], 8, 8, (0, len(y) - 1), (0, 31)))
    for left, right in zip(picture.T[:-1], picture.T[1:], strict=True):
        a, b = np.flatnonzero(left), np.flatnonzero(right)
        assert a.min() <= b.max() + 1
        assert b.min() <= a.max() + 1


def test_a_curve_of_one_sample_per_dot_column_is_exactly_its_samples() -> None:
    y = np.array([0, 1, 2, 3, 3, 2, 1, 0, 0, 0], float)
    picture = dots(rasterise([(np.arange(10), y)], 5, 1, (0, 9), (0, 3)))
    np.testing.assert_array_equal(picture, naive_samples(y, 10, 4, 0, 3))


@pytest.mark.parametrize("charset", ["braille", "block", "ascii"])
@pytest.mark.parametrize("spike", [0, 1, 4_999, 7_321, 9_999])
def test_a_spike_of_one_sample_survives_any_downsampling(charset: Charset, spike: int) -> None:
    y = np.zeros(10_000)
    y[spike] = 1
    raster = rasterise([(np.arange(10_000), y)], 10, 5, (0, 9_999), (0, 1), charset=charset)
    column = round(spike / 9_999 * (10 * DOTS[charset][0] - 1)) // DOTS[charset][0]
    assert (raster.owner[:, column] == 0).all()
    others = [c for c in range(10) if c not in (column - 1, column, column + 1)]
    assert (raster.owner[:3, others] == -1).all()


def test_log_positions_are_those_of_the_decades() -> None:
    np.testing.assert_allclose(position([1e-6, 1e-4, 1e-2, 1], (1e-6, 1), 7, log=True), [0, 2, 4, 6])
    assert np.isnan(position([0.0, -1.0, np.nan], (1e-6, 1), 7, log=True)).all()
    raster = rasterise([([0, 1, 2], [1e-4, 1e-2, 1])], 3, 2, (0, 2), (1e-7, 1), log=True)
    picture = dots(raster)
    assert [int(np.flatnonzero(picture[:, c])[0]) for c in (0, 5)] == [4, 0]


def test_not_finite_samples_are_gaps_and_reported() -> None:
    y = np.array([1.0, 1, np.nan, 1, 1, np.inf, 1, 1])
    raster = rasterise([(np.arange(8), y)], 8, 1, (0, 7), (0, 2))
    assert raster.gaps[0].tolist() == [2, 5]
    assert (raster.owner[0] >= 0).tolist() == [True, True, False, True, True, False, True, True]


def test_samples_without_a_place_on_a_log_axis_are_reported() -> None:
    raster = rasterise([(np.arange(4), [0.0, 1, -1, 1])], 4, 1, (0, 3), (0.1, 1), log=True)
    assert raster.nonpositive[0].tolist() == [0, 2]
    assert raster.gaps[0].tolist() == []


def test_the_later_curve_gives_a_shared_cell_its_colour() -> None:
    flat = (np.arange(8), np.zeros(8))
    raster = rasterise([flat, ([0, 3.4], [0, 0])], 4, 2, (0, 7), (0, 1))
    assert raster.owner.tolist() == [[-1] * 4, [1, 1, 0, 0]]


def test_a_thick_curve_is_one_dot_higher() -> None:
    curve = [(np.arange(4), np.zeros(4))]
    thin, thick = (rasterise(curve, 2, 1, (0, 3), (0, 1), thick=[on]) for on in (False, True))
    assert dots(thick).sum() == 2 * dots(thin).sum()


def test_a_curve_that_leaves_the_picture_is_drawn_to_its_edge() -> None:
    picture = dots(rasterise([([0, 1], [0.0, 10.0])], 4, 4, (0, 1), (0, 5)))
    assert picture[0].any()
    assert not picture[:, -1].any()


@settings(max_examples=150, deadline=None)
@given(
    arrays(np.float64, st.integers(0, 30), elements=numbers),
    st.tuples(st.integers(1, 20), st.integers(1, 6)),
    st.tuples(numbers, numbers),
    st.booleans(),
)
def test_anything_at_all_is_rasterised_without_an_error(
    y: np.ndarray, size: tuple[int, int], limits: tuple[float, float], log: bool
) -> None:
    low, high = (abs(v) if math.isfinite(v) and v else 1.0 for v in limits)
    low, high = sorted((low, high if high != low else 2 * low))
    raster = rasterise([(np.arange(y.size), y)], *size, (0, max(1, y.size - 1)), (low, high), log=log)
    assert raster.glyphs.shape == raster.owner.shape == size[::-1]
    assert ((raster.glyphs == ord(" ")) == (raster.owner == -1)).all()


@given(st.integers(1, 200), st.integers(1, 200))
def test_shares_are_near_equal_and_cell_of_finds_them(count: int, cells: int) -> None:
    starts = bins(count, cells).tolist()
    assert starts[0] == 0
    assert starts == sorted(starts)
    for index in range(count):
        cell = cell_of(index, count, cells)
        stop = [*starts, count][cell + 1]
        assert starts[cell] <= index
        assert index < stop or starts[cell] == index


@settings(deadline=None)
@given(
    arrays(np.float64, st.integers(1, 50), elements=st.floats(-10, 10)), st.integers(1, 60), st.floats(-3, 3)
)
def test_extremes_are_the_items_farthest_from_the_middle(y: np.ndarray, cells: int, middle: float) -> None:
    found = extremes(y, cells, middle)
    starts = [*bins(y.size, cells).tolist(), y.size]
    for cell in range(cells):
        share = y[starts[cell] : max(starts[cell] + 1, starts[cell + 1])]
        assert found[cell] in share
        assert abs(found[cell] - middle) == pytest.approx(np.abs(share - middle).max(), abs=1e-12)


def test_a_nan_in_a_share_is_not_hidden() -> None:
    assert np.isnan(extremes([1.0, np.nan, 2.0, 3.0], 2, 0.0)).tolist() == [True, False]
