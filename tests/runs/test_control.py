from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest

from seqlab.runs import control, layout
from seqlab.runs.control import Inbox
from seqlab.runs.layout import RunError


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
    since = time.time_ns()
    control.send(folder, "pause")
    assert [command.command for command in Inbox(folder, since).poll()] == ["pause"]
    assert len(os.listdir(folder / layout.CONTROL)) == 1


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
