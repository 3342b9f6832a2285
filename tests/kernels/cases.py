"""Cells with random numbers in them, and the two ways to run them: compiled, and as the reference says."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType

import numpy as np
from hypothesis import strategies as st

from seqlab import cells

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


@dataclass(frozen=True)
class Cell:
    name: str
    kernel: ModuleType
    reference: ModuleType
    shapes: Callable[..., cells.Cell]
    states: int
    variant: int = 0

    @property
    def bounded(self):
        if "leak" in self.shapes().parameter_shapes(1):  # drawn here like a weight, not as a share
            return False
        return next(state for state in self.shapes().states() if state.name == "h").kind != "free"

    @property
    def normalised(self):
        return getattr(self.shapes(), "layer_norm", False)

    @property
    def fewest(self):
        """Inputs and units that leave rows with more than a direction or two.

        The way back through a row's normalisation loses the row's own direction and that of the mean, but for
        a trace of 10⁻⁵. Where there is nothing else, numbers that are far larger cancel down to that trace.
        """
        return 6 if self.normalised else 1

    @property
    def remembers(self):
        return "U" in self.shapes().parameter_shapes(1)

    def parameter_shapes(self, F, H):
        return tuple(self.shapes(hidden=H).parameter_shapes(F).values())


def cell_with(name, kind, **options):
    shapes = partial(cells.CELLS[kind], **options)
    model = shapes()
    kernel, reference = (
        import_module(f"{package}.{model.kernel}") for package in ("seqlab.kernels", "tests.reference")
    )
    return Cell(name, kernel, reference, shapes, len(model.carried_names), model.variant)


PHIS = ("tanh", "relu", "leaky_relu", "sigmoid", "hard_sigmoid", "softsign", "identity")

CELLS = [
    *(cell_with(f"rnn {phi}", "rnn", activation=phi) for phi in PHIS),
    cell_with("lstm", "lstm"),
    cell_with("gru", "gru"),
    *(cell_with(f"feedforward {phi}", "feedforward", activation=phi) for phi in PHIS),
    cell_with("gru reset before", "gru", reset="before"),
    cell_with("mgu", "mgu"),
    cell_with("esn", "esn"),
    cell_with("lstm peepholes", "lstm", peepholes=True),
    cell_with("lstm coupled", "lstm", forget="coupled"),
    cell_with("lstm no forget gate", "lstm", forget="none"),
    cell_with("lstm hard", "lstm", gate_activation="hard_sigmoid"),
    cell_with("lstm peepholes hard", "lstm", peepholes=True, gate_activation="hard_sigmoid"),
    cell_with("lstm peepholes no forget gate", "lstm", peepholes=True, forget="none"),
    cell_with(
        "peephole_lstm coupled hard", "peephole_lstm", forget="coupled", gate_activation="hard_sigmoid"
    ),
    *(cell_with(f"rnn {phi} normalised", "rnn", activation=phi, layer_norm=True) for phi in PHIS),
    cell_with("gru normalised", "gru", layer_norm=True),
    cell_with("lstm normalised", "lstm", layer_norm=True),
    cell_with("lstm coupled normalised", "lstm", forget="coupled", layer_norm=True),
    cell_with("lstm peepholes normalised", "lstm", peepholes=True, layer_norm=True),
    cell_with(
        "peephole_lstm no forget gate hard normalised",
        "peephole_lstm",
        forget="none",
        gate_activation="hard_sigmoid",
        layer_norm=True,
    ),
]

shapes = st.tuples(*[st.integers(1, 5)] * 3, st.integers(1, 19))  # H up to beyond two vectors of 8
seeds = st.integers(0, 2**32 - 1)


@dataclass
class Case:
    """One window: inputs, parameters, start states; and what arrives from outside on the way back."""

    cell: Cell
    x: np.ndarray
    parameters: tuple
    start: tuple
    dh: np.ndarray
    carry: tuple

    def as_float64(self):
        def wide(arrays):
            return tuple(a.astype(np.float64) for a in arrays)

        return Case(
            self.cell,
            self.x.astype(np.float64),
            wide(self.parameters),
            wide(self.start),
            self.dh.astype(np.float64),
            wide(self.carry),
        )

    def window(self, begin, end, start, carry):
        """The steps from `begin` to before `end`, with the states and derivatives that cross its borders."""
        return Case(self.cell, self.x[begin:end], self.parameters, start, self.dh[begin:end], carry)


def make_case(cell, shape, seed, dtype=np.float64):
    """Random numbers, too small to saturate tanh: there 1 - h² has few right digits left in float32."""
    T, B, F, H = shape
    F, H = max(F, cell.fewest), max(H, cell.fewest)
    rng = np.random.default_rng(seed)

    def draw(*dimensions, spread=1.0):
        return (rng.standard_normal(dimensions) * spread).astype(dtype)

    return Case(
        cell,
        draw(T, B, F),
        tuple(draw(*dimensions, spread=0.3) for dimensions in cell.parameter_shapes(F, H)),
        tuple(draw(B, H, spread=0.5) for _ in range(cell.states)),
        draw(T, B, H),
        tuple(draw(B, H) for _ in range(cell.states)),
    )


@dataclass
class Result:
    carried: tuple
    record: tuple
    dh: np.ndarray
    carry: tuple
    gradients: tuple
    dx: np.ndarray

    def named(self):
        yield from ((f"carried {k}", a) for k, a in enumerate(self.carried))
        yield from ((f"record {k}", a) for k, a in enumerate(self.record))
        yield from ((f"carry {k}", a) for k, a in enumerate(self.carry))
        yield from ((f"gradient {k}", a) for k, a in enumerate(self.gradients))
        yield from (("dh", self.dh), ("dx", self.dx))


def run_kernel(case, wants_dx=True, gradients=None, beside=(0, 0)):
    """Forward and backward, every work array and output filled with rubbish beforehand.

    `beside` sequences of NaN stand in the inputs before and after the case's own, as in a slice of a batch.
    """
    T, B, F = case.x.shape
    H = case.start[0].shape[1]
    dtype = case.x.dtype
    cell, variant = case.cell, case.cell.variant
    shapes = cell.shapes(hidden=H)

    def rubbish(*dimensions):
        return np.full(dimensions, 7e7, dtype)

    first = beside[0]
    x = np.full((T, sum(beside) + B, F), np.nan, dtype)
    x[:, first : first + B] = case.x
    packed = tuple(np.zeros(dimensions, dtype) for dimensions in shapes.packed_shapes(F, below=wants_dx))
    cell.kernel.pack(case.parameters, packed)
    carried = tuple(rubbish(T + 1, B, H) for _ in case.start)
    for states, start in zip(carried, case.start, strict=True):
        states[0] = start
    record = tuple(rubbish(*dimensions) for dimensions in shapes.record_shapes(T, B))
    scratch = tuple(rubbish(*dimensions) for dimensions in shapes.scratch_shapes(T, B))
    cell.kernel.forward(x, first, packed, carried, record, variant)
    dh = case.dh.copy()
    carry = tuple(a.copy() for a in case.carry)
    if gradients is None:
        gradients = tuple(np.zeros_like(p) for p in case.parameters)
    dx = rubbish(T if wants_dx else 0, B, F)
    cell.kernel.backward(x, first, packed, carried, record, dh, carry, gradients, scratch, dx, variant)
    return Result(carried, record, dh, carry, gradients, dx)


def run_reference(case):
    wide = case.as_float64()
    carried, record = case.cell.reference.forward(wide.x, wide.parameters, wide.start, case.cell.variant)
    dh, carry, gradients, dx = case.cell.reference.backward(
        wide.x, wide.parameters, carried, record, wide.dh, wide.carry, case.cell.variant
    )
    return Result(carried, record, dh, carry, gradients, dx)


def relative_error(found, expected, least=1e-12):
    """‖found - expected‖ / max(‖found‖, ‖expected‖, least)."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    scale = max(np.linalg.norm(found), np.linalg.norm(expected), least)
    return np.linalg.norm(found - expected) / scale


def assert_derivative(found, loss, array, tolerance=1e-6, directions=2, step=1e-5):
    """`found` is the derivative of `loss()`, a float, with respect to an array of float64 that it reads.

    Central differences are taken along a few random directions: all entries take part in each, so a single
    wrong one shows in all.
    """
    draw = np.random.default_rng(array.size).standard_normal((directions, *array.shape))
    numeric = [difference(loss, array, direction, step) for direction in draw]
    assert found.shape == array.shape
    assert relative_error((draw * found).reshape(directions, -1).sum(1), numeric) <= tolerance


def central_differences(loss, arrays, step=1e-5):
    """The derivative of `loss()`, a float, with respect to every element of `arrays`, which it reads."""
    derivatives = []
    for array in arrays:
        units = np.eye(array.size).reshape(-1, *array.shape)
        found = np.array([difference(loss, array, unit, step) for unit in units])
        derivatives.append(found.reshape(array.shape))
    return derivatives


def difference(loss, array, direction, step):
    """The central difference of `loss()` along a direction of an array, which is left as it was."""
    kept = array.copy()
    array[:] = kept + step * direction
    above = loss()
    array[:] = kept - step * direction
    below = loss()
    array[:] = kept
    return (above - below) / (2 * step)
