"""The float32 activations, swept. One compiled loop judges them against the library's float64 functions."""

import math

import numba
import numpy as np
import pytest

from benchmarks import fit_tanh
from seqlab.kernels.activations import sigmoid, tanh
from seqlab.kernels.jit import FLAGS

INFINITY_BITS = 0x7F800000  # float32 numbers ≥ 0 are those with smaller bits, in their order
SIGN_BIT = 0x80000000


@numba.njit(**FLAGS)
def tanh_row(x, y):
    for k in range(x.size):
        y[k] = tanh(x[k])


@numba.njit(**FLAGS)
def sigmoid_row(x, y):
    for k in range(x.size):
        y[k] = sigmoid(x[k])


@numba.njit
def exact_values(x):
    """tanh and σ of a float64, to far beyond float32; the ends by series, for speed."""
    if abs(x) < 1e-4:
        return x - x * x * x / 3, 0.5 + x / 4
    if abs(x) > 40:
        return math.copysign(1.0, x), 1.0 if x > 0 else 0.0
    return math.tanh(x), 1 / (1 + math.exp(-x))


@numba.njit
def worst(x, tanh_x, sigmoid_x):
    """The largest error of tanh in units in the last place, absolutely, its largest size; that of sigmoid."""
    units = absolute = largest = absolute_sigmoid = 0.0
    for k in range(x.size):
        exact, exact_sigmoid = exact_values(np.float64(x[k]))
        error = abs(np.float64(tanh_x[k]) - exact)
        if error > units * abs(exact) * 2.0**-24:  # else it cannot be more units than the worst so far
            # The unit of the binade that the exact value lies in; 1 itself counts as below 1.
            _, exponent = math.frexp(min(abs(exact), 1 - 2.0**-53))
            units = max(units, error / math.ldexp(1.0, max(exponent, -125) - 24))
        absolute = max(absolute, error)
        largest = max(largest, abs(np.float64(tanh_x[k])))
        absolute_sigmoid = max(absolute_sigmoid, abs(np.float64(sigmoid_x[k]) - exact_sigmoid))
    return units, absolute, largest, absolute_sigmoid


def assert_bounds(bits):
    """The bounds that the module's docstring states, for these float32 numbers ≥ 0 and their negatives."""
    found = []
    for sign in (0, SIGN_BIT):
        x = (bits | np.uint32(sign)).view(np.float32)
        tanh_x, sigmoid_x = np.empty_like(x), np.empty_like(x)
        tanh_row(x, tanh_x)
        sigmoid_row(x, sigmoid_x)
        found.append(tanh_x)
        units, absolute, largest, absolute_sigmoid = worst(x, tanh_x, sigmoid_x)
        assert units <= 6
        assert absolute <= 2.1e-7
        assert largest <= 1
        assert absolute_sigmoid <= 1.3e-7
        assert sigmoid_x.min() >= 0
        assert sigmoid_x.max() <= 1
    positive, negative = found
    np.testing.assert_array_equal(positive.view(np.uint32) ^ np.uint32(SIGN_BIT), negative.view(np.uint32))


def assert_nan_stays_nan(bits):
    """For these patterns of NaN, and with the sign set."""
    for sign in (0, SIGN_BIT):
        x = (bits | np.uint32(sign)).view(np.float32)
        y = np.zeros_like(x)
        for row in (tanh_row, sigmoid_row):
            row(x, y)
            assert np.isnan(y).all()


def around(number, many=20_000):
    """The patterns around that of a float32 number ≥ 0, as far as they are those of finite numbers."""
    middle = int(np.float32(number).view(np.uint32))
    return np.arange(max(middle - many, 0), min(middle + many, INFINITY_BITS), dtype=np.uint32)


def test_float32_activations_keep_their_bounds_on_every_251st_number():
    assert_bounds(np.arange(0, INFINITY_BITS, 251, dtype=np.uint32))


@pytest.mark.parametrize(
    "number",
    [
        0.0,
        2.0**-126,
        2.0**-64,
        1e-4,
        2.0**-12,
        0.5,
        1.0,
        2.0,
        8.0,
        9.0,
        9.01,
        9.02,
        17.0,
        18.04,
        19.0,
        np.inf,
    ],
)
def test_float32_activations_keep_their_bounds_around(number):
    assert_bounds(around(number))


def test_nan_of_any_pattern_stays_nan():
    assert_nan_stays_nan(np.arange(INFINITY_BITS + 1, SIGN_BIT, 1021, dtype=np.uint32))
    assert_nan_stays_nan(np.array([INFINITY_BITS + 1, 0x7FC00000, SIGN_BIT - 1], np.uint32))


@pytest.mark.long
def test_float32_activations_keep_their_bounds_on_every_number():
    chunk = 1 << 18
    for begin in range(0, INFINITY_BITS, chunk):
        assert_bounds(np.arange(begin, min(begin + chunk, INFINITY_BITS), dtype=np.uint32))
    for begin in range(INFINITY_BITS + 1, SIGN_BIT, chunk):
        assert_nan_stays_nan(np.arange(begin, min(begin + chunk, SIGN_BIT), dtype=np.uint32))


def test_the_coefficients_are_those_that_the_fit_finds():
    found = fit_tanh.fit()
    recorded = fit_tanh.recorded_coefficients()
    assert np.abs(fit_tanh.steps_apart(found.astype(np.float32), recorded)).max() <= 1
    extremes = fit_tanh.alternating_errors(found)
    assert len(extremes) == 6
    assert (np.sign(extremes[1:]) == -np.sign(extremes[:-1])).all()
    # No five coefficients come below the smallest of six alternating extremes: these are the best.
    assert np.abs(extremes).max() < 1.0001 * np.abs(extremes).min()
    assert np.abs(fit_tanh.alternating_errors(recorded.astype(np.float64))).max() < 0.13 * 2.0**-24


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_numbers(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, np.nan] * 3, dtype)
    y = np.empty_like(x)
    tanh_row(x, y)
    np.testing.assert_array_equal(y, np.array([np.nan, 1, -1, 0, 0, 1, -1, np.nan] * 3))
    sigmoid_row(x, y)
    np.testing.assert_array_equal(y, np.array([np.nan, 1, 0, 0.5, 0.5, 1, 0, np.nan] * 3))


def test_float64_activations_are_the_librarys():
    x = np.linspace(-40, 40, 4001)
    y = np.empty_like(x)
    tanh_row(x, y)
    np.testing.assert_allclose(y, [math.tanh(v) for v in x], rtol=4e-16)
    sigmoid_row(x, y)
    np.testing.assert_allclose(y, [1 / (1 + math.exp(-v)) for v in x], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outside_kernels_they_are_numpys(dtype):
    assert tanh(dtype(0.5)) == np.tanh(dtype(0.5))
    assert sigmoid(dtype(0)) == dtype(0.5)
    assert isinstance(tanh(dtype(0.5)), dtype)
