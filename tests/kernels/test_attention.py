import numpy as np
import pytest
from hypothesis import example, given, settings

from seqlab.kernels import attention
from tests.kernels.cases import TOLERANCE, central_differences, relative_error, seeds, shapes
from tests.reference import attention as reference


def draw(shape, seed, dtype):
    T, B, S, H = shape
    rng = np.random.default_rng(seed)
    s, e, A, djoined = (rng.standard_normal(s) for s in [(T, B, H), (S, B, H), (H, H), (T, B, 2 * H)])
    # Scores about 1: a softmax that has all but decided has next to no derivative, or digits of it.
    return tuple(array.astype(dtype) for array in (s, e, A / H, djoined))


def run(s, e, A, djoined):
    """(s ‖ c), the shares, ∂L/∂s, ∂L/∂e, ∂L/∂A."""
    (T, B, H), S = s.shape, len(e)
    joined, shares, queries, ds, de = (
        np.full(shape, 7e7, s.dtype) for shape in (djoined.shape, (T, B, S), s.shape, s.shape, e.shape)
    )
    dA, work = np.zeros_like(A), (np.full(S, 7e7, s.dtype), np.full(H, 7e7, s.dtype))
    attention.forward(s, e, A, shares, queries, joined)
    attention.backward(s, e, A, shares, queries, djoined, dA, ds, de, *work)
    return joined, shares, ds, de, dA


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@settings(deadline=None, derandomize=True, max_examples=30)
@given(shape=shapes, seed=seeds)
@example(shape=(1, 1, 1, 1), seed=0)
def test_attention_equals_the_reference(dtype, shape, seed):
    arrays = draw(shape, seed, dtype)
    s, e, A, djoined = (a.astype(np.float64) for a in arrays)
    expected = (*reference.forward(s, e, A), *reference.backward(s, e, A, djoined))
    for found, wanted in zip(run(*arrays), expected, strict=True):
        # Where a softmax is all but even, derivatives are small differences of large ones.
        scale = max(np.linalg.norm(wanted), 1e-2 * np.linalg.norm(djoined))
        assert np.linalg.norm(found - wanted) <= TOLERANCE[dtype] * scale


def test_attention_backward_equals_central_differences():
    s, e, A, djoined = draw((3, 2, 4, 3), 1, np.float64)
    numeric = central_differences(lambda: np.sum(reference.forward(s, e, A)[0] * djoined), [s, e, A])
    for analytic, wanted in zip(run(s, e, A, djoined)[2:], numeric, strict=True):
        assert relative_error(analytic, wanted) <= 1e-6


def test_the_shares_of_a_step_add_up_to_one_however_large_the_scores():
    s, e, A, djoined = draw((3, 2, 4, 3), 1, np.float32)
    _, shares, *_ = run(s, e, 1e4 * A, djoined)
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-6)


def test_a_state_that_is_not_a_number_stays_visible():
    s, e, A, djoined = draw((3, 2, 4, 3), 1, np.float32)
    e[2, 1, 0] = np.nan
    joined, *_ = run(s, e, A, djoined)
    assert np.isnan(joined[:, 1, 3:]).all()
    assert np.isfinite(joined[:, 0]).all()
