"""The LSTM's options: what starts how, what is on disk and on the panels, and what is refused."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from seqlab.cells import CELLS
from seqlab.cells.lstm import LSTM
from seqlab.cells.peephole_lstm import PeepholeLSTM
from seqlab.kernels import lstm_options

OPTIONS = [
    {"peepholes": peepholes, "forget": forget, "gate_activation": activation}
    for peepholes, forget, activation in itertools.product(
        (False, True), ("own", "coupled", "none"), ("sigmoid", "hard_sigmoid")
    )
]
each = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@each
def test_every_combination_has_a_variant_of_its_own(options):
    cell = LSTM(**options)
    assert [LSTM(**other).variant for other in OPTIONS].count(cell.variant) == 1
    assert cell.kernel == ("lstm_options" if cell.variant else "lstm")


def test_variants_are_the_kernels():
    assert LSTM(peepholes=True).variant == lstm_options.PEEPHOLES
    assert LSTM(forget="coupled").variant == lstm_options.COUPLED
    assert LSTM(forget="none").variant == lstm_options.NO_FORGET
    assert LSTM(gate_activation="hard_sigmoid").variant == lstm_options.HARD


def test_a_plain_lstm_has_no_parameters_beside_its_own():
    assert LSTM(hidden=5).parameter_shapes(3) == {"W": (3, 20), "U": (5, 20), "b": (20,)}


@pytest.mark.parametrize("forget", ["coupled", "none"])
def test_there_are_no_parameters_of_a_forget_gate_that_is_not_there(forget):
    shapes = LSTM(hidden=5, forget=forget, peepholes=True).parameter_shapes(3)
    assert shapes == {"W": (3, 15), "U": (5, 15), "b": (15,), "pi": (5,), "pf": (0,), "po": (5,)}


@each
def test_parameters_go_to_disk_and_back_to_the_last_bit(options):
    cell, draw = LSTM(hidden=5, **options), rng()
    parameters = {
        name: draw.standard_normal(shape).astype(np.float32)
        for name, shape in cell.parameter_shapes(3).items()
    }
    parameters["b"][0] = -0.0
    tensors = cell.to_torch(parameters, layer=1)
    loaded = cell.from_torch(tensors, layer=1)
    assert list(loaded) == list(parameters)
    for name, value in loaded.items():
        assert (value.shape, value.dtype) == (parameters[name].shape, np.float32)
        assert value.tobytes() == parameters[name].tobytes(), name
    assert not any(np.shares_memory(tensors[on_disk], p) for on_disk in tensors for p in parameters.values())


@pytest.mark.parametrize(("forget", "gates"), [("own", "ifo"), ("coupled", "io"), ("none", "io")])
def test_peepholes_are_vectors_of_their_own_on_disk(forget, gates):
    cell = PeepholeLSTM(hidden=5, forget=forget)
    tensors = cell.to_torch(cell.initialise(rng(), 3), layer=0)
    common = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(tensors) == common + [f"weight_p{gate}_l0" for gate in gates]
    assert all(tensors[f"weight_p{gate}_l0"].shape == (5,) for gate in gates)


def test_without_peepholes_nothing_of_them_is_on_disk():
    cell = LSTM(hidden=5, forget="coupled")
    assert not [name for name in cell.to_torch(cell.initialise(rng(), 3), layer=0) if "_p" in name]


def test_a_missing_peephole_is_named():
    cell = PeepholeLSTM(hidden=5)
    tensors = cell.to_torch(cell.initialise(rng(), 3), layer=0)
    del tensors["weight_pf_l0"]
    with pytest.raises(KeyError, match="weight_pf_l0"):
        cell.from_torch(tensors, layer=0)


def test_a_peephole_lstm_starts_as_the_lstm_that_it_would_be_without():
    plain, seeing = LSTM(hidden=5).initialise(rng(), 3), PeepholeLSTM(hidden=5).initialise(rng(), 3)
    for name, value in plain.items():
        np.testing.assert_array_equal(seeing[name], value)
    assert not any(seeing[name].any() for name in ("pi", "pf", "po"))


@pytest.mark.parametrize("forget", ["coupled", "none"])
def test_without_a_forget_gate_all_biases_start_at_zero(forget):
    cell = LSTM(hidden=4, forget=forget)
    assert cell.forget_bias == 0
    assert not cell.initialise(rng(), 3)["b"].any()


def test_chrono_spreads_the_memories_of_units_evenly_up_to_its_length():
    cell = LSTM(hidden=4_000, chrono=101)
    i, f, rest = np.split(cell.initialise(rng(), 1)["b"], [4_000, 8_000])
    np.testing.assert_array_equal(i, -f)
    timesteps = np.exp(f)
    assert 1 <= timesteps.min() < timesteps.max() <= 100
    shares, _ = np.histogram(timesteps, bins=3, range=(1, 100))
    np.testing.assert_allclose(shares / 4_000, 1 / 3, atol=0.03)
    assert not rest.any()


def test_the_shortest_chrono_starts_half_open():
    assert not LSTM(hidden=4, chrono=2).initialise(rng(), 3)["b"].any()


def test_chrono_takes_the_place_of_the_forget_bias():
    assert LSTM().forget_bias == 1
    assert LSTM(chrono=100).forget_bias == 0
    resolved = LSTM(chrono=100).model_dump()
    assert LSTM(**resolved) == LSTM(chrono=100)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"chrono": 1}, "chrono: 1 timestep is no memory"),
        ({"chrono": 50, "forget": "coupled"}, "chrono: 50 .* forget = 'coupled'"),
        ({"chrono": 50, "forget": "none"}, "chrono: 50 .* forget = 'none'"),
        ({"chrono": 50, "forget_bias": 1.0}, "forget_bias: 1 has no place beside chrono = 50"),
        ({"forget": "coupled", "forget_bias": 1.0}, "forget_bias: 1 .* forget = 'coupled'"),
        ({"forget": "none", "forget_bias": -2.0}, "forget_bias: -2 .* forget = 'none'"),
        ({"chrono": -1}, "greater than or equal to 0"),
        ({"forget": "always"}, "'own', 'coupled' or 'none'"),
        ({"gate_activation": "relu"}, "'sigmoid' or 'hard_sigmoid'"),
    ],
)
@pytest.mark.parametrize("kind", [LSTM, PeepholeLSTM])
def test_what_does_not_go_together_is_refused(kind, fields, words):
    with pytest.raises(ValidationError, match=words):
        kind(**fields)


def test_the_peepholes_of_a_peephole_lstm_cannot_be_set():
    assert "peepholes" not in PeepholeLSTM.model_fields
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        PeepholeLSTM(peepholes=False)


@each
def test_gates_are_observed_by_name_and_a_coupled_one_as_the_rest_of_the_input_gate(options):
    cell, draw = LSTM(hidden=5, **options), rng()
    h, c = draw.random((2, 4, 2, 5), np.float32)
    record = tuple(draw.random(shape, np.float32) for shape in cell.record_shapes(3, 2))
    seen = cell.observe((h, c), record)
    assert list(seen) == [state.name for state in cell.states()]
    assert all(values.shape == (3, 2, 5) and values.dtype == np.float32 for values in seen.values())
    assert ("f" in seen) == (cell.forget != "none")
    if cell.forget == "coupled":
        np.testing.assert_array_equal(seen["f"], 1 - seen["i"])
    np.testing.assert_array_equal(seen["o"], record[0][-1])
    np.testing.assert_array_equal(seen["c"], c[1:])


def test_peephole_lstm_is_found_under_its_own_name():
    assert CELLS["peephole_lstm"].model_validate({}).kernel == "lstm_options"
