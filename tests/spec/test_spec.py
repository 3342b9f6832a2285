"""A spec is read, overridden and resolved, or refused with every error at once, each with its place."""

import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.cells import CELLS
from seqlab.choices import describe, discover
from seqlab.methods import SCHEDULES
from seqlab.spec import Spec, SpecError, load_spec, to_toml, validate
from seqlab.spec.problems import line_of
from seqlab.spec.schema import Stop, Training
from seqlab.tasks import TASKS
from tests.conftest import small

MINIMAL = {"task": {"name": "adding"}, "model": {"cell": "lstm"}}


def problems(data, overrides=()) -> list[str]:
    with pytest.raises(SpecError) as refused:
        load_spec(data, overrides)
    return [str(problem) for problem in refused.value.problems]


def test_defaults_are_filled_in():
    spec = load_spec({**MINIMAL, "training": {"steps": 4000}})
    training = spec.training
    assert (training.log_every, training.eval_every, training.frame_every, training.checkpoint_every) == (
        2,
        200,
        40,
        40,
    )
    assert (training.optimizer.name, training.clip.kind, spec.task.timesteps) == ("adam", "norm", 100)


def test_the_parameters_of_a_network_are_counted():
    assert load_spec({**MINIMAL, "model": {"cell": "lstm", "hidden": 32}}).parameters == 4_513


def test_every_error_is_told_at_once_with_file_line_choices_and_a_suggestion(tmp_path: Path):
    file = tmp_path / "bad.toml"
    file.write_text(
        '[task]\nname = "adding"\nlength = 1\n[model]\ncell = "lsmt"\n[training]\n'
        'steps = "many"\nepcohs = 3\n'
        "optimizer = { lr = -1.0 }\n"
    )
    assert problems(file) == [
        f"{file}:3: task.length: 1 is out of bounds: it must be at least 2",
        f"{file}:5: model.cell: 'lsmt' is not one of {', '.join(CELLS)} (did you mean lstm?)",
        f"{file}:7: training.steps: 'many' is not an integer",
        f"{file}:9: training.optimizer.lr: -1.0 is out of bounds: it must be above 0",
        f"{file}:8: training.epcohs: unknown field; known: {', '.join(Training.model_fields)}",
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ["task: missing", "model: missing"]),
        ({"task": {}, "model": {}}, [f"task.name: missing; it is one of {', '.join(TASKS)}"]),
        ({**MINIMAL, "task": {"name": "copy", "delay": 0}}, ["task.delay: 0 is out of bounds"]),
        (
            {**MINIMAL, "training": {"steps": 0}},
            ["training.steps: 0 is out of bounds: it must be at least 1"],
        ),
        ({**MINIMAL, "training": {"steps": True}}, ["training.steps: True is not an integer"]),
        ({**MINIMAL, "training": {"steps": 1.5}}, ["training.steps: 1.5 is not an integer"]),
        (
            {**MINIMAL, "training": {"clip": {"limit": float("nan")}}},
            ["training.clip.limit: nan is not a finite number"],
        ),
        (
            {**MINIMAL, "training": {"optimizer": {"lr": float("inf")}}},
            ["training.optimizer.lr: inf is not a finite number"],
        ),
        ({**MINIMAL, "model": 3}, ["model: 3 is not a table"]),
        ({**MINIMAL, "schema_version": 99}, ["schema_version: 99 is newer than 1"]),
        (
            {**MINIMAL, "task": {"name": "adding", "delay": 3}},
            ["task.delay: unknown field; known: name, length"],
        ),
        (
            {**MINIMAL, "task": {"name": "sine", "period": [9.0, 3.0]}},
            ["task: period: [9.0, 3.0] should go from the shortest to the longest"],
        ),
        ({**MINIMAL, "expect": [{}]}, ["expect.0: a claim names either a metric or a state"]),
        (
            {**MINIMAL, "expect": [{"metric": "eval/los", "below": 1}]},
            ["expect: claim 1: 'eval/los' is not one of train/loss"],
        ),
        (
            {**MINIMAL, "expect": [{"metric": "eval/loss", "below": {"rung": "repeat"}}]},
            ["expect: claim 1: adding has no rung 'repeat' of eval/loss; it has constant, exact, one"],
        ),
        (
            {**MINIMAL, "expect": [{"metric": "eval/loss", "below": 1, "seeds": [3, 2]}]},
            ["expect.0: seeds: [3, 2]"],
        ),
    ],
)
def test_what_is_wrong_is_said(data, expected):
    found = problems(data)
    for problem, start in zip(found, expected, strict=False):
        assert problem.startswith(start), found
    assert len(found) >= len(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "task: missing"),
        (b"\x7fELF\x02\x01\xff\xfe", "is not UTF-8 text"),
        (b"[task\nname = 1", "not a TOML file: "),
    ],
)
def test_a_file_that_is_no_spec_is_refused(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    assert any(str(file) in problem and message in problem for problem in problems(file))


def test_what_is_not_there_is_said(tmp_path: Path):
    assert problems(tmp_path / "no.toml") == [f"{tmp_path / 'no.toml'}: there is no such file"]
    assert problems(tmp_path) == [f"{tmp_path}: not a run folder: it holds no spec.toml"]
    assert "is not a file, a run folder or one of the presets" in problems("addin")[0]


def test_a_spec_that_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / "x.toml").mkdir()
    assert problems(tmp_path / "x.toml")
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    assert "no such file" in problems(loop)[0]


