"""Commands from viewers to the worker: small files in `control/`.

A viewer drops `<number>-<random>.json` there; the worker polls between windows, obeys, and removes the file.
Neither needs the other to be alive, and two viewers cannot get into each other's way. A viewer that wants
live frames touches `viewer-<id>` now and then.

The number is the time in nanoseconds, but always above those that are there already (Lamport 1978): viewers
on several machines need not agree on the time for their commands to come in the order they were sent.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.regular import why
from seqlab.runs import files, layout, liveness
from seqlab.runs.layout import RunError

#: What a worker obeys.
COMMANDS = ("pause", "continue", "step", "stop", "set", "rival")

_NAME = re.compile(r"(\d{1,19})-[A-Za-z0-9]+\.json")
_LAST = 10**19 - 1
"""The largest number that a name can have."""
_VIEWER = "viewer-"
_FORSAKEN = re.compile(rf"{_VIEWER}[A-Za-z0-9-]+|\.{_NAME.pattern}\.\d+\.[0-9a-f]+\.tmp")
"""What a killed viewer leaves: its own file, or a command that it had not finished."""
_FORSAKEN_SECONDS = 3600.0
_MOST_BYTES = 65536


@dataclass(frozen=True)
class Command:
    """One command file.

    Attributes:
        command: one of `COMMANDS`; anything when `refused`.
        field: what to set, as in "training.optimizer.lr"; for `set` only.
        value: the value to set.
        number: by which commands are ordered.
        path: its file.
        refused: why it must not be obeyed, or "".
    """

    command: str
    field: str | None
    value: Any
    number: int
    path: Path
    refused: str = ""


def send(folder: Path, command: str, field: str | None = None, value: Any = None) -> None:
    """Ask the worker of the run in `folder` to do something.

    To stop works without the disk, too, which may be full: a worker of this machine is then sent a signal.

    Raises:
        ValueError: an unknown command.
        RunError: the command cannot be written (no such run, read-only, disk full).
    """
    if command not in COMMANDS:
        raise ValueError(f"'{command}' is not one of {', '.join(COMMANDS)}")
    content: dict[str, Any] = {"command": command}
    if command == "set":
        content |= {"field": field, "value": value}
    layout.check_inner(folder)
    number = min(max(time.time_ns(), next_number(folder)), _LAST)
    path = folder / layout.CONTROL / f"{number}-{secrets.token_hex(4)}.json"
    try:
        files.replace(path, files.encode_row(content), sync=False)
    except OSError as error:
        layout.check_run(folder)
        if command == "stop" and _terminate(folder):
            return
        raise RunError(f"{folder}: cannot send '{command}': {error.strerror}") from error


def next_number(folder: Path) -> int:
    """A number above those of all commands to the run in `folder` that are there; 0 if there are none."""
    try:
        names = os.listdir(folder / layout.CONTROL)
    except OSError:
        return 0
    return 1 + max((int(match[1]) for match in map(_NAME.fullmatch, names) if match), default=-1)


def touch_viewer(folder: Path, viewer: str) -> bool:
    """Say that `viewer` (letters, digits, dashes) is looking; False where that cannot be written."""
    path = _viewer_path(folder, viewer)
    try:
        layout.check_inner(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, RunError):
        return False
    return True


def forget_viewer(folder: Path, viewer: str) -> None:
    """Say that `viewer` has stopped looking."""
    with contextlib.suppress(OSError):
        _viewer_path(folder, viewer).unlink(missing_ok=True)


class Inbox:
    """The worker's side of `control/`.

    Args:
        folder: the run.
        since: of the commands that are there now, those with a lower number were sent to an earlier worker.
    """

    def __init__(self, folder: Path, since: int):
        self._folder = folder / layout.CONTROL
        self._handled: set[str] = set()
        self._earlier: set[str] = set()
        for name in self._names():
            match = _NAME.fullmatch(name)
            if match and int(match[1]) < since:
                self._earlier.add(name)
            elif _FORSAKEN.fullmatch(name):
                self._remove_if_old(name)

    def poll(self) -> list[Command]:
        """Commands that were not `done` yet, in the order they were sent.

        Those to an earlier worker are removed unexecuted; those that are unknown or malformed come back with
        `refused` set.
        """
        for name in self._earlier:
            self._remove(name)
        self._earlier.clear()
        names = [name for name in self._names() if not name.startswith((".", _VIEWER))]
        commands = [self._read(name) for name in names if name not in self._handled]
        return sorted(filter(None, commands), key=lambda each: (each.number, each.path.name))

    def done(self, command: Command) -> None:
        """Remove a command, obeyed or refused; it will not come again.

        What has not the name of a command was put there by somebody else for whatever reason, and stays.
        """
        if _NAME.fullmatch(command.path.name):
            self._remove(command.path.name)
        else:
            self._handled.add(command.path.name)

    def viewer_present(self, max_age: float = 5.0) -> bool:
        """Whether a viewer touched its file within the last `max_age` seconds."""
        oldest = time.time() - max_age
        try:
            with os.scandir(self._folder) as entries:
                return any(
                    entry.name.startswith(_VIEWER) and entry.stat().st_mtime >= oldest for entry in entries
                )
        except OSError:
            return False

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except OSError:
            return []

    def _remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError:  # a folder someone made there, or a disk gone read-only
            self._handled.add(name)

    def _remove_if_old(self, name: str) -> None:
        with contextlib.suppress(OSError):
            if time.time() - (self._folder / name).lstat().st_mtime > _FORSAKEN_SECONDS:
                (self._folder / name).unlink()

    def _read(self, name: str) -> Command | None:
        path = self._folder / name
        match = _NAME.fullmatch(name)
        if not match:
            return Command("", None, None, 0, path, f"'{name}' is not a command file's name")
        number = int(match[1])
        try:
            content = files.decode_row(files.read_regular(path, _MOST_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return Command("", None, None, number, path, f"'{name}' cannot be read: {why(error)}")
        command, field, value = content.get("command"), content.get("field"), content.get("value")
        if command not in COMMANDS:
            refused = f"'{command}' is not one of {', '.join(COMMANDS)}"
            return Command(str(command), None, None, number, path, refused)
        if command == "set" and not isinstance(field, str):
            return Command(command, None, value, number, path, "'set' needs the name of a field")
        return Command(command, field if command == "set" else None, value, number, path)


def _viewer_path(folder: Path, viewer: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9-]+", viewer):
        raise ValueError(f"viewer id '{viewer}': only letters, digits and dashes")
    return folder / layout.CONTROL / (_VIEWER + viewer)


def _terminate(folder: Path) -> bool:
    """Stop the worker of a run by a signal; False unless it is certain which process of this user that is."""
    try:
        status = liveness.read_status(folder)
        own = (folder / layout.STATUS).stat().st_uid == os.getuid()
        here = status.host == liveness.host() and status.boot_id == liveness.boot_id() != ""
        if not (own and here and status.pid) or liveness.lock_is_held(folder) is False:
            return False
        started = liveness.process_started(status.pid)
        if started is None or started != status.pid_started:
            return False
        os.kill(status.pid, signal.SIGTERM)
    except (OSError, RunError):
        return False
    return True
