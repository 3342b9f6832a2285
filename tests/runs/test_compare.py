from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.runs import layout
from seqlab.runs.compare import Difference, differences
from seqlab.runs.layout import RunError
from tests.conftest import small


def made(home: Path, *arguments: object, **training: object) -> Path:
    return layout.create_run(small(*arguments, **training), home)  # type: ignore[arg-type]


def test_equal_specs_do_not_differ(tmp_path: Path) -> None:
    assert differences([made(tmp_path), made(tmp_path)]) == []


def test_only_fields_that_differ_are_named_table_by_table(tmp_path: Path) -> None:
    folders = [
        made(tmp_path),
        made(tmp_path, {"length": 20}, optimizer={"lr": 0.5}),
        made(tmp_path, {"length": 20}, {"hidden": 8}),
    ]
    assert differences(folders) == [
        Difference("task.length", (10, 20, 20)),
        Difference("model.hidden", (4, 4, 8)),
        Difference("training.optimizer.lr", (0.001, 0.5, 0.001)),
    ]


def test_a_field_that_one_has_not_is_none_there(tmp_path: Path) -> None:
    found = {
        each.field: each.values for each in differences([made(tmp_path), made(tmp_path, {"name": "copy"})])
    }
    assert found["task.name"] == ("adding", "copy")
    assert found["task.length"] == (10, None)
    assert found["task.delay"][0] is None
    assert [name.partition(".")[0] for name in found] == sorted(
        (name.partition(".")[0] for name in found), key=["task", "model", "training"].index
    )


def test_titles_and_explanations_are_no_differences(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path)
    spec = second / layout.SPEC
    spec.write_text('title = "x"\nabout = "y"\n' + spec.read_text().partition("\n\n")[2])
    assert differences([first, second]) == []


@pytest.mark.parametrize("content", [b"[task", b"\xff", b"a = " + b"[" * 5000, b"x" * (1 << 19)])
def test_a_spec_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    folder = made(tmp_path)
    (folder / layout.SPEC).write_bytes(content)
    with pytest.raises(RunError, match=r"spec\.toml: cannot be read: "):
        differences([folder])
