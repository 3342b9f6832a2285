import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.kernels import optimizers
from tests.kernels.cases import TOLERANCE, relative_error, seeds
from tests.reference import optimizers as reference

each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
SETTINGS = [
    ("sgd", 1, (0.1, 0.0, 0.0)),
    ("sgd", 1, (0.1, 0.9, 0.0)),
    ("sgd", 1, (0.1, 0.9, 1.0)),
    ("rmsprop", 2, (0.01, 0.99, 1e-8, 0.0)),
    ("rmsprop", 2, (0.01, 0.9, 1e-6, 0.5)),
    ("adam", 2, (1e-3, 0.9, 0.999, 1e-8)),
    ("adam", 2, (0.1, 0.5, 0.9, 1e-3)),
    ("adamw", 2, (1e-3, 0.9, 0.999, 1e-8, 0.01)),
    ("adamw", 2, (0.1, 0.5, 0.9, 1e-3, 0.5)),
]


@each_dtype
@pytest.mark.parametrize(("name", "slots", "hyper"), SETTINGS)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(size=st.integers(1, 37), seed=seeds)
def test_every_step_equals_the_reference(name, slots, hyper, dtype, size, seed):
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(size).astype(dtype)
    gradients = rng.standard_normal((8, size)).astype(dtype)
    path = getattr(reference, name)(theta.astype(np.float64), gradients.astype(np.float64), *hyper)
    memory = tuple(np.zeros(size, dtype) for _ in range(slots))
    for step, (g, expected) in enumerate(zip(gradients, path, strict=True), start=1):
        kept = g.copy()
        getattr(optimizers, name)(theta, g, memory, step, np.array(hyper))
        assert relative_error(theta, expected) <= TOLERANCE[dtype]
        np.testing.assert_array_equal(g, kept)


@each_dtype
def test_adams_first_step_is_the_learning_rate_in_the_direction_of_the_sign(dtype):
    theta, g = np.zeros(3, dtype), np.array([3.0, -0.001, 40.0], dtype)
    optimizers.adam(theta, g, (np.zeros(3, dtype), np.zeros(3, dtype)), 1, np.array([0.5, 0.9, 0.999, 1e-8]))
    np.testing.assert_allclose(theta, [-0.5, 0.5, -0.5], rtol=2e-5)


@each_dtype
def test_adamw_without_decay_is_adam_to_the_bit(dtype):
    draw = np.random.default_rng(0)
    start, g = draw.standard_normal(37).astype(dtype), draw.standard_normal(37).astype(dtype)
    found = []
    for name in ("adam", "adamw"):
        theta, memory = start.copy(), (np.zeros(37, dtype), np.zeros(37, dtype))
        for step in (1, 2, 3):
            getattr(optimizers, name)(theta, g, memory, step, np.array([0.1, 0.9, 0.999, 1e-8, 0.0]))
        found.append(theta.tobytes())
    assert found[0] == found[1]


@each_dtype
def test_adamws_decay_is_apart_from_the_size_of_the_gradient(dtype):
    theta, g = np.array([2.0, -4.0], dtype), np.zeros(2, dtype)
    memory = (np.zeros(2, dtype), np.zeros(2, dtype))
    optimizers.adamw(theta, g, memory, 1, np.array([0.5, 0.9, 0.999, 1e-8, 0.25]))
    np.testing.assert_array_equal(theta, [1.75, -3.5])


@each_dtype
def test_nesterov_steps_by_the_gradient_and_the_next_share_of_the_velocity(dtype):
    theta, g, velocity = np.zeros(2, dtype), np.array([1.0, -2.0], dtype), np.array([4.0, 4.0], dtype)
    optimizers.sgd(theta, g, (velocity,), 2, np.array([1.0, 0.5, 1.0]))
    np.testing.assert_array_equal(velocity, [3.0, 0.0])
    np.testing.assert_array_equal(theta, [-(1 + 1.5), 2.0])


@each_dtype
@pytest.mark.parametrize(("name", "slots", "hyper"), [each for each in SETTINGS if each[0] != "adamw"])
def test_a_gradient_of_zero_moves_nothing(name, slots, hyper, dtype):
    theta = np.arange(9, dtype=dtype)
    memory = tuple(np.zeros(9, dtype) for _ in range(slots))
    getattr(optimizers, name)(theta, np.zeros(9, dtype), memory, 1, np.array(hyper))
    np.testing.assert_array_equal(theta, np.arange(9))


@each_dtype
@given(size=st.integers(0, 40), seed=seeds)
@settings(deadline=None, derandomize=True, max_examples=20)
def test_norm_is_the_euclidean_one(dtype, size, seed):
    g = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    expected = np.sqrt(sum(float(v) ** 2 for v in g))
    assert optimizers.norm(g) == pytest.approx(expected, rel=1e-14)


def test_norm_of_float32_overflows_no_earlier_than_float64():
    assert optimizers.norm(np.full(4, 1e30, np.float32)) == pytest.approx(2e30, rel=1e-6)


@each_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 16, 18])
def test_norm_is_not_finite_if_any_element_is_not(dtype, bad, place):
    g = np.ones(19, dtype)
    g[place] = bad
    assert not np.isfinite(optimizers.norm(g))


@each_dtype
def test_scale_multiplies_every_element(dtype):
    g = np.arange(-9, 10, dtype=dtype)
    optimizers.scale(g, 0.25)
    np.testing.assert_array_equal(g, np.arange(-9, 10) / 4)


@each_dtype
def test_clamp_brings_every_element_within_the_limit_and_leaves_nan(dtype):
    g = np.array([-np.inf, -3, -0.5, 0, 0.25, 2, np.inf, np.nan] * 3, dtype)
    optimizers.clamp(g, 0.5)
    np.testing.assert_array_equal(g, np.array([-0.5, -0.5, -0.5, 0, 0.25, 0.5, 0.5, np.nan] * 3))


@each_dtype
@pytest.mark.parametrize(("name", "slots", "hyper"), SETTINGS)
def test_nan_in_the_gradient_reaches_the_parameter(name, slots, hyper, dtype):
    theta, g = np.zeros(19, dtype), np.ones(19, dtype)
    g[4] = np.nan
    memory = tuple(np.zeros(19, dtype) for _ in range(slots))
    getattr(optimizers, name)(theta, g, memory, 1, np.array(hyper))
    np.testing.assert_array_equal(np.isnan(theta), np.arange(19) == 4)


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw"])
def test_one_compiled_version_for_each_dtype(name):
    for dtype in TOLERANCE:
        for wanted, slots, hyper in SETTINGS:
            if wanted == name:
                memory = tuple(np.zeros(2, dtype) for _ in range(slots))
                getattr(optimizers, name)(np.zeros(2, dtype), np.ones(2, dtype), memory, 3, np.array(hyper))
    assert len(getattr(optimizers, name).signatures) == 2
