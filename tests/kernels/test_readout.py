import numpy as np
import pytest
from hypothesis import example, given, settings

from seqlab.kernels import readout
from tests.kernels.cases import TOLERANCE, central_differences, relative_error, seeds, shapes
from tests.reference import readout as reference


def draw(shape, seed, dtype):
    T, B, O, H = shape  # noqa: E741
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(s).astype(dtype) for s in [(T, B, H), (H, O), (O,), (T, B, O)])


def run(h, V, d, dy):
    y, dh = np.full_like(dy, 7e7), np.full_like(h, 7e7)
    gradients = (np.zeros_like(V), np.zeros_like(d))
    scratch = tuple(np.full(V.T.shape, 7e7, h.dtype) for _ in range(2))
    readout.forward(h, (V, d), scratch, y)
    readout.backward(h, dy, gradients, scratch, dh)
    return y, *gradients, dh


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@settings(deadline=None, derandomize=True, max_examples=30)
@given(shape=shapes, seed=seeds)
@example(shape=(1, 1, 1, 1), seed=0)
def test_readout_equals_the_reference(dtype, shape, seed):
    arrays = draw(shape, seed, dtype)
    h, V, d, dy = (a.astype(np.float64) for a in arrays)
    gradients, dh = reference.backward(h, (V, d), dy)
    expected = (reference.forward(h, (V, d)), *gradients, dh)
    for found, wanted in zip(run(*arrays), expected, strict=True):
        assert relative_error(found, wanted) <= TOLERANCE[dtype]


def test_readout_backward_equals_central_differences():
    h, V, d, dy = draw((3, 2, 2, 4), 1, np.float64)
    numeric = central_differences(lambda: np.sum(reference.forward(h, (V, d)) * dy), [V, d, h])
    for analytic, wanted in zip(run(h, V, d, dy)[1:], numeric, strict=True):
        assert relative_error(analytic, wanted) <= 1e-6
