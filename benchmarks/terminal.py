"""A program in a real pseudo-terminal: press keys, read what it draws, count bytes and processor time.

Needs Linux for processor times (`/proc`) and pyte for the screen.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

_PRIVATE = re.compile(rb"\x1b\[[<>=?][0-9;]*[a-zA-Z$]|\x1bP.*?\x1b\\", re.DOTALL)
"""Sequences that pyte does not know; it would draw them."""
_UNFINISHED = re.compile(rb"\x1b(\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*)?$")


class Terminal:
    """A command that runs in a terminal of a given size, and is ended with its `with` block.

    Args:
        command: what to run.
        size: columns and rows.
        term: the TERM that it sees; COLORTERM is taken away, as SSH does.
        environment: variables to add.

    Attributes:
        data: every byte that it wrote.
        started: when it was started, by `time.monotonic`.
        first_paint: seconds from the start until 400 bytes were drawn, or None so far.
    """

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (120, 40),
        term: str = "xterm-256color",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.size = size
        self.data = bytearray()
        self.first_paint: float | None = None
        self.exit_code: int | None = None
        self._display: Any = None
        self._stream: Any = None
        self._drawn = 0
        self.started = time.monotonic()
        self._open = True
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            columns, rows = map(str, size)
            variables = {**os.environ, "TERM": term, "COLUMNS": columns, "LINES": rows, **(environment or {})}
            variables.pop("COLORTERM", None)
            os.execvpe(command[0], list(command), variables)
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.size = (columns, rows)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, text: str | bytes) -> None:
        """Type `text`."""
        os.write(self._descriptor, text.encode() if isinstance(text, str) else text)

    def hang_up(self) -> None:
        """Close the terminal, as a dropped connection does."""
        os.close(self._descriptor)
        self._open = False

    def read(self, seconds: float) -> bytes:
        """Read what comes within `seconds`, or until the program ends."""
        start = len(self.data)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self.running:
            self.read_once(left)
        return bytes(self.data[start:])

    def read_once(self, seconds: float) -> bytes:
        """Wait up to `seconds` for output and read it."""
        if not self._open:
            time.sleep(min(seconds, 0.02))
            return b""
        if not select.select([self._descriptor], [], [], min(seconds, 0.05))[0]:
            return b""
        try:
            chunk = os.read(self._descriptor, 65_536)
        except OSError:  # the program has ended
            time.sleep(0.005)
            return b""
        self.data += chunk
        if self.first_paint is None and len(self.data) > 400:
            self.first_paint = time.monotonic() - self.started
        return chunk

    def wait_for(self, condition: str | Callable[[], bool], seconds: float = 30.0) -> float:
        """Read until a text comes in the bytes from now on, or a condition holds; returns the seconds.

        Raises:
            TimeoutError: it did not come.
        """
        began, mark = time.monotonic(), len(self.data)
        wanted = condition.encode() if isinstance(condition, str) else b""
        while True:
            if wanted and wanted in self.data[mark:]:
                return time.monotonic() - began
            if not isinstance(condition, str) and condition():
                return time.monotonic() - began
            if time.monotonic() - began > seconds or not self.running:
                raise TimeoutError(f"{condition!r} did not come in {seconds} s; the screen:\n{self.screen()}")
            self.read_once(0.05)

    def screen(self) -> str:
        """The screen as it stands."""
        import pyte

        if self._display is None or (self._display.columns, self._display.lines) != self.size:
            self._display, self._drawn = pyte.Screen(*self.size), 0
            self._stream = pyte.ByteStream(self._display)
        fresh = bytes(self.data[self._drawn :])
        # A sequence that is not all there yet waits for the rest of it.
        if unfinished := _UNFINISHED.search(fresh):
            fresh = fresh[: unfinished.start()]
        self._drawn += len(fresh)
        self._stream.feed(
            _PRIVATE.sub(lambda match: match.group() if match.group()[-1:] in b"hl" else b"", fresh)
        )
        return "\n".join(line.rstrip() for line in self._display.display)

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        if self.exit_code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code is None

    def wait(self, seconds: float = 30.0) -> int | None:
        """Read until the program ends; its exit code, -n for signal n, or None if it goes on."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            self.read_once(0.05)
        return self.exit_code

    def processor_seconds(self) -> tuple[float, float]:
        """User and system seconds of the program itself, and of all its descendants."""
        table = processes()
        others = family(self.pid, table) - {self.pid}
        return table.get(self.pid, (0, 0.0))[1], sum(table[pid][1] for pid in others if pid in table)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGTERM)
            if self.wait(5.0) is None:
                os.kill(self.pid, signal.SIGKILL)
                self.wait(5.0)
        if self._open:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)


def processes() -> dict[int, tuple[int, float]]:
    """Every process: its parent and its user and system seconds."""
    tick = os.sysconf("SC_CLK_TCK")
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        table[int(name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / tick)
    return table


def family(root: int, table: Mapping[int, tuple[int, float]]) -> set[int]:
    """A process and all its descendants."""
    found: set[int] = set()
    frontier = {root}
    while frontier:
        found |= frontier
        frontier = {pid for pid, (parent, _) in table.items() if parent in frontier} - found
    return found
