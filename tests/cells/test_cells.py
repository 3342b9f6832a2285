"""What surrounds the equations: shapes, initialisation, names on disk."""

import numpy as np
import pytest

from seqlab.cells import CELLS, Cell
from seqlab.cells.gru import GRU
from seqlab.cells.lstm import LSTM
from seqlab.cells.rnn import RNN

each = pytest.mark.parametrize(
    "cell", [kind(hidden=5) for kind in CELLS.values()], ids=lambda cell: cell.cell
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_cell_file_is_registered_in_order():
    assert list(CELLS) == ["rnn", "lstm", "gru"]


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
    tensors = cell.to_torch(parameters, layer=2)
    assert tensors["weight_ih_l2"].shape == (len(cell.gates) * 5, 3)
    assert tensors["weight_hh_l2"].shape == (len(cell.gates) * 5, 5)
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())
    for name, value in cell.from_torch(tensors, layer=2).items():
        assert value.tobytes() == parameters[name].tobytes(), name


@each
def test_a_second_bias_of_pytorch_is_added_to_the_first(cell: Cell):
    tensors = cell.to_torch(cell.initialise(rng(), 3), layer=0)
    tensors["bias_hh_l0"] = tensors["bias_hh_l0"] + 1.0
    loaded = cell.from_torch(tensors, layer=0)
    expected = tensors["bias_ih_l0"] + 1.0
    if isinstance(cell, GRU):  # the candidate's stays apart: it is inside the reset gate's reach
        expected[10:] -= 1.0
        np.testing.assert_array_equal(loaded["bn"], np.ones(5))
    np.testing.assert_array_equal(loaded["b"], expected)


def test_uniform_is_pytorchs_one_over_root_h():
    parameters = LSTM(hidden=64, init="uniform").initialise(rng(), 3)
    for name in ("W", "U"):
        assert 0.95 / 8 < np.abs(parameters[name]).max() <= 1 / 8


def test_glorot_takes_the_fans_of_each_gate_by_itself():
    parameters = LSTM(hidden=64, init="glorot").initialise(rng(), 32)
    for gate in np.split(parameters["W"], 4, axis=1):
        limit = np.sqrt(6 / (32 + 64))
        assert 0.95 * limit < np.abs(gate).max() <= limit


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
    for cell in (RNN(hidden=4), GRU(hidden=4)):
        assert not cell.initialise(rng(), 3)["b"].any()


@each
def test_every_state_it_names_can_be_observed(cell: Cell):
    T, B = 3, 2
    carried = tuple(np.zeros((T + 1, B, 5)) for _ in cell.carried_names)
    record = tuple(np.zeros(shape) for shape in cell.record_shapes(T, B))
    seen = cell.observe(carried, record)
    assert list(seen) == [state.name for state in cell.states()]
    assert all(values.shape == (T, B, 5) for values in seen.values())


def test_the_state_of_a_relu_network_has_no_bounds():
    assert RNN(activation="relu").states()[0].kind == "free"
    assert RNN(activation="tanh").states()[0].kind == "signed"
