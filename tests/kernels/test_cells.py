import numpy as np
import pytest
from hypothesis import example, given, settings

from seqlab.kernels import optimizers
from tests.kernels.cases import (
    CELLS,
    TOLERANCE,
    assert_derivative,
    make_case,
    relative_error,
    run_kernel,
    run_reference,
    seeds,
    shapes,
)

each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])


@each_dtype
@each_cell
@settings(deadline=None, derandomize=True, max_examples=12)
@given(shape=shapes, seed=seeds)
@example(shape=(1, 1, 1, 1), seed=0)
@example(shape=(30, 4, 3, 33), seed=0)
def test_forward_and_backward_equal_the_reference(cell, dtype, shape, seed):
    case = make_case(cell, shape, seed, dtype)
    expected = dict(run_reference(case).named())
    least = 1e-2 * np.linalg.norm(case.dh)  # of a few numbers that all but cancel, few digits are left
    for name, found in run_kernel(case).named():
        assert relative_error(found, expected[name], least) <= TOLERANCE[dtype], name


@each_cell
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 2, 5)], ids=str)
def test_backward_equals_central_differences(cell, shape):
    case = make_case(cell, shape, seed=5)

    def loss():
        carried, _ = cell.reference.forward(case.x, case.parameters, case.start, cell.variant)
        from_outside = sum(np.sum(final[-1] * d) for final, d in zip(carried, case.carry, strict=True))
        return np.sum(carried[0][1:] * case.dh) + from_outside

    result = run_kernel(case)
    found = [*result.gradients, *result.carry, result.dx]
    for analytic, array in zip(found, [*case.parameters, *case.start, case.x], strict=True):
        assert_derivative(analytic, loss, array)


@each_cell
def test_dh_leaves_as_the_total_derivative(cell):
    case = make_case(cell, (5, 2, 3, 4), seed=6)
    result = run_kernel(case)
    # What reaches h_t in total is what a window that ends at t would have to be handed for h_t.
    later = case.window(3, 5, tuple(states[3] for states in result.carried), case.carry)
    assert relative_error(result.dh[2], case.dh[2] + run_kernel(later).carry[0]) <= 1e-12


@each_dtype
@each_cell
@pytest.mark.parametrize("border", [1, 4, 6])
def test_two_windows_that_hand_over_their_carry_equal_one(cell, dtype, border):
    case = make_case(cell, (7, 3, 2, 5), seed=7, dtype=dtype)
    whole = run_kernel(case)
    early_start = case.window(0, border, case.start, case.carry)
    middle = tuple(np.ascontiguousarray(states[-1]) for states in run_kernel(early_start).carried)
    late = run_kernel(case.window(border, 7, middle, case.carry))
    early = run_kernel(case.window(0, border, case.start, late.carry), gradients=late.gradients)
    tolerance = TOLERANCE[dtype]
    for k in range(cell.states):
        both = np.concatenate([early.carried[k], late.carried[k][1:]])
        assert relative_error(both, whole.carried[k]) <= tolerance
        assert relative_error(early.carry[k], whole.carry[k]) <= tolerance
    assert relative_error(np.concatenate([early.dh, late.dh]), whole.dh) <= tolerance
    assert relative_error(np.concatenate([early.dx, late.dx]), whole.dx) <= tolerance
    for found, expected in zip(early.gradients, whole.gradients, strict=True):
        assert relative_error(found, expected) <= tolerance


@each_cell
def test_gradients_are_added_to_what_is_there(cell):
    case = make_case(cell, (3, 2, 2, 4), seed=8)
    once = run_kernel(case).gradients
    begun = tuple(np.full_like(g, 3.0) for g in once)
    for added, g in zip(run_kernel(case, gradients=begun).gradients, once, strict=True):
        np.testing.assert_allclose(added, g + 3.0, rtol=1e-12, atol=1e-12)


