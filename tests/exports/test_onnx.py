"""An ONNX model says what the network says, in two runtimes that are not ours."""

import re
import sys
from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from seqlab.cells.activations import KINDS
from seqlab.export import outputs_of
from seqlab.exports.onnx import TOLERANCE, compare, in_reference, in_runtime
from seqlab.exports.onnx_model import build
from seqlab.runs.layout import RunError
from tests.exports.conftest import encoded, exported, model, run_of, weights_of

DEEP = {"layers": 2, "bidirectional": True, "residual": True}

IN_BOTH = {
    "rnn tanh": model("rnn"),
    "rnn identity": model("rnn", activation="identity"),
    "rnn deep": model("rnn", **DEEP),
    "lstm": model("lstm"),
    "lstm deep": model("lstm", **DEEP, dropout=0.3),
    "lstm peepholes": model("lstm", peepholes=True),
    "peephole_lstm deep": model("peephole_lstm", **DEEP),
    "gru": model("gru"),
    "gru deep": model("gru", **DEEP),
    "gru before": model("gru", reset="before"),
    "gru before deep": model("gru", reset="before", **DEEP),
    "esn": model("esn"),
    "float64": model("gru", "float64"),
    **{f"feedforward {name}": model("feedforward", activation=name) for name in KINDS},
    "feedforward deep": model("feedforward", layers=3, residual=True),
    "rnn encoded": encoded("rnn", layers=2, residual=True),
    "lstm encoded": encoded("peephole_lstm", layers=2),
    "gru attention": encoded("gru", reset="before", layers=2, attention=True),
    "feedforward attention": encoded("feedforward", attention=True),
}
IN_RUNTIME = {
    **{f"rnn {name}": model("rnn", activation=name) for name in KINDS if name not in ("tanh", "identity")},
    "rnn hard deep": model("rnn", activation="hard_sigmoid", **DEEP),
    "rnn leaky deep": model("rnn", activation="leaky_relu", **DEEP),
    "lstm coupled": model("lstm", forget="coupled"),
    "lstm hard": model("lstm", gate_activation="hard_sigmoid"),
    "lstm everything": model(
        "lstm", peepholes=True, forget="coupled", gate_activation="hard_sigmoid", **DEEP
    ),
}
"""What onnx.reference would run as something else."""

UNSAYABLE = {
    'cell = "mgu"': model("mgu"),
    'forget = "none"': model("lstm", forget="none"),
    "layer_norm = true": model("gru", layer_norm=True),
    "leak = 0.25": model("esn", leak=0.25),
}


def inputs_of(spec):
    return spec.task.batch(0, "probe", 0, 8).inputs


@pytest.mark.parametrize("spec", IN_BOTH.values(), ids=IN_BOTH)
def test_a_model_says_what_the_network_says_in_the_reference(spec):
    weights = {name: value.astype(np.float32) for name, value in weights_of(spec).items()}
    ours = outputs_of(spec, weights, inputs_of(spec), None)[spec.task.encoder_steps :]
    assert compare("", in_reference(build(spec, weights), inputs_of(spec)), ours) <= TOLERANCE


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="there is no onnxruntime")
@pytest.mark.parametrize("spec", {**IN_BOTH, **IN_RUNTIME}.values(), ids={**IN_BOTH, **IN_RUNTIME})
def test_a_model_says_what_the_network_says_in_onnxruntime(spec):
    weights = {name: value.astype(np.float32) for name, value in weights_of(spec).items()}
    ours = outputs_of(spec, weights, inputs_of(spec), None)[spec.task.encoder_steps :]
    assert compare("", in_runtime(build(spec, weights), inputs_of(spec)), ours) <= TOLERANCE


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="there is no onnxruntime")
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_with_lengths_the_backward_direction_starts_where_each_sequence_ends(cell):
    spec = model(cell, layers=2, bidirectional=True)
    weights, x = weights_of(spec), inputs_of(spec)
    lengths = np.array([7, 6, 5, 4, 3, 2, 1, 7])
    ours = outputs_of(spec, weights, x, lengths)
    theirs = in_runtime(build(spec, weights, with_lengths=True), x, lengths)
    assert compare("", theirs, ours, lengths) <= TOLERANCE
    with pytest.raises(RunError, match="is not right"):
        compare("", in_runtime(build(spec, weights), x), ours, lengths)


@pytest.mark.parametrize("name", ["gru", "lstm everything", "gru attention"])
def test_the_command_checks_and_writes_opset_14_with_ir_7(name, tmp_path):
    spec = {**IN_BOTH, **IN_RUNTIME}[name]
    made = exported("onnx", run_of(spec, tmp_path / "runs"), tmp_path / "n.onnx", outputs=outputs_of)
    checked = [note.partition(" says")[0] for note in made.notes[1:]]
    assert checked == ["onnx.reference"] * (name != "lstm everything") + ["onnxruntime"] * bool(
        find_spec("onnxruntime")
    )
    model_ = onnx.load(tmp_path / "n.onnx")
    assert (model_.ir_version, [each.version for each in model_.opset_import]) == (7, [14])
    onnx.checker.check_model(model_, full_check=True)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model_.graph.input, *model_.graph.output)
    }
    assert shapes == {"inputs": ["timesteps", "batch", 4], "outputs": ["timesteps", "batch", 3]}


def test_equal_weights_give_equal_files(tmp_path):
    run = run_of(model("gru"), tmp_path / "runs")
    for name in ("a", "b"):
        exported("onnx", run, tmp_path / name, outputs=outputs_of)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("named", "spec"), UNSAYABLE.items(), ids=UNSAYABLE)
def test_what_onnx_cannot_say_is_refused_by_name_and_nothing_written(named, spec, tmp_path):
    with pytest.raises(RunError, match=f"ONNX cannot say this: model.{re.escape(named)}: it can say"):
        exported("onnx", run_of(spec, tmp_path / "runs"), tmp_path / "out", outputs=outputs_of)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(1e-3, "onnx.reference says something else than the network"), (np.nan, "not all finite")],
)
def test_a_model_that_says_something_else_is_not_written(wrong, why, tmp_path):
    def other(*arguments):
        return outputs_of(*arguments) + np.float32(wrong)

    with pytest.raises(RunError, match=why):
        exported("onnx", run_of(model("gru"), tmp_path / "runs"), tmp_path / "out", outputs=other)
    assert not (tmp_path / "out").exists()


def test_what_no_runtime_can_check_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    run = run_of(IN_RUNTIME["lstm coupled"], tmp_path / "runs")
    with pytest.raises(RunError, match=r"onnx needs onnxruntime, .*: pip install 'seqlab\[onnx\]'"):
        exported("onnx", run, tmp_path / "out", outputs=outputs_of)
    assert not (tmp_path / "out").exists()
    made = exported("onnx", run_of(model("gru"), tmp_path / "runs"), tmp_path / "out", outputs=outputs_of)
    assert len(made.notes) == 2