def test_overrides_are_toml_or_bare_strings():
    spec = load_spec(
        MINIMAL, ["training.optimizer.lr=1e-2", "model.cell=gru", 'title="a b"', "training.steps=7"]
    )
    assert (spec.training.optimizer.lr, spec.model.cell, spec.title, spec.training.steps) == (
        0.01,
        "gru",
        "a b",
        7,
    )


def test_a_new_choice_resets_the_fields_of_its_table_and_says_so_whatever_the_order():
    said: list[str] = []
    data = {"task": {"name": "adding"}, "model": {"cell": "lstm", "hidden": 64, "forget_bias": 2.0}}
    spec = load_spec(data, ["model.layers=2", "model.cell=gru"], said.append)
    assert (spec.model.cell, spec.model.hidden, spec.model.layers) == ("gru", 32, 2)
    assert said == ["model.cell = gru: back to their defaults: hidden, forget_bias"]


def test_the_same_choice_again_resets_nothing():
    said: list[str] = []
    spec = load_spec({**MINIMAL, "model": {"cell": "lstm", "hidden": 64}}, ["model.cell=lstm"], said.append)
    assert spec.model.hidden == 64
    assert not said


def test_a_bad_override_is_named():
    assert problems(MINIMAL, ["model.cell=x"]) == [
        f"-s model.cell=x: model.cell: 'x' is not one of {', '.join(CELLS)}"
    ]
    assert problems(MINIMAL, ["steps"]) == ["-s steps: an override reads a.b=value"]
    assert problems(MINIMAL, ["a..b=1"]) == ["-s a..b=1: an override reads a.b=value"]


specs = st.fixed_dictionaries(
    {
        "task": st.one_of(
            st.fixed_dictionaries({"name": st.just("adding"), "length": st.integers(2, 100_000)}),
            st.fixed_dictionaries(
                {"name": st.just("sine"), "noise": st.floats(0, 10), "period": st.just([2.5, 7.5])}
            ),
        ),
        "model": st.fixed_dictionaries(
            {"cell": st.sampled_from(["rnn", "lstm", "gru"]), "hidden": st.integers(1, 4096)}
        ),
        "training": st.fixed_dictionaries(
            {
                "steps": st.integers(1, 10**9),
                "seed": st.integers(0, 2**63 - 1),
                "optimizer": st.fixed_dictionaries({"name": st.just("sgd"), "lr": st.floats(1e-12, 1e6)}),
                "clip": st.sampled_from([{"kind": "none"}, {"kind": "value", "limit": 0.1}]),
                "loss": st.sampled_from(["", "huber"]),
                "schedule": st.sampled_from([{"kind": "step", "every": 3}, {"warmup": 5}]),
                "stop": st.sampled_from([{}, {"metric": "train/loss", "patience": 3}]),
            }
        ),
        "title": st.text(max_size=20).filter(lambda text: text.isprintable()),
    }
)


@given(specs)
@settings(deadline=None, max_examples=50)
def test_a_resolved_spec_written_and_read_again_is_the_same(data):
    spec = validate(data)
    text = to_toml(spec)
    again = validate(tomllib.loads(text))
    assert again == spec
    assert to_toml(again) == text


