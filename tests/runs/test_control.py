from __future__ import annotations

import contextlib
import errno
import math
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seqlab.runs import control, layout
from seqlab.runs.control import Inbox
from seqlab.runs.layout import RunError

from .conftest import python


def test_commands_come_in_the_order_they_were_sent_until_they_are_done(folder: Path) -> None:
    control.send(folder, "pause")
    control.send(folder, "set", "optimizer.lr", 0.01)
    control.send(folder, "set", "optimizer.lr", math.nan)
    control.send(folder, "stop")
    inbox = Inbox(folder, since=0)
    commands = inbox.poll()
    assert [command.command for command in commands] == ["pause", "set", "set", "stop"]
    assert (commands[1].field, commands[1].value) == ("optimizer.lr", 0.01)
    assert math.isnan(commands[2].value)
    assert [command.refused for command in commands] == [""] * 4
    assert inbox.poll() == [*commands[:2], *inbox.poll()[2:]]
    for command in commands[:3]:
        inbox.done(command)
    assert [command.command for command in inbox.poll()] == ["stop"]


def test_commands_from_before_the_worker_are_removed_unexecuted(folder: Path) -> None:
    control.send(folder, "stop")
    since = control.next_number(folder)
    control.send(folder, "pause")
    inbox = Inbox(folder, since)
    assert [command.command for command in inbox.poll()] == ["pause"]
    assert len(os.listdir(folder / layout.CONTROL)) == 1


def test_a_viewer_whose_clock_is_behind_is_heard_and_in_its_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    control.send(folder, "stop")
    since = control.next_number(folder)
    control.send(folder, "pause")
    monkeypatch.setattr(time, "time_ns", lambda: now - 3600 * 10**9)
    control.send(folder, "step")
    inbox = Inbox(folder, since)
    commands = inbox.poll()
    assert [command.command for command in commands] == ["pause", "step"]
    for command in commands:
        inbox.done(command)
    control.send(folder, "continue")  # by now with a number from before the worker
    assert [command.command for command in inbox.poll()] == ["continue"]
    assert control.next_number(folder) < since


def test_no_number_grows_beyond_what_a_name_can_have(folder: Path) -> None:
    (folder / layout.CONTROL / f"{'9' * 19}-abc.json").write_text('{"command": "pause"}')
    control.send(folder, "stop")
    assert {command.command for command in Inbox(folder, 0).poll()} == {"pause", "stop"}


def test_what_killed_viewers_left_is_removed_by_the_next_worker(folder: Path) -> None:
    inner = folder / layout.CONTROL
    names = ["viewer-ab-1", ".123-abc.json.77.0a1b.tmp", "viewer-now", ".draft.tmp", "notes.txt"]
    for name in names:
        (inner / name).write_text("")
        if name != "viewer-now":
            os.utime(inner / name, (1, 1))
    Inbox(folder, 0)
    assert sorted(os.listdir(inner)) == sorted(names[2:])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"command": "explode"}', "'explode' is not one of pause, continue, step, stop, set, rival"),
        (b'{"command": ["stop"]}', "is not one of"),
        (b"{}", "'None' is not one of"),
        (b'{"command": "set", "value": 3}', "'set' needs the name of a field"),
        (b'{"command": "sto', "cannot be read"),
        (b"", "cannot be read"),
        (b"[]", "cannot be read: found list"),
        (b" " * 70_000, "longer than 65536 bytes"),
    ],
)
def test_what_is_no_command_is_refused_with_the_reason(folder: Path, content: bytes, why: str) -> None:
    (folder / layout.CONTROL / f"{time.time_ns()}-abc.json").write_bytes(content)
    inbox = Inbox(folder, since=0)
    (command,) = inbox.poll()
    assert why in command.refused
    inbox.done(command)
    assert inbox.poll() == []


