"""Numbers too small to be normal: zeros within, and nothing else changes."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from seqlab.kernels.denormals import as_zeros
from seqlab.kernels.jit import FLAGS
from seqlab.spec.credit import windows
from seqlab.training.network import Network, Pass
from seqlab.training.truncation import Sequences, sweep
from tests.conftest import small

SMALLEST = {np.float32: np.float32(1.1754944e-38), np.float64: np.float64(2.2250738585072014e-308)}
"""The smallest normal numbers."""


@numba.njit(**FLAGS)
def product(x, factor, y):
    for k in range(x.size):
        y[k] = x[k] * factor


def halved(number):
    y = np.full(40, np.nan, type(number))
    product(np.full(40, number), type(number)(0.5), y)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_below_the_smallest_normal_number_are_zero_within(dtype):
    smallest = SMALLEST[dtype]
    assert (halved(smallest) > 0).all()
    with as_zeros():
        np.testing.assert_array_equal(halved(smallest), 0)
        np.testing.assert_array_equal(halved(smallest * 2), smallest)
    assert (halved(smallest) > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormal_numbers_count_as_zero_within(dtype):
    x, y = np.full(40, SMALLEST[dtype] / 4), np.full(40, np.nan, dtype)
    with as_zeros():
        product(x, dtype(1000), y)
    np.testing.assert_array_equal(y, 0)


def test_nan_and_infinity_stay_what_they_are():
    with as_zeros():
        assert np.isnan(halved(np.float32(np.nan))).all()
        assert np.isinf(halved(np.float32(np.inf))).all()


def test_one_within_another_ends_with_the_outer():
    smallest = SMALLEST[np.float32]
    with as_zeros():
        with as_zeros():
            pass
        assert not halved(smallest).any()
    assert halved(smallest).all()


def test_it_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), as_zeros():
        raise ZeroDivisionError
    assert halved(SMALLEST[np.float32]).all()


def test_it_is_for_its_own_thread_alone():
    with ThreadPoolExecutor(1) as other:
        other.submit(int).result()  # started before, as a thread begins in the mode of the one that starts it
        with as_zeros():
            numbers = other.submit(halved, SMALLEST[np.float32]).result()
    assert numbers.all()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_gradient_that_vanishes_goes_down_to_zero(cell):
    spec = small({"length": 300}, {"cell": cell, "hidden": 8})
    network = Network(spec)
    network.parameters.flat[:] *= np.float32(0.5)
    sequences = Sequences.of(network, spec.task.batch(0, "train", 0, 4))
    derivatives = []
    sweep(
        Pass(network, 4, 300),
        sequences,
        windows(300, 0),
        1.0,
        network.empty(),
        lambda _, work: derivatives.append(np.abs(work.derivatives()[0])),
    )
    sizes = derivatives[0].max(axis=(1, 2))
    assert sizes[-1] > 0
    assert sizes[0] == 0
    assert sizes[sizes > 0].min() >= SMALLEST[np.float32]
