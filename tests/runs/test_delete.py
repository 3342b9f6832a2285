"""Deleting runs: what goes, and above all what does not."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from seqlab.runs import layout
from seqlab.runs.delete import delete_run
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import WorkerLock, read_state, read_status
from seqlab.runs.writer import RunWriter
from tests.runs.test_listing import NOBODY, someone_else


@pytest.fixture
def over(folder: Path) -> Path:
    """A run that is over."""
    with RunWriter(folder) as writer:
        writer.set_status(state="stopped")
    return folder


def test_a_run_goes_with_all_that_is_in_it_and_nothing_else(over: Path) -> None:
    other = over.with_name("other")
    shutil.copytree(over, other)
    (over / "notes").mkdir()
    (over / "notes" / "mine.txt").write_text("x")
    delete_run(over, over.parent)
    assert os.listdir(over.parent) == ["other"]
    assert layout.is_run(other)


def test_links_in_it_go_and_what_they_lead_to_stays(over: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    os.symlink(precious, over / "link")
    delete_run(over, over.parent)
    assert not over.exists()
    assert (precious / "file").read_text() == "x"


def test_a_link_to_a_run_is_left_alone_and_so_is_the_run(over: Path) -> None:
    link = over.with_name("link")
    os.symlink(over, link)
    with pytest.raises(RunError, match="link is a link, no run folder"):
        delete_run(link, over.parent)
    assert layout.is_run(link)


def test_a_run_elsewhere_is_left_alone(over: Path, tmp_path: Path) -> None:
    for reference in (over, over.parent / "x" / ".." / over.name):
        with pytest.raises(RunError, match=r"only runs in .*home are deleted"):
            delete_run(reference, tmp_path / "home")
    assert layout.is_run(over)


@pytest.mark.parametrize("missing", [layout.SPEC, layout.STATUS])
def test_a_folder_that_is_no_run_is_left_alone(over: Path, missing: str) -> None:
    (over / missing).unlink()
    with pytest.raises(RunError, match=f"is left alone: it has no {missing}"):
        delete_run(over, over.parent)
    with pytest.raises(RunError, match="it is gone already"):
        delete_run(over.with_name("gone"), over.parent)
    file = over.with_name("file")
    file.write_text("x")
    with pytest.raises(RunError, match="file is a file"):
        delete_run(file, over.parent)
    assert sorted(os.listdir(over.parent)) == sorted([over.name, "file"])


def test_a_lock_that_leads_elsewhere_is_not_written_to(over: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (over / layout.LOCK).unlink()
    os.symlink(precious, over / layout.LOCK)
    with pytest.raises(RunError, match=r"its worker\.lock is no file"):
        delete_run(over, over.parent)
    assert precious.read_text() == "x"


def test_a_run_under_way_is_left_alone(over: Path) -> None:
    with (over / layout.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="is under way: stop it first"):
            delete_run(over, over.parent)
    assert layout.is_run(over)


def test_so_is_one_that_another_machine_works_at(folder: Path) -> None:
    status = replace(read_status(folder), state="training", host="elsewhere", boot_id="")
    (folder / layout.STATUS).write_bytes(status.to_bytes())
    with pytest.raises(RunError, match=r"is under way \(training\): stop it first"):
        delete_run(folder, folder.parent)
    assert layout.is_run(folder)


def test_a_lost_run_goes_too(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
    assert read_state(folder)[1] == "lost"
    delete_run(folder, folder.parent)
    assert os.listdir(folder.parent) == []


def test_a_run_that_another_machine_takes_over_just_then_is_left_alone(
    over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(WorkerLock):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            status = replace(read_status(folder), state="training", host="elsewhere", boot_id="")
            (folder / layout.STATUS).write_bytes(status.to_bytes())

    monkeypatch.setattr("seqlab.runs.delete.WorkerLock", Late)
    with pytest.raises(RunError, match=r"is under way \(training\)"):
        delete_run(over, over.parent)
    assert layout.is_run(over)


def test_a_damaged_run_and_what_an_earlier_deletion_left_go_too(over: Path) -> None:
    (over / layout.STATUS).write_bytes(b"{")
    leftover = over.with_name(".deleted-0123456789abcdef")
    leftover.mkdir()
    (over.with_name(".deleted-mine")).mkdir()
    delete_run(over, over.parent)
    assert os.listdir(over.parent) == [".deleted-mine"]


def test_what_cannot_be_deleted_stays_in_sight(over: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # where also someone without rights can work
        os.chmod(place, 0o777)
        folder = Path(shutil.copytree(over, Path(place) / over.name))
        (folder / layout.FRAMES / "file").write_text("x")
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, NOBODY if path.name != layout.FRAMES else 0, -1)
        os.chmod(folder / layout.FRAMES, 0o500)
        try:
            with someone_else(), pytest.raises(RunError, match="cannot be deleted: Permission denied"):
                delete_run(folder, Path(place))
            assert os.listdir(place) == [over.name]
        finally:
            os.chmod(folder / layout.FRAMES, 0o700)
