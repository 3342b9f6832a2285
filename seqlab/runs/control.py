"""Commands from viewers to the worker: small files in `control/`.

A viewer drops `<time_ns>-<random>.json` there; the worker polls between windows, obeys, and removes the file.
Neither needs the other to be alive, and two viewers cannot get into each other's way. A viewer that wants
live frames touches `viewer-<id>` now and then.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.runs import files, layout
from seqlab.runs.layout import RunError

#: What a worker obeys.
COMMANDS = ("pause", "continue", "step", "stop", "set", "rival")

_NAME = re.compile(r"(\d{1,20})-[A-Za-z0-9]+\.json")
_VIEWER = "viewer-"
_MOST_BYTES = 65536


@dataclass(frozen=True)
class Command:
    """One command file.

    Attributes:
        command: one of `COMMANDS`; anything when `refused`.
        field: what to set, as in "training.optimizer.lr"; for `set` only.
        value: the value to set.
        time_ns: when it was sent, Unix time in nanoseconds.
        path: its file.
        refused: why it must not be obeyed, or "".
    """

    command: str
    field: str | None
    value: Any
    time_ns: int
    path: Path
    refused: str = ""


def send(folder: Path, command: str, field: str | None = None, value: Any = None) -> Path:
    """Ask the worker of the run in `folder` to do something; returns the command's file.

    Raises:
        ValueError: an unknown command.
        RunError: the file cannot be written (no such run, read-only, disk full).
    """
    if command not in COMMANDS:
        raise ValueError(f"'{command}' is not one of {', '.join(COMMANDS)}")
    path = folder / layout.CONTROL / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
    content: dict[str, Any] = {"command": command}
    if command == "set":
        content |= {"field": field, "value": value}
    try:
        files.replace(path, files.encode_row(content), sync=False)
    except OSError as error:
        layout.check_run(folder)
        raise RunError(f"{folder}: cannot send '{command}': {error.strerror}") from error
    return path


def touch_viewer(folder: Path, viewer: str) -> bool:
    """Say that `viewer` (letters, digits, dashes) is looking; False where that cannot be written."""
    path = _viewer_path(folder, viewer)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
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
        since: Unix time in nanoseconds; commands sent before it belong to an earlier worker.
    """

    def __init__(self, folder: Path, since: int):
        self._folder = folder / layout.CONTROL
        self._since = since
        self._handled: set[str] = set()

    def poll(self) -> list[Command]:
        """Commands that were not `done` yet, in the order they were sent.

        Those sent before `since` are removed unexecuted; those that are unknown or malformed come back with
        `refused` set.
        """
        try:
            names = [name for name in os.listdir(self._folder) if not name.startswith((".", _VIEWER))]
        except OSError:
            return []
        commands = [self._read(name) for name in names if name not in self._handled]
        fresh = []
        for command in sorted(filter(None, commands), key=lambda each: (each.time_ns, each.path.name)):
            if command.time_ns < self._since and _NAME.fullmatch(command.path.name):
                self.done(command)
            else:
                fresh.append(command)
        return fresh

    def done(self, command: Command) -> None:
        """Remove a command, obeyed or refused; it will not come again."""
        try:
            command.path.unlink(missing_ok=True)
        except OSError:  # a folder someone made there, or a disk gone read-only
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

    def _read(self, name: str) -> Command | None:
        path = self._folder / name
        match = _NAME.fullmatch(name)
        time_ns = int(match[1]) if match else 0
        if not match:
            return Command("", None, None, time_ns, path, f"'{name}' is not a command file's name")
        try:
            content = files.decode_row(files.read_regular(path, _MOST_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return Command("", None, None, time_ns, path, f"'{name}' cannot be read: {error}")
        command, field, value = content.get("command"), content.get("field"), content.get("value")
        if command not in COMMANDS:
            refused = f"'{command}' is not one of {', '.join(COMMANDS)}"
            return Command(str(command), None, None, time_ns, path, refused)
        if command == "set" and not isinstance(field, str):
            return Command(command, None, value, time_ns, path, "'set' needs the name of a field")
        return Command(command, field if command == "set" else None, value, time_ns, path)


def _viewer_path(folder: Path, viewer: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9-]+", viewer):
        raise ValueError(f"viewer id '{viewer}': only letters, digits and dashes")
    return folder / layout.CONTROL / (_VIEWER + viewer)
