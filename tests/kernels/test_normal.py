"""Layer normalisation inside the cells: what it makes of a layer's sums, whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.cases import CELLS, TOLERANCE, make_case, relative_error, run_kernel, run_reference, seeds

NORMALISED = [cell for cell in CELLS if cell.normalised]
each_cell = pytest.mark.parametrize("cell", NORMALISED, ids=lambda cell: cell.name)
each_kernel = pytest.mark.parametrize(
    "cell", {cell.kernel: cell for cell in NORMALISED}.values(), ids=lambda cell: cell.kernel.__name__
)
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(6, 9), st.integers(6, 40))


def sides(cell):
    """Where the record has x W and h U, normalised."""
    k = next(k for k, shape in enumerate(cell.shapes().record_shapes(1, 1)) if len(shape) == 2) - 2
    return k, k + 1


def scaled(case, W=1.0, U=1.0):
    """The same case with larger or smaller weights."""
    case.parameters = (case.parameters[0] * W, case.parameters[1] * U, *case.parameters[2:])
    return case


@each_dtype
@each_kernel
@settings(deadline=None, derandomize=True, max_examples=12)
@given(shape=shapes, seed=seeds, power=st.integers(-12, 30))
def test_rows_have_mean_0_and_variance_1_whatever_the_scale_of_the_weights(cell, dtype, shape, seed, power):
    scale = dtype(10.0**power)
    case = scaled(make_case(cell, shape, seed, dtype), scale, scale)
    result = run_kernel(case)
    sources = [case.x, result.carried[0][:-1]]
    for number, source, weights in zip(sides(cell), sources, case.parameters, strict=False):
        rows, sums = result.record[number].astype(float), source.astype(float) @ weights.astype(float)
        assert np.abs(rows.mean(2)).max() <= 1e-5
        variance = sums.var(2)
        np.testing.assert_allclose(rows.var(2), variance / (variance + 1e-5), rtol=1e-4, atol=1e-6)
        if power >= 6:  # by far the most rows; where the sums are all but equal, 10⁻⁵ still counts
            assert np.median(np.abs(rows.var(2) - 1)) <= 1e-4


@each_cell
@pytest.mark.parametrize(
    ("dtype", "power"), [(np.float32, 3), (np.float32, 30), (np.float64, 12), (np.float64, 200)]
)
def test_the_state_is_the_same_however_large_the_weights_are(cell, dtype, power):
    shape = (6, 3, 7, 20)
    scale = dtype(10.0**power)
    first = run_kernel(scaled(make_case(cell, shape, 3, dtype), dtype(1e3), dtype(1e3)))
    larger = run_kernel(scaled(make_case(cell, shape, 3, dtype), dtype(1e3) * scale, dtype(1e3)))
    assert relative_error(larger.carried[0], first.carried[0]) <= 1e-4
    assert relative_error(larger.gradients[0] * scale, first.gradients[0]) <= 1e-4


@each_kernel
def test_a_large_number_that_all_of_a_row_have_in_common_leaves_its_accuracy(cell):
    case = make_case(cell, (3, 2, 4, 24), 4, np.float32)
    case.parameters[0][:] += np.float32(100)
    expected, found = run_reference(case), run_kernel(case)
    number, _ = sides(cell)
    # The sums themselves are a few hundred, rounded to 10⁻⁷ of that.
    assert relative_error(found.record[number], expected.record[number]) <= 3e-4


@each_dtype
@each_kernel
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_not_made_to_look_so(cell, dtype, bad):
    case = make_case(cell, (2, 3, 4, 9), 5, dtype)
    case.x[0, 1, 2] = bad
    number, _ = sides(cell)
    rows = run_kernel(case).record[number]
    assert np.isnan(rows[0, 1]).all()
    assert np.isfinite(rows[0, [0, 2]]).all()


@each_kernel
def test_equal_sums_become_zeros(cell):
    case = make_case(cell, (2, 3, 4, 9), 6)
    case.parameters[0][:] = 0.25
    result = run_kernel(case)
    number, _ = sides(cell)
    np.testing.assert_allclose(result.record[number], 0, atol=1e-12)
    assert all(np.isfinite(gradient).all() for gradient in result.gradients)
