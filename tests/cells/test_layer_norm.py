"""Layer normalisation inside cells: what it adds, how that starts, its names on disk, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError

from seqlab.cells import CELLS, Cell
from seqlab.cells.gru import GRU
from seqlab.cells.lstm import LSTM
from seqlab.cells.peephole_lstm import PeepholeLSTM
from seqlab.cells.rnn import RNN

CASES = [
    RNN(hidden=5, layer_norm=True),
    RNN(hidden=5, activation="identity", layer_norm=True),
    GRU(hidden=5, layer_norm=True),
    LSTM(hidden=5, layer_norm=True),
    LSTM(hidden=5, forget="none", layer_norm=True),
    PeepholeLSTM(hidden=5, forget="coupled", layer_norm=True),
]
each = pytest.mark.parametrize("cell", CASES, ids=lambda cell: f"{cell.cell}-{cell.variant}")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def without(cell: Cell) -> Cell:
    return type(cell).model_validate({**cell.model_dump(), "layer_norm": False})


def test_three_cells_and_their_varieties_know_it():
    knowing = [name for name, kind in CELLS.items() if "layer_norm" in kind.model_fields]
    assert knowing == ["rnn", "lstm", "gru", "peephole_lstm"]


@each
def test_it_has_a_kernel_of_its_own(cell: Cell):
    assert cell.kernel == f"{cell.cell.removeprefix('peephole_')}_norm"
    assert not without(cell).kernel.endswith("_norm")


@each
def test_gains_are_one_for_each_number_of_a_row(cell: Cell):
    shapes = cell.parameter_shapes(3)
    assert shapes["gx"] == shapes["gh"] == shapes["b"]
    assert ("gc" in shapes) == ("c" in cell.carried_names)


@each
def test_gains_start_at_1_the_shift_at_0_and_all_else_as_without(cell: Cell):
    parameters, plain = cell.initialise(rng(), 3), without(cell).initialise(rng(), 3)
    for name, value in plain.items():
        np.testing.assert_array_equal(parameters[name], value)
    for name in ("gx", "gh", *(("gc",) if "gc" in parameters else ())):
        np.testing.assert_array_equal(parameters[name], 1)
    assert not np.any(parameters.get("bc", 0))


@each
def test_parameters_go_to_disk_and_back_to_the_last_bit(cell: Cell):
    draw = rng()
    parameters = {
        name: draw.standard_normal(shape).astype(np.float32)
        for name, shape in cell.parameter_shapes(3).items()
    }
    tensors = cell.to_torch(parameters, layer=1)
    loaded = cell.from_torch(tensors, layer=1)
    assert loaded.keys() == parameters.keys()
    for name, value in loaded.items():
        assert value.tobytes() == parameters[name].tobytes(), name
    assert not any(np.shares_memory(t, p) for t in tensors.values() for p in parameters.values())


def test_names_on_disk():
    cell = LSTM(hidden=5, layer_norm=True)
    names = set(cell.to_torch(cell.initialise(rng(), 3), layer=0))
    names -= set(LSTM(hidden=5).to_torch(LSTM(hidden=5).initialise(rng(), 3), layer=0))
    assert names == {"norm_ih_l0", "norm_hh_l0", "norm_c_weight_l0", "norm_c_bias_l0"}


@pytest.mark.parametrize("name", ["norm_ih_l0", "norm_hh_l0", "norm_c_weight_l0", "norm_c_bias_l0"])
def test_a_missing_tensor_is_named(name: str):
    cell = LSTM(hidden=5, layer_norm=True)
    tensors = cell.to_torch(cell.initialise(rng(), 3), layer=0)
    del tensors[name]
    with pytest.raises(KeyError, match=name):
        cell.from_torch(tensors, layer=0)


def test_a_gru_reset_before_the_product_is_refused():
    with pytest.raises(
        ValidationError, match="reset = 'before' there is no such product: use reset = 'after'"
    ):
        GRU(reset="before", layer_norm=True)


@pytest.mark.parametrize("kind", [RNN, LSTM, PeepholeLSTM, GRU])
def test_a_row_of_one_number_is_refused(kind: type[Cell]):
    with pytest.raises(
        ValidationError, match=r"with hidden = 1 there is a single number .* hidden = 2 or more"
    ):
        kind.model_validate({"hidden": 1, "layer_norm": True})
