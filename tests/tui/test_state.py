"""What the lab keeps for the next time, and its reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.tui.state import Layout, last_layout, remember, report, save, state_folder


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SEQLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_layout_is_there_the_next_time() -> None:
    assert last_layout() == Layout()
    remember(Layout(panel=3, maximised=True, logarithmic=False))
    assert last_layout() == Layout(3, True, False)
    assert [path.name for path in state_folder().iterdir()] == ["layout.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"[" * 5000,
        b'{"panel": 9}',
        b'{"panel": "1"}',
        b'{"panel": true}',
        b'{"window": 1}',
        b"\xff\xfe",
    ],
)
def test_one_that_cannot_be_read_was_never_there(own: Path, content: bytes) -> None:
    own.mkdir()
    (own / "layout.json").write_bytes(content)
    assert last_layout() == Layout()


def test_where_nothing_can_be_written_nothing_is_kept(own: Path) -> None:
    own.write_text("a file where the folder should be")
    remember(Layout(panel=2))
    assert last_layout() == Layout()
    assert "no report could be written" in report(ValueError("torn"))


def test_what_is_saved_twice_in_a_second_lies_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        title, _, well = save({".svg": f"picture {number}", "-loss.csv": f"numbers {number}"})
        assert (title, well) == ("Saved", True)
    assert sorted(path.read_text() for path in tmp_path.glob("seqlab-*.svg")) == [
        "picture 0",
        "picture 1",
        "picture 2",
    ]
    for path in tmp_path.glob("seqlab-*.svg"):
        beside = path.with_name(f"{path.stem}-loss.csv")
        assert beside.read_text() == path.read_text().replace("picture", "numbers")


def broken() -> ValueError:
    try:
        raise ValueError("a very\nlong story")
    except ValueError as error:
        return error


def test_a_report_says_what_happened_and_a_line_says_where_it_is(own: Path) -> None:
    said = report(broken())
    (path,) = own.glob("crash-*.txt")
    assert said.startswith("the lab broke down: ValueError: a very; the report is in ")
    assert said.endswith(str(path))
    text = path.read_text()
    for word in ("seqlab 0.", "textual 8", "in broken", "long story"):
        assert word in text


def test_old_reports_give_way(own: Path) -> None:
    own.mkdir()
    for number in range(30):
        (own / f"crash-20200101-0000{number:02}-1.txt").write_text("")
    report(broken())
    left = sorted(path.name for path in own.iterdir())
    assert len(left) == 20
    assert left[0] == "crash-20200101-000011-1.txt"