def test_claims_survive_being_written():
    data = {
        **MINIMAL,
        "expect": [{"metric": "eval/loss", "above": {"rung": "constant", "times": 0.85}, "at": "best"}],
    }
    spec = validate(data)
    assert validate(tomllib.loads(to_toml(spec))) == spec


def test_the_schema_lists_every_field_with_bounds_and_help():
    schema = json.dumps(Spec.model_json_schema())
    cells = discover("seqlab.cells", __import__("seqlab.cells").cells.Cell)
    for model in (Training, Stop, *SCHEDULES.values(), *cells.values()):
        for field in describe(model):
            assert field.name in schema
            assert field.help, field.name


def test_the_loss_is_the_tasks_own_unless_another_is_named():
    assert load_spec(MINIMAL).loss_name == "mse"
    spec = load_spec(MINIMAL, ["training.loss=mae"])
    assert (spec.loss_name, spec.loss.label) == ("mae", "mae")


def test_rungs_by_formula_hold_for_the_tasks_own_loss_alone():
    sine = {**MINIMAL, "task": {"name": "sine"}}
    spec = load_spec(sine, ["training.loss=huber"])
    assert load_spec(sine, ["training.loss=mse"]).rungs() == spec.task.rungs()[:3]
    assert spec.rungs() == ()
    assert [rung.name for rung in spec.rungs("eval/forecast")] == ["repeat", "zero"]  # which is always mse


def test_claims_can_be_made_of_rungs_that_are_only_measured():
    claim = {"metric": "eval/loss", "below": {"rung": "constant"}}
    spec = load_spec({**MINIMAL, "expect": [claim]}, ["training.loss=mae"])
    assert spec.expect[0].in_words() == "eval/loss below the constant rung"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["training.loss=cross_entropy"],
            "-s training.loss=cross_entropy: training.loss: 'cross_entropy' is for classes, but the targets "
            "of adding are values: one of mse, mae, huber",
        ),
        (
            ["task.name=copy", "training.loss=mse"],
            "-s training.loss=mse: training.loss: 'mse' is for values, but the targets of copy are classes: "
            "one of cross_entropy",
        ),
        (
            ["training.loss=mes"],
            "-s training.loss=mes: training.loss: 'mes' is not one of \"\", mse, mae, huber, cross_entropy, "
            "binary_cross_entropy (did you mean mse?)",
        ),
        (
            ["training.schedule.kind=cosin"],
            "-s training.schedule.kind=cosin: training.schedule.kind: 'cosin' is not one of constant, step, "
            "exponential, cosine (did you mean cosine?)",
        ),
        (
            ["training.schedule.kind=cosine", "training.schedule.lr_min=1"],
            "-s training.schedule.lr_min=1: training.schedule.lr_min: 1 is above the learning rate that it "
            "should be the least of: at most 0.001",
        ),
        (
            ["training.schedule.gamma=0.5"],
            "-s training.schedule.gamma=0.5: training.schedule.gamma: unknown field; known: kind, warmup",
        ),
        (
            ["training.stop.patience=0"],
            "-s training.stop.patience=0: training.stop.patience: 0 is out of bounds: it must be at least 1",
        ),
        (
            ["training.l2=-1"],
            "-s training.l2=-1: training.l2: -1 is out of bounds: it must be at least 0",
        ),
    ],
)
def test_a_method_that_cannot_be_is_refused_with_what_could(overrides, expected):
    assert problems(MINIMAL, overrides) == [expected]


def test_a_run_stops_early_only_on_a_metric_that_it_has(tmp_path: Path):
    file = tmp_path / "x.toml"
    file.write_text(
        '[task]\nname = "sine"\n[model]\ncell = "rnn"\n[training.stop]\nmetric = "eval/accuracy"\n'
    )
    (problem,) = problems(file)
    assert problem.startswith(
        f"{file}:6: training.stop.metric: a run of sine has no 'eval/accuracy': one of train/loss, "
    )
    assert all(
        load_spec(MINIMAL, [f"training.stop.metric={metric}"]).training.stop.metric == metric
        for metric in load_spec(MINIMAL).metrics()
    )