def test_strange_things_in_the_folder_neither_stop_nor_repeat(folder: Path) -> None:
    strange = folder / layout.CONTROL
    os.mkfifo(strange / f"{time.time_ns()}-pipe.json")
    (strange / f"{time.time_ns()}-folder.json").mkdir()
    (strange / f"{time.time_ns()}-link.json").symlink_to("/dev/zero")
    (strange / "notes.txt").write_text("hello")
    (strange / ".half.tmp").write_text("{")
    inbox = Inbox(folder, since=0)
    commands = inbox.poll()
    assert len(commands) == 4
    assert all(command.refused for command in commands)
    for command in commands:
        inbox.done(command)
    assert inbox.poll() == []
    left = os.listdir(strange)
    assert {"notes.txt", ".half.tmp"} <= set(left)
    assert not [name for name in left if name.endswith(("pipe.json", "link.json"))]


def test_a_link_to_another_folder_is_not_where_commands_are_put(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / layout.CONTROL).rmdir()
    (folder / layout.CONTROL).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link"):
        control.send(folder, "stop")
    assert not control.touch_viewer(folder, "one")
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_viewer_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / layout.CONTROL / "viewer-one").symlink_to(tmp_path / "made")
    assert not control.touch_viewer(folder, "one")
    assert not (tmp_path / "made").exists()


#: A worker, as far as its status says: it holds the run until it is told to stop.
HOLDER = """
import signal, sys
from pathlib import Path
from seqlab.runs.writer import RunWriter
writer = RunWriter(Path(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
writer.set_status(state="training")
print("training", flush=True)
sys.stdin.read()
"""


def test_where_no_command_can_be_written_the_worker_is_stopped_by_a_signal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with python(HOLDER, folder) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "training\n"
        monkeypatch.setattr(control.files, "replace", full)
        with pytest.raises(RunError, match="cannot send 'pause': No space left"):
            control.send(folder, "pause")
        control.send(folder, "stop")
        assert worker.stdout.readline() == "told\n"
        told = signalled(monkeypatch)
        for other in (
            {"host": "elsewhere"},
            {"boot_id": "x"},
            {"pid_started": "1"},
            {"pid": -1},
            {"pid": None},
        ):
            with edited(folder, **other), pytest.raises(RunError, match="cannot send 'stop'"):
                control.send(folder, "stop")
        monkeypatch.setattr(control.liveness, "lock_is_held", lambda folder: False)
        with pytest.raises(RunError, match="cannot send 'stop'"):
            control.send(folder, "stop")
        assert not told


def signalled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Who is sent a signal from now on, and gets none."""
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append(pid))
    return told


@contextlib.contextmanager
def edited(folder: Path, **values: object) -> Iterator[None]:
    """A run with another status, as long as nothing writes it."""
    read = control.liveness.read_status
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control.liveness, "read_status", lambda folder: replace(read(folder), **values))
        yield


def test_sending_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'explode' is not one of"):
        control.send(folder, "explode")
    with pytest.raises(RunError, match="gone: there is no such folder"):
        control.send(tmp_path / "gone", "stop")
    (folder / layout.CONTROL).rmdir()
    with pytest.raises(RunError, match="cannot send 'stop': No such file"):
        control.send(folder, "stop")
    assert Inbox(folder, since=0).poll() == []


def test_a_viewer_is_there_while_it_touches_its_file(folder: Path) -> None:
    inbox = Inbox(folder, since=0)
    assert not inbox.viewer_present()
    assert control.touch_viewer(folder, "tty-1")
    assert inbox.viewer_present(max_age=60)
    assert inbox.poll() == []
    long_ago = time.time() - 61
    os.utime(folder / layout.CONTROL / "viewer-tty-1", (long_ago, long_ago))
    assert not inbox.viewer_present(max_age=60)
    assert control.touch_viewer(folder, "tty-1")
    assert inbox.viewer_present(max_age=60)
    control.forget_viewer(folder, "tty-1")
    assert not inbox.viewer_present(max_age=60)


def test_a_viewer_of_a_folder_it_cannot_write_goes_on_looking(tmp_path: Path) -> None:
    assert not control.touch_viewer(tmp_path / "gone", "one")
    control.forget_viewer(tmp_path / "gone", "one")
    with pytest.raises(ValueError, match="only letters"):
        control.touch_viewer(tmp_path, "../one")
