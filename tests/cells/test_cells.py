"""What surrounds the equations: shapes, initialisation, names on disk."""

from importlib import import_module
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from seqlab.cells import CELLS, Cell
from seqlab.cells.activations import VARIANTS, Activation
from seqlab.cells.esn import ESN
from seqlab.cells.feedforward import Feedforward
from seqlab.cells.gru import GRU
from seqlab.cells.lstm import LSTM
from seqlab.cells.mgu import MGU
from seqlab.cells.rnn import RNN
from tests.reference.rnn import PHI

ALL = [
    *(kind(hidden=5) for kind in CELLS.values()),
    GRU(hidden=5, reset="before"),
    RNN(hidden=5, activation="softsign"),
    *(kind(hidden=5, layer_norm=True) for kind in (RNN, LSTM, GRU)),
]


def named(cell: Cell) -> str:
    options = cell.model_dump(exclude_unset=True, exclude={"hidden"})
    return "-".join([cell.cell, *(f"{name}_{value}" for name, value in options.items())])


each = pytest.mark.parametrize("cell", ALL, ids=named)
each_recurrent = pytest.mark.parametrize(
    "cell", [cell for cell in ALL if "U" in cell.parameter_shapes(1)], ids=named
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_cell_file_is_registered_in_order():
    assert list(CELLS) == ["rnn", "lstm", "gru", "peephole_lstm", "mgu", "esn", "feedforward"]


@each
def test_parameters_have_the_shapes_they_promise(cell: Cell):
    parameters = cell.initialise(rng(), 3)
    assert {name: value.shape for name, value in parameters.items()} == cell.parameter_shapes(3)


@each
def test_weights_go_to_pytorch_and_back_unchanged(cell: Cell):
    shapes = cell.parameter_shapes(3)
    draw = rng()
    parameters = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    parameters["b"][0] = -0.0
    if isinstance(cell, ESN):
        parameters["leak"][:] = cell.leak  # which is in no file, as the spec says it
    tensors = cell.to_torch(parameters, layer=2)
    assert tensors["weight_ih_l2"].shape == (len(cell.gates) * 5, 3)
    if "U" in shapes:
        assert tensors["weight_hh_l2"].shape == (len(cell.gates) * 5, 5)
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())
    for name, value in cell.from_torch(tensors, layer=2).items():
        assert value.astype(np.float32).tobytes() == parameters[name].tobytes(), name


def test_a_layer_without_memory_has_the_weights_of_the_inputs_side_alone():
    cell = Feedforward(hidden=5)
    assert cell.to_torch(cell.initialise(rng(), 3), layer=1).keys() == {"weight_ih_l1", "bias_ih_l1"}


@each_recurrent
def test_a_second_bias_of_pytorch_is_added_to_the_first(cell: Cell):
    tensors = cell.to_torch(cell.initialise(rng(), 3), layer=0)
    tensors["bias_hh_l0"] = tensors["bias_hh_l0"] + 1.0
    loaded = cell.from_torch(tensors, layer=0)
    expected = tensors["bias_ih_l0"] + 1.0
    if (
        isinstance(cell, GRU) and cell.reset == "after"
    ):  # the candidate's stays apart: it is inside the reset gate's reach
        expected[10:] -= 1.0
        np.testing.assert_array_equal(loaded["bn"], np.ones(5))
    np.testing.assert_array_equal(loaded["b"], expected)


def test_uniform_is_pytorchs_one_over_root_h():
    parameters = LSTM(hidden=64, init="uniform").initialise(rng(), 3)
    for name in ("W", "U"):
        assert 0.95 / 8 < np.abs(parameters[name]).max() <= 1 / 8


@pytest.mark.parametrize(
    ("init", "variances"),
    [
        ("xavier_uniform", (2 / (32 + 64), 2 / (64 + 64))),
        ("xavier_normal", (2 / (32 + 64), 2 / (64 + 64))),
        ("he_uniform", (2 / 32, 2 / 64)),
        ("he_normal", (2 / 32, 2 / 64)),
    ],
)
def test_xavier_and_he_take_the_fans_of_each_gate_by_itself(init, variances):
    parameters = LSTM(hidden=64, init=init).initialise(rng(), 32)
    for name, variance in zip(("W", "U"), variances, strict=True):
        for gate in np.split(parameters[name], 4, axis=1):
            assert gate.var() == pytest.approx(variance, rel=0.1)
            largest = np.abs(gate).max() / np.sqrt(variance)
            # U[±l] has variance l²/3; of thousands of normals the largest is well beyond.
            assert 1.7 < largest <= np.sqrt(3) + 1e-9 if init.endswith("uniform") else largest > 3


def test_orthogonal_makes_each_gates_recurrence_orthogonal():
    parameters = GRU(hidden=7, init="orthogonal").initialise(rng(), 3)
    for gate in np.split(parameters["U"], 3, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(7), atol=1e-12)


def test_the_identity_is_the_irnn():
    parameters = RNN(hidden=50, activation="relu", init="identity").initialise(rng(), 50)
    np.testing.assert_array_equal(parameters["U"], np.eye(50))
    assert parameters["W"].std() == pytest.approx(0.001, rel=0.1)


def test_biases_are_zero_but_for_the_forget_gates():
    parameters = LSTM(hidden=4, forget_bias=2.5).initialise(rng(), 3)
    assert parameters["b"].tolist() == [0] * 4 + [2.5] * 4 + [0] * 8
    for cell in (
        RNN(hidden=4),
        GRU(hidden=4),
        GRU(hidden=4, reset="before"),
        MGU(hidden=4),
        Feedforward(hidden=4),
    ):
        assert not cell.initialise(rng(), 3)["b"].any()


@each
def test_every_state_it_names_can_be_observed(cell: Cell):
    T, B = 3, 2
    carried = tuple(np.zeros((T + 1, B, 5)) for _ in cell.carried_names)
    record = tuple(np.zeros(shape) for shape in cell.record_shapes(T, B))
    seen = cell.observe(carried, record)
    assert list(seen) == [state.name for state in cell.states()]
    assert all(values.shape == (T, B, 5) for values in seen.values())


@pytest.mark.parametrize("kind", [RNN, Feedforward])
@pytest.mark.parametrize("activation", get_args(Activation))
def test_a_state_has_the_bounds_of_its_activation(kind: type[Cell], activation: str):
    cell = kind.model_validate({"activation": activation})
    phi = PHI[cell.variant](np.linspace(-1e6, 1e6, 1001))
    bounds = {"gate": (0, 1), "signed": (-1, 1)}.get(cell.states()[0].kind, (-np.inf, np.inf))
    assert bounds[0] <= phi.min() < phi.max() <= bounds[1]
    assert np.isinf(bounds[1]) == (phi.max() > 1)


def test_activations_have_the_numbers_of_the_kernels():
    for activation, number in VARIANTS.items():
        module = import_module(f"seqlab.kernels.{RNN(activation=activation).kernel}")
        assert getattr(module, activation.upper()) == number


def test_a_layer_without_memory_runs_in_no_direction():
    with pytest.raises(ValidationError, match="no direction to run in"):
        Feedforward(bidirectional=True)


def test_each_place_of_the_reset_gate_has_a_kernel_and_the_second_bias_goes_with_the_later_one():
    after, before = GRU(hidden=5), GRU(hidden=5, reset="before")
    assert (after.kernel, before.kernel) == ("gru", "gru_before")
    assert set(after.parameter_shapes(3)) - set(before.parameter_shapes(3)) == {"bn"}
