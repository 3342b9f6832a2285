"""Every format is found, needs no more than it must, and writes nothing of what it refuses."""

import subprocess
import sys

import pytest

from seqlab.exports import FORMATS
from seqlab.runs.layout import RunError
from tests.exports.conftest import exported, model, run_of


def test_every_format_is_found_by_its_name_and_says_what_it_is():
    assert list(FORMATS) == ["torch", "onnx", "csv", "tensorboard", "svg", "png"]
    assert all(each.summary for each in FORMATS.values())


def test_no_format_imports_what_it_does_not_need_yet():
    code = (
        "import sys; import seqlab.exports; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"numba", "onnx", "onnxruntime", "matplotlib", "tensorboardX", "google", "torch"}
    assert not set(loaded.split()) & heavy


@pytest.mark.parametrize(
    ("to", "library"),
    [
        ("onnx", "onnx"),
        ("tensorboard", "tensorboardX"),
        ("png", "matplotlib"),
        ("svg", "matplotlib"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_holds_it(to, library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    run = run_of(model("rnn"), tmp_path / "runs")
    extra = {"onnx": "onnx", "tensorboard": "tensorboard"}.get(to, "figures")
    with pytest.raises(RunError, match=rf"{to} needs {library}, .*: pip install 'seqlab\[{extra}\]'"):
        exported(to, run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["csv", "tensorboard"])
def test_a_format_that_holds_every_step_refuses_a_choice_of_one(to, trained, tmp_path):
    with pytest.raises(RunError, match=f"{to} holds every step"):
        exported(to, trained, tmp_path / "out", step=3)


def test_a_step_that_was_not_kept_is_refused_with_those_that_were(trained, tmp_path):
    for to in ("torch", "onnx", "png"):
        with pytest.raises(RunError, match="of step 4; there are: 0, 5, 10"):
            exported(to, trained, tmp_path / "out", step=4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["csv", "tensorboard", "png"])
def test_a_run_that_has_not_begun_is_refused(to, tmp_path):
    run = run_of(model("rnn"), tmp_path / "runs")
    with pytest.raises(RunError, match=r"has no (metrics yet|frame)"):
        exported(to, run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_go_where_they_are_asked_to_else_by_the_runs_name(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    places = {None: f"{trained.name}.csv", "folder": f"folder/{trained.name}.csv", "new/a.txt": "new/a.txt"}
    for out, expected in places.items():
        made = exported("csv", trained, None if out is None else tmp_path / out)
        assert [path.resolve() for path in made.files] == [tmp_path / expected]
        assert (tmp_path / expected).read_bytes() == next(iter(made.files.values()))


def test_a_place_that_cannot_be_written_is_named(trained, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"file/a.csv: cannot be written: (File exists|Not a directory)"):
        exported("csv", trained, tmp_path / "file" / "a.csv")
