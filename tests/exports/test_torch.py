"""What is written for PyTorch is the checkpoint's weights under its names, and comes back in bit for bit."""

import json
import re

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from seqlab.export import outputs_of
from seqlab.runs import tensors
from seqlab.runs.initial import read_weights
from seqlab.runs.layout import RunError
from tests.conftest import small
from tests.exports.conftest import encoded, exported, model, run_of, weights_of

SAYABLE = {
    "rnn": model("rnn"),
    "relu": model("rnn", activation="relu", layers=3, residual=False),
    "lstm": model("lstm", layers=2, bidirectional=True, dropout=0.5, init="orthogonal", chrono=9),
    "gru": model("gru", bidirectional=True),
    "float64": model("gru", "float64", layers=2),
    "reservoir": model("esn"),
    "nothing to add to": model("gru", hidden=5, residual=True),
    "encoded": encoded("lstm", layers=2),
    "attention": encoded("gru", attention=True),
}

UNSAYABLE = {
    "peepholes = true": model("lstm", peepholes=True),
    'cell = "peephole_lstm"': model("peephole_lstm"),
    'forget = "coupled"': model("lstm", forget="coupled"),
    'forget = "none"': model("lstm", forget="none"),
    'gate_activation = "hard_sigmoid"': model("lstm", gate_activation="hard_sigmoid"),
    'reset = "before"': model("gru", reset="before"),
    'cell = "mgu"': model("mgu"),
    'cell = "feedforward"': model("feedforward"),
    "layer_norm = true": model("lstm", layer_norm=True),
    "residual = true": model("lstm", layers=2, residual=True),
    'activation = "softsign"': model("rnn", activation="softsign"),
    "leak = 0.5": model("esn", leak=0.5),
}


@pytest.mark.parametrize("spec", SAYABLE.values(), ids=SAYABLE)
def test_the_file_holds_the_weights_bit_for_bit_under_torchs_names(spec, tmp_path):
    weights = weights_of(spec)
    path = tmp_path / "w.safetensors"
    exported("torch", run_of(spec, tmp_path / "runs", weights), path)
    found = load_file(path)
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert (found[name].dtype, found[name].tobytes()) == (value.dtype, value.tobytes())


@pytest.mark.parametrize(("cell", "order"), [("rnn", "h"), ("lstm", "i,f,g,o"), ("gru", "r,z,n")])
def test_the_metadata_says_the_format_and_the_order_of_gates(cell, order, tmp_path):
    exported("torch", run_of(model(cell), tmp_path / "runs"), tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", "np") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["gate_order"]) == ("pt", order)
    assert json.loads(metadata["seqlab"])["step"] == 7


@pytest.mark.parametrize("name", [name for name in SAYABLE if name != "reservoir"])
def test_what_goes_out_comes_back_in_bit_for_bit(name, tmp_path):
    spec = SAYABLE[name]
    weights = weights_of(spec)
    exported("torch", run_of(spec, tmp_path / "runs", weights), tmp_path / "w.safetensors")
    found, _ = tensors.decode(read_weights(tmp_path / "w.safetensors", spec))
    assert found.keys() == weights.keys()
    for key, value in weights.items():
        assert found[key].tobytes() == value.tobytes()


@pytest.mark.parametrize(("named", "spec"), UNSAYABLE.items(), ids=UNSAYABLE)
def test_what_torch_cannot_say_is_refused_by_name_and_nothing_written(named, spec, tmp_path):
    with pytest.raises(RunError, match=f"PyTorch cannot say this: model.{re.escape(named)}: it can say"):
        exported("torch", run_of(spec, tmp_path / "runs"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_everything_that_cannot_be_said_is_said_at_once(tmp_path):
    spec = model("lstm", peepholes=True, forget="coupled")
    with pytest.raises(RunError) as error:
        exported("torch", run_of(spec, tmp_path / "runs"), tmp_path / "out")
    assert len(str(error.value).splitlines()) == 2


def test_weights_without_a_place_are_refused(tmp_path):
    spec = model("lstm")
    weights = {**weights_of(spec), "embedding.weight": np.zeros((4, 4), np.float32)}
    with pytest.raises(RunError, match=r"no place for its weights embedding\.weight"):
        exported("torch", run_of(spec, tmp_path / "runs", weights), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "layer", "readout"),
    [
        ("rnn", "RNN(4, 4, nonlinearity='tanh')", "Linear(4, 3)"),
        ("relu", "RNN(4, 4, num_layers=3, nonlinearity='relu')", "Linear(4, 3)"),
        ("lstm", "LSTM(4, 4, num_layers=2, bidirectional=True)", "Linear(8, 3)"),
        ("gru", "GRU(4, 4, bidirectional=True)", "Linear(8, 3)"),
        ("float64", "GRU(4, 4, num_layers=2, dtype=torch.float64)", "Linear(4, 3, dtype=torch.float64)"),
        ("reservoir", "RNN(2, 4)", "Linear(4, 1)"),
        ("encoded", "LSTM(4, 4, num_layers=2)", "Linear(4, 3)"),
        ("attention", "GRU(4, 4)", "Linear(8, 3)"),
    ],
)
def test_the_code_that_comes_with_it_builds_the_module(name, layer, readout, tmp_path):
    run = run_of(SAYABLE[name], tmp_path / "runs")
    path = tmp_path / "it's.safetensors"
    snippet = exported("torch", run, path).snippet
    compile(snippet, "snippet", "exec")
    assert f"torch.nn.{layer}\n" in snippet
    assert f"torch.nn.{readout}\n" in snippet
    assert f"load_file({str(path)!r})" in snippet


@pytest.mark.parametrize("name", SAYABLE)
def test_in_torch_the_module_says_what_we_say(name, tmp_path):
    torch = pytest.importorskip("torch")
    spec = SAYABLE[name]
    weights = weights_of(spec)
    run = run_of(spec, tmp_path / "runs", weights)
    built: dict = {}
    exec(exported("torch", run, tmp_path / "w.safetensors").snippet, built)
    x = spec.task.batch(0, "probe", 0, 8).inputs
    theirs = built["network"](torch.from_numpy(x).to(built["network"].readout.weight.dtype))
    ours = outputs_of(spec, weights, x, None)[spec.task.encoder_steps :]
    np.testing.assert_allclose(theirs.detach().numpy(), ours, atol=1e-5)


def test_in_torch_sequences_of_unequal_length_are_read_backwards_from_their_own_ends(tmp_path):
    spec = small({"name": "order", "length": 12, "shortest": 10}, {"cell": "bilstm", "layers": 2})
    weights = weights_of(spec)
    snippet = exported("torch", run_of(spec, tmp_path / "runs", weights), tmp_path / "w.safetensors").snippet
    compile(snippet, "snippet", "exec")
    assert "def forward(self, inputs, lengths):" in snippet
    torch = pytest.importorskip("torch")
    built: dict = {}
    exec(snippet, built)
    batch = spec.task.batch(0, "probe", 0, 8)
    theirs = built["network"](torch.from_numpy(batch.inputs), torch.from_numpy(batch.lengths))
    ours = outputs_of(spec, weights, batch.inputs, batch.lengths)
    asked = batch.mask > 0
    np.testing.assert_allclose(theirs.detach().numpy()[asked], ours[asked], atol=1e-5)
