from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from seqlab.runs import layout, liveness
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec, load_spec, to_toml
from tests.runs.test_listing import someone_else

from .conftest import output


def test_a_new_run_is_named_by_time_task_and_cell_and_is_whole(tmp_path: Path, spec: Spec) -> None:
    folder = layout.create_run(spec, tmp_path / "not" / "there yet")
    assert re.fullmatch(r"\d{8}-\d{6}-adding-rnn-[a-z2-7]{6}", folder.name)
    assert folder.parent == tmp_path / "not" / "there yet"
    expected = {layout.SPEC, layout.STATUS, layout.FRAMES, layout.CHECKPOINTS, layout.CONTROL}
    assert set(os.listdir(folder)) == expected
    assert load_spec(folder / layout.SPEC) == spec
    status = liveness.read_status(folder)
    assert (status.state, status.step, status.steps, status.pid) == ("starting", 0, 100, None)


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path: Path, spec: Spec) -> None:
    assert len({layout.create_run(spec, tmp_path) for _ in range(20)}) == 20


def test_a_run_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from seqlab.runs import layout
from seqlab.spec import load_spec
spec = load_spec(eval(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
try:
    layout.create_run(spec, Path(sys.argv[1]))
except layout.RunError as error:
    print(error)
"""
    said = output(code, tmp_path, {"task": {"name": "adding"}, "model": {"cell": "rnn"}})
    assert re.search(r"/\d{8}-\d{6}-adding-rnn-.{6}: cannot make the run: File too large", said)
    assert os.listdir(tmp_path) == []


def test_a_place_where_no_folder_can_be_made_is_named(tmp_path: Path, spec: Spec) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match=r"file/runs: cannot make a run folder here: Not a directory"):
        layout.create_run(spec, tmp_path / "file" / "runs")


def test_home_is_the_chosen_folder_else_the_platforms(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQLAB_HOME", str(tmp_path))
    assert layout.home() == tmp_path
    monkeypatch.setenv("SEQLAB_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert layout.home().parts[-2:] == ("seqlab", "runs")


def named(parent: Path, name: str) -> Path:
    (parent / name).mkdir(parents=True)
    (parent / name / layout.SPEC).write_text("")
    (parent / name / layout.STATUS).write_text("{}")
    return parent / name


def test_runs_are_listed_newest_first_and_other_things_are_not(tmp_path: Path) -> None:
    names = [
        "20260102-000000-copy-lstm-aaaaaa",
        "20260101-235959-copy-lstm-zzzzzz",
        "20251231-000000-copy-gru-bbbbbb",
    ]
    for name in reversed(names):
        named(tmp_path, name)
    (tmp_path / "20270101-000000-half-made-cccccc").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert [run.name for run in layout.list_runs(tmp_path)] == names
    assert layout.list_runs(tmp_path / "nowhere") == []
    assert layout.list_runs(tmp_path / "notes.txt") == []


def test_hidden_folders_are_not_listed(tmp_path: Path) -> None:
    named(tmp_path, ".deleted-0123456789abcdef")
    assert layout.list_runs(tmp_path) == []


def test_names_that_strangers_chose_are_listed_as_plain_text(tmp_path: Path) -> None:
    named(tmp_path, "evil\x1b[2J")
    with pytest.raises(RunError, match=r"the newest are:\n  evil\\x1b\[2J$"):
        layout.find_run("x", tmp_path)


def test_a_renamed_run_is_listed_by_the_time_of_its_spec(tmp_path: Path) -> None:
    old, renamed = named(tmp_path, "20000101-000000-copy-lstm-aaaaaa"), named(tmp_path, "my best")
    assert layout.list_runs(tmp_path) == [renamed, old]


def test_a_run_is_found_by_path_name_and_unique_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = named(tmp_path, "20260101-000000-copy-lstm-aaaaaa")
    second = named(tmp_path, "20260102-000000-copy-lstm-bbbbbb")
    longer = named(tmp_path, "20260102-000000-copy-lstm-bbbbbb-again")
    assert layout.find_run(str(first)) == first
    assert layout.find_run(first.name, tmp_path) == first
    assert layout.find_run("20260101", tmp_path) == first
    assert layout.find_run(second.name, tmp_path) == second  # though it is the start of another
    monkeypatch.chdir(tmp_path)
    assert layout.find_run(longer.name, tmp_path / "elsewhere") == longer
    monkeypatch.chdir(longer)
    assert layout.find_run(".") == longer


def test_an_ambiguous_or_unknown_run_is_refused_with_the_candidates(tmp_path: Path) -> None:
    for day in range(10, 20):
        named(tmp_path, f"202601{day}-000000-copy-lstm-aaaaaa")
    with pytest.raises(
        RunError, match=r"(?s)'2026011' could be any of 10 runs:\n  20260119-.*\n  … and 2 more$"
    ) as error:
        layout.find_run("2026011", tmp_path)
    assert str(error.value).count("\n") == 9
    with pytest.raises(RunError, match=r"is called '1999'; the newest are:\n  20260119"):
        layout.find_run("1999", tmp_path)
    with pytest.raises(RunError, match=r"no run is called 'x': there are none in .*empty"):
        layout.find_run("x", tmp_path / "empty")


def test_a_path_that_is_no_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    half = named(tmp_path, "half")
    (half / layout.STATUS).unlink()
    for name, why in {
        "gone": "there is no such folder",
        "file": "is a file; a run is a folder",
        "empty": r"is not a run folder: it has no spec\.toml",
        "half": r"is not a run folder: it has no status\.json",
    }.items():
        with pytest.raises(RunError, match=f"{name}: {why}"):
            layout.find_run(str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"empty: is not a run folder"):
        layout.find_run("empty", tmp_path / "nowhere")


def test_the_digest_is_that_of_the_spec_alone(tmp_path: Path, spec: Spec) -> None:
    one, two = layout.create_run(spec, tmp_path), layout.create_run(spec, tmp_path)
    assert layout.spec_digest(one) == layout.spec_digest(two)
    other = spec.model_copy(update={"title": "another"})
    (two / layout.SPEC).write_text(to_toml(other))
    assert layout.spec_digest(one) != layout.spec_digest(two)
    with pytest.raises(RunError, match=r"spec.toml: cannot be read"):
        layout.spec_digest(tmp_path)


INNER = ["frames", "checkpoints", "control", "origin", "origin/checkpoints"]


@pytest.mark.parametrize("name", INNER)
def test_a_run_with_a_link_for_a_folder_is_left_alone(folder: Path, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    for step in (1, 70):
        (precious / layout.numbered(step)).write_text("mine")
    (precious / ".000000070.safetensors.17.0a0b.tmp").write_text("mine")
    before = {each: each.read_text() for each in precious.iterdir()}
    if name == "origin/checkpoints":
        (folder / "origin").mkdir()
    shutil.rmtree(folder / name, ignore_errors=True)
    os.symlink(precious, folder / name)
    for use in (layout.check_run, RunReader, RunWriter):
        with pytest.raises(RunError, match=f"is left alone: its {name} is a link"):
            use(folder)
    assert {each: each.read_text() for each in precious.iterdir()} == before


def test_a_folder_that_becomes_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    reader = RunReader(folder)
    (folder / "frames").rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", folder / "frames")
    with pytest.raises(RunError, match="its frames is a link"):
        reader.poll()


def test_a_run_that_is_closed_to_us_says_so(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # where also someone without rights can look
        os.chmod(place, 0o755)
        run = Path(shutil.copytree(folder, Path(place) / "run"))
        reader = RunReader(run)
        os.chmod(run, 0o000)
        try:
            with someone_else():
                assert not layout.is_run(run)
                for use in (layout.check_run, RunReader, RunWriter, lambda run: reader.poll()):
                    with pytest.raises(RunError, match=r"cannot be opened: Permission denied$"):
                        use(run)
        finally:
            os.chmod(run, 0o755)


def test_an_error_names_its_path_once(folder: Path) -> None:
    (folder / layout.SPEC).unlink()
    (folder / layout.SPEC).symlink_to("/dev/null")
    with pytest.raises(RunError) as error:
        layout.spec_digest(folder)
    assert str(error.value).count(str(folder)) == 1


def test_a_file_may_bear_any_time(folder: Path) -> None:
    renamed = folder.rename(folder.with_name("mine"))
    for when in (-(2**40), 2**50):
        with contextlib.suppress(OSError, OverflowError):  # not every disk keeps such times
            os.utime(renamed / layout.SPEC, (when, when))
        assert layout.list_runs(folder.parent) == [renamed]
