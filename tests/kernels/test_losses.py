import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqlab.kernels import losses
from tests.kernels.cases import TOLERANCE, central_differences, relative_error, seeds
from tests.reference import losses as reference

each_loss = pytest.mark.parametrize("name", ["mse", "mae", "huber", "cross_entropy", "binary_cross_entropy"])
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
shapes = st.tuples(*[st.integers(1, 6)] * 3)


def draw(name, shape, seed, dtype=np.float64, kept=0.6):
    T, B, O = shape  # noqa: E741
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 3, shape).astype(dtype)
    if name == "cross_entropy":
        target = rng.integers(0, O, (T, B))
    elif name == "binary_cross_entropy":
        target = np.where(rng.random(shape) < 0.5, rng.random(shape), rng.random(shape) < 0.5).astype(dtype)
    else:
        target = rng.normal(0, 3, shape).astype(dtype)
    mask = (rng.random((T, B)) < kept).astype(dtype)
    return y, target, mask


def run(name, y, target, mask, scale=0.25, first=0):
    dy = np.full_like(y, 7e7)
    return getattr(losses, name)(y, target, mask, first, scale, dy), dy


@each_loss
@each_dtype
@settings(deadline=None, derandomize=True, max_examples=40)
@given(shape=shapes, seed=seeds)
@example(shape=(1, 1, 1), seed=0)
def test_loss_and_derivative_equal_the_reference(name, dtype, shape, seed):
    y, target, mask = draw(name, shape, seed, dtype)
    wide = target if name == "cross_entropy" else target.astype(np.float64)
    expected, expected_dy = getattr(reference, name)(y.astype(np.float64), wide, mask, 0.25)
    loss, dy = run(name, y, target, mask)
    assert loss == pytest.approx(expected, rel=TOLERANCE[dtype], abs=1e-13)
    assert relative_error(dy, expected_dy) <= TOLERANCE[dtype]


@each_loss
def test_a_slice_of_a_batch_is_as_if_it_were_alone(name):
    y, target, mask = draw(name, (4, 6, 3), seed=2)
    alone, alone_dy = run(name, y[:, 2:5].copy(), target[:, 2:5].copy(), mask[:, 2:5].copy())
    loss, dy = run(name, y[:, 2:5].copy(), target, mask, first=2)
    assert loss == alone
    np.testing.assert_array_equal(dy, alone_dy)


@each_loss
def test_derivative_equals_central_differences(name):
    y, target, mask = draw(name, (3, 2, 4), seed=1)
    (numeric,) = central_differences(lambda: getattr(reference, name)(y, target, mask, 0.25)[0], [y])
    assert relative_error(run(name, y, target, mask)[1], numeric) <= 1e-6


@each_dtype
def test_cross_entropy_of_equal_logits_is_the_logarithm_of_their_number(dtype):
    loss, _ = run("cross_entropy", np.zeros((1, 1, 8), dtype), np.array([[3]]), np.ones((1, 1), dtype), 1.0)
    assert loss == pytest.approx(np.log(8), rel=1e-15)


@each_dtype
def test_cross_entropy_of_huge_logits_is_finite(dtype):
    y = np.array([[[1e4, -1e4, 0.0]]], dtype)
    loss, dy = run("cross_entropy", y, np.array([[1]]), np.ones((1, 1), dtype), 1.0)
    assert loss == 2e4
    np.testing.assert_array_equal(dy[0, 0], [1, -1, 0])


def test_derivative_of_a_confident_cross_entropy_keeps_its_accuracy_in_float32():
    y = np.array([[[12.0, 0.0, 0.5]]], np.float32)
    target, mask = np.array([[0]]), np.ones((1, 1), np.float32)
    _, expected = reference.cross_entropy(y.astype(np.float64), target, mask, 1.0)
    assert relative_error(run("cross_entropy", y, target, mask, 1.0)[1], expected) <= 1e-6


@each_dtype
@pytest.mark.parametrize(
    ("name", "y", "target", "expected", "slope"),
    [
        ("mae", [2.0, -3.0, 0.5], [0.5, 0.5, 0.5], 5.0, [1, -1, 0]),
        ("huber", [0.5, 3.0, -2.0, 1.0], [0.0, 0.0, 0.0, 0.0], 0.125 + 2.5 + 1.5 + 0.5, [0.5, 1, -1, 1]),
        ("binary_cross_entropy", [0.0, 0.0], [1.0, 0.25], 2 * np.log(2), [-0.5, 0.25]),
    ],
)
def test_losses_by_hand(name, y, target, expected, slope, dtype):
    y, target = np.array([[y]], dtype), np.array([[target]], dtype)
    loss, dy = run(name, y, target, np.ones((1, 1), dtype), 1.0)
    assert loss == pytest.approx(expected, rel=1e-15)
    np.testing.assert_array_equal(dy[0, 0], np.array(slope, dtype))


@each_dtype
def test_binary_cross_entropy_of_huge_logits_is_finite(dtype):
    y, target = np.array([[[1e4, -1e4, 1e4, -1e4]]], dtype), np.array([[[1, 0, 0, 1]]], dtype)
    loss, dy = run("binary_cross_entropy", y, target, np.ones((1, 1), dtype), 1.0)
    assert loss == 2e4
    np.testing.assert_array_equal(dy[0, 0], [0, 0, 1, -1])


def test_derivative_of_a_confident_binary_cross_entropy_keeps_its_accuracy():
    y = np.array([[[30.0, -30.0]]])
    target, mask = np.array([[[1.0, 0.0]]]), np.ones((1, 1))
    _, dy = run("binary_cross_entropy", y, target, mask, 1.0)
    np.testing.assert_allclose(dy[0, 0], [-np.exp(-30.0), np.exp(-30.0)], rtol=1e-12)


@each_loss
@each_dtype
def test_masked_steps_count_for_nothing_even_if_they_hold_nan(name, dtype):
    y, target, mask = draw(name, (4, 3, 2), seed=2, dtype=dtype)
    assert 0 < mask.sum() < mask.size
    loss, dy = run(name, y, target, mask)
    y[mask == 0] = np.nan
    again, dy_again = run(name, y, target, mask)
    assert again == loss
    np.testing.assert_array_equal(dy_again, dy)
    assert (dy[mask == 0] == 0).all()


@each_loss
@each_dtype
def test_padding_leaves_the_loss_bit_identical(name, dtype):
    y, target, mask = draw(name, (6, 5, 4), seed=3, dtype=dtype)
    mask[4:] = 0
    assert run(name, y, target, mask)[0] == run(name, y[:4], target[:4], mask[:4])[0]


@each_loss
@each_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_output_that_is_not_finite_makes_the_loss_so(name, dtype, bad):
    y, target, mask = draw(name, (4, 3, 9), seed=4, dtype=dtype, kept=1.1)
    y[2, 1, 5] = bad
    loss, dy = run(name, y, target, mask)
    assert not np.isfinite(loss)
    if np.isnan(bad) or name in ("mse", "cross_entropy"):  # the others' slopes are bounded
        assert not np.isfinite(dy[2, 1]).all()


@each_loss
def test_one_compiled_version_for_each_dtype(name):
    for dtype in TOLERANCE:
        run(name, *draw(name, (1, 1, 1), 5, dtype))
        run(name, *draw(name, (2, 3, 2), 5, dtype))
    assert len(getattr(losses, name).signatures) == 2