@each_cell
def test_everything_else_is_the_same_when_dx_is_not_wanted(cell):
    case = make_case(cell, (3, 2, 2, 4), seed=9)
    wanted, unwanted = run_kernel(case), run_kernel(case, wants_dx=False)
    assert unwanted.dx.size == 0
    for (name, a), (_, b) in zip(wanted.named(), unwanted.named(), strict=True):
        if name != "dx":
            np.testing.assert_array_equal(a, b, err_msg=name)


@each_dtype
@each_cell
def test_nan_in_one_input_reaches_its_sequence_and_no_other(cell, dtype):
    case = make_case(cell, (4, 3, 2, 9), seed=10, dtype=dtype)
    case.x[1, 2, 0] = np.nan
    result = run_kernel(case)
    h = result.carried[0]
    reached = h[2:, 2] if cell.remembers else h[2, 2]
    assert np.isnan(reached).all()
    assert np.isfinite(h[3:, 2]).all() != cell.remembers
    assert np.isfinite(h[:, :2]).all()
    assert np.isfinite(h[:2, 2]).all()
    assert np.isnan(optimizers.norm(np.concatenate([g.ravel() for g in result.gradients])))


@each_dtype
@pytest.mark.parametrize(
    # What is normalised does not saturate: see test_normal.py.
    "cell",
    [cell for cell in CELLS if cell.bounded and not cell.normalised],
    ids=lambda cell: cell.name,
)
def test_saturated_states_stay_within_one(cell, dtype):
    case = make_case(cell, (3, 2, 2, 9), seed=11, dtype=dtype)
    case.x[:] = 1e30
    case = case.window(0, 3, tuple(np.zeros_like(a) for a in case.start), case.carry)
    result = run_kernel(case)
    assert 0.5 < np.abs(result.carried[0]).max() <= 1
    assert np.isfinite(result.dx).all()


@each_dtype
@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        ("tanh", -1, 1),
        ("relu", 0, np.inf),
        ("leaky_relu", -np.inf, np.inf),
        ("sigmoid", 0, 1),
        ("hard_sigmoid", 0, 1),
        ("softsign", -1, 1),
        ("identity", -np.inf, np.inf),
    ],
)
def test_activations_of_infinity_are_their_limits_and_nan_stays(activation, low, high, dtype):
    cell = next(cell for cell in CELLS if cell.name == f"feedforward {activation}")
    case = make_case(cell, (1, 4, 1, 9), seed=15, dtype=dtype)
    case.parameters[0][:] = 1
    for sums, expected in ((np.inf, high), (-np.inf, low), (np.nan, np.nan)):
        case.x[:] = sums
        np.testing.assert_array_equal(run_kernel(case).carried[0][1:], dtype(expected))


@each_cell
def test_one_compiled_version_for_each_dtype(cell):
    for dtype in TOLERANCE:
        for shape in [(1, 1, 1, 1), (2, 1, 1, 3), (2, 3, 4, 5)]:
            run_kernel(make_case(cell, shape, seed=12, dtype=dtype))
            run_kernel(make_case(cell, shape, seed=12, dtype=dtype), wants_dx=False)
    assert len(cell.kernel.forward.signatures) == 2
    assert len(cell.kernel.backward.signatures) == 2


@each_cell
@pytest.mark.parametrize("beside", [(2, 0), (0, 3), (1, 4)], ids=str)
def test_a_slice_of_a_batch_is_as_if_it_were_alone(cell, beside):
    case = make_case(cell, (4, 3, 2, 5), seed=13)
    alone, slice_ = run_kernel(case), run_kernel(case, beside=beside)
    for (name, a), (_, b) in zip(alone.named(), slice_.named(), strict=True):
        assert relative_error(a, b) <= 1e-14, name


@each_dtype
@each_cell
@pytest.mark.parametrize("shape", [(9, 20, 3, 24), (5, 33, 2, 64), (2, 70, 66, 70)], ids=str)
def test_sizes_beyond_a_tile_and_a_stretch_equal_the_reference(cell, dtype, shape):
    case = make_case(cell, shape, seed=14, dtype=dtype)
    expected = dict(run_reference(case).named())
    for name, found in run_kernel(case).named():
        assert relative_error(found, expected[name]) <= 3 * TOLERANCE[dtype], name