def test_lines_are_found_in_tables_arrays_and_tables_of_tables():
    text = "a = 1\n[t]\nb = [\n 1,\n 2]\nc = { d = 1 }\n[[e]]\nf = 1\n[[e]]\nf = 2\n"
    assert line_of(text, ("a",)) == 1
    assert line_of(text, ("t", "b")) == 5
    assert line_of(text, ("t", "c", "d")) == 6
    assert line_of(text, ("e", 1, "f")) == 10
    assert line_of(text, ("t", "missing")) == 2
    assert line_of(text, ("nowhere",)) is None


def test_errors_of_a_large_file_are_found_by_few_looks(monkeypatch):
    from seqlab.spec import problems as module

    looks = []
    loads = tomllib.loads
    monkeypatch.setattr(module.tomllib, "loads", lambda text: looks.append(text) or loads(text))
    text = "[a]\n" + "".join(f"x{n} = {n}\n" for n in range(5_000))
    assert line_of(text, ("a", "x3210")) == 3_212
    assert len(looks) < 40


def test_all_that_does_not_go_together_is_said_at_once():
    with pytest.raises(SpecError) as error:
        small(
            {"name": "order"},
            {"cell": "bilstm", "attention": True},
            truncation=5,
            stop={"metric": "eval/forecast"},
        )
    said = str(error.value).splitlines()
    places = ["model.bidirectional", "model.attention", "training.stop.metric"]
    assert [line.partition(": ")[0] for line in said] == places


@pytest.mark.parametrize(
    ("model", "training", "words"),
    [
        ({"washout": 10}, {}, "model.washout: 10 drops all steps up to the last one with a loss, 10"),
        ({}, {"l1": 0.1}, "training.l1: esn solves for its readout, and no gradient is followed: 0"),
        ({}, {"l2": 0.1}, "training.l2: esn solves"),
        ({}, {"gradient_noise": 0.1}, "training.gradient_noise: esn solves"),
        ({}, {"loss": "mae"}, "the loss here is mae: leave training.loss out"),
    ],
)
def test_what_a_readout_in_closed_form_does_not_go_with_is_refused(model, training, words):
    with pytest.raises(SpecError, match=words):
        small(None, {"cell": "esn", **model}, **training)
    assert small(None, {"cell": "esn", "washout": 9}).model.washout == 9


def test_no_line_is_told_of_a_text_that_takes_too_long_to_read_again_and_again(tmp_path: Path):
    file = tmp_path / "x.toml"
    table = '[task]\nname = "adding"\n[model]\ncell = "rnn"\nhiden = 3\n'
    file.write_text('about = """' + "\n" * 20_000 + f'"""\n{table}')
    assert [each.partition(": ")[0] for each in problems(file)] == [str(file)] * 2


def test_each_beginning_of_a_file_is_read_once_for_all_its_errors(tmp_path: Path, monkeypatch):
    from seqlab.spec import problems as module

    read = []
    loads = tomllib.loads
    monkeypatch.setattr(module.tomllib, "loads", lambda text: read.append(text) or loads(text))
    file = tmp_path / "x.toml"
    unknown = "".join(f"x{number} = 1\n" for number in range(200))
    file.write_text(f'[task]\nname = "adding"\n[model]\ncell = "rnn"\n{unknown}')
    found = problems(file)
    assert len(found) == 200
    assert found[0].startswith(f"{file}:5: model.x0: ")
    assert len(read) <= 1 + 204


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_in_a_run_folder_a_spec_that_is_no_file_is_refused_at_once(tmp_path: Path, make):
    make(tmp_path / "spec.toml")
    with pytest.raises(SpecError, match=r"spec\.toml: cannot be read: ") as error:
        load_spec(tmp_path)
    assert str(error.value).count(str(tmp_path)) == 1


def test_a_spec_that_is_too_long_is_not_read(tmp_path: Path):
    (tmp_path / "spec.toml").touch()
    os.truncate(tmp_path / "spec.toml", 1 << 42)
    for source in (tmp_path, tmp_path / "spec.toml"):
        with pytest.raises(SpecError, match="cannot be read: longer than 1048576 bytes"):
            load_spec(source)


def test_a_spec_that_a_person_names_may_be_a_link(tmp_path: Path):
    (tmp_path / "mine.toml").write_text('[task]\nname = "adding"\n[model]\ncell = "rnn"\n')
    (tmp_path / "spec.toml").symlink_to("mine.toml")
    assert load_spec(tmp_path / "spec.toml").task.name == "adding"
