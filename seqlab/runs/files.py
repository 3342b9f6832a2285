"""Writing that survives a kill, a full disk and a torn line.

Two ways of writing are enough for a run folder: a file that is replaced as a whole (`replace`), and a file
that only grows, one JSON object a line (`Appender`). After a kill the first holds the old or the new content,
never half of it; the second may end in one torn line, which is closed with a newline when it is opened again,
so that it spoils nothing but itself.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import secrets
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: Errors after which the same write may succeed later: a full disk or quota, a size limit, a flaky server.
PASSING_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE})

_line = json.JSONEncoder(allow_nan=False, ensure_ascii=False)  # made once: rows are written at every step
_AS_IT_IS = frozenset({str, int, bool, type(None)})

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def replace(path: Path, data: bytes, *, sync: bool = True, sync_name: bool = True) -> None:
    """Put `data` at `path` in one piece: readers see the old file or the new one.

    The file is made with mode 0666 less the umask. With `sync` the bytes have reached the disk on return, and
    with `sync_name` also the name. When anything fails the temporary file is removed, and what stood at
    `path` still stands there.

    Raises:
        OSError: what the system said.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:  # a write may be short, above all just before the disk is full
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)  # a network disk may report "full" only here
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if sync and sync_name:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk; file systems that cannot do so are left alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of a writer that was killed. Only the one writer of `folder` may call this."""
    with contextlib.suppress(FileNotFoundError):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def open_regular(path: Path | str) -> io.FileIO:
    """Open a file that a stranger may have put there, for reading.

    Raises:
        ValueError: not a regular file: a pipe would hold up whoever reads it.
        OSError: it cannot be read, or is a link, which could lead anywhere.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a regular file")
    return io.FileIO(descriptor)


def read_regular(path: Path | str, most_bytes: int) -> bytes:
    """The content of a file that a stranger may have put there.

    Raises:
        ValueError: as `open_regular` does; or larger than `most_bytes`, of which no memory is taken then.
        OSError: as `open_regular` does.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise ValueError(f"longer than {most_bytes} bytes")
        return file.readall()  # unlike `read`, also beyond 2 GB


def encode_row(row: Mapping[str, Any]) -> bytes:
    """One JSON line, newline included.

    NaN and the infinities become the strings "NaN", "Infinity", "-Infinity"; an `np.float32` is printed in
    the fewest digits that give back the same float32, a float64 in the fewest that give back the same
    float64.
    """
    return _encoded(_line.encode(plain(row)))


def encode_json(content: Mapping[str, Any]) -> bytes:
    """A JSON file for people: sorted and indented, with numbers as `encode_row` writes them."""
    text = json.dumps(plain(content), allow_nan=False, ensure_ascii=False, indent=2, sort_keys=True)
    return _encoded(text)


def _encoded(text: str) -> bytes:
    # A path may hold bytes that are no text; backslashed they are valid JSON.
    return text.encode(errors="backslashreplace") + b"\n"


def decode_row(line: bytes | str) -> dict[str, Any]:
    """The object in one JSON line; the three strings for NaN and the infinities are floats again.

    Raises:
        ValueError: `line` is not a JSON object.
    """
    try:
        value = _numbers(json.loads(line))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"found {type(value).__name__}, expected a JSON object")
    return value


def number(value: object) -> float:
    """A number as `encode_row` writes it.

    Raises:
        ValueError: something else.
    """
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, int | float):
        with contextlib.suppress(OverflowError):
            return float(value)
    raise ValueError(f"{value!r} is not a number")


class Appender:
    """A file of JSON lines with one writer, which loses no row when the disk is full.

    What cannot be written now waits in memory, in order, and goes out with the next `append` or `flush`. A
    half line that a killed writer left is closed with a newline. Safe to use from several threads.

    Args:
        path: the file; made if it is not there.
        header: the line every such file begins with, or None.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file begins with something else than `header`.
    """

    def __init__(self, path: Path, header: bytes | None = None):
        self.path = path
        self.error: OSError | None = None  # why rows wait, while they do
        self._mutex = threading.Lock()
        self._waiting = bytearray()
        self._unsynced = False
        self._closed = False
        self._descriptor = self._open()
        try:
            self._continue_after(header)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.flush()

    @property
    def pending(self) -> int:
        """Rows that could not be (wholly) written yet."""
        with self._mutex:  # one that is just being written does not wait
            return self._waiting.count(b"\n")

    def append(self, *rows: Mapping[str, Any]) -> bool:
        """Add rows; True when they stand in the file with their newlines, False when any waits in memory."""
        lines = b"".join(map(encode_row, rows))
        with self._mutex:
            if self._closed:
                raise ValueError(f"{self.path}: is closed")
            self._waiting += lines
            return self._write()

    def flush(self) -> bool:
        """Try to write what waits; True when nothing waits any more."""
        with self._mutex:
            return self._write()

    def sync(self) -> bool:
        """Bring what was written to the disk; True when it is there. Does not hold up `append`."""
        with self._mutex:
            if not self._unsynced or self._descriptor < 0:
                return not self._unsynced
            self._unsynced = False
            descriptor = os.dup(self._descriptor)
        try:
            os.fsync(descriptor)
        except OSError:
            self._unsynced = True
            return False
        finally:
            os.close(descriptor)
        return True

    def close(self) -> None:
        """Close the file. Rows that still wait are gone: `flush` first."""
        with self._mutex:
            self._closed = True
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _continue_after(self, header: bytes | None) -> None:
        """Decide what must be written before the next row."""
        size = os.fstat(self._descriptor).st_size
        if header is not None:
            start = os.pread(self._descriptor, len(header), 0)
            if len(start) < len(header) and header.startswith(start):  # new, or killed within its first line
                os.ftruncate(self._descriptor, 0)
                self._waiting += header
                return
            if start != header:
                raise ValueError(f"{self.path}: begins with {start!r}, expected {header!r}")
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._waiting += b"\n"

    def _write(self) -> bool:
        while self._waiting:
            try:
                if self._descriptor < 0:
                    self._descriptor = self._open()
                written = os.write(self._descriptor, self._waiting)
            except OSError as error:
                if error.errno not in PASSING_ERRORS:
                    raise
                self.error = error
                if error.errno == errno.ESTALE and self._descriptor >= 0:  # the server forgot this handle
                    os.close(self._descriptor)
                    self._descriptor = -1
                return False
            del self._waiting[:written]
            self._unsynced = True
        self.error = None
        return True


def plain(value: Any) -> Any:
    """`value` in types that `json` writes, exactly and without NaN; numbers as `encode_row` writes them."""
    kind = type(value)
    if kind in _AS_IT_IS or (kind is float and math.isfinite(value)):
        return value
    if kind is dict:
        return {key if type(key) is str else str(key): plain(item) for key, item in value.items()}
    if kind is np.float32:
        return plain(float(str(value)))  # NumPy's text of it is the shortest that no other float32 has
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if isinstance(value, int):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot stand in a JSON line")


def _numbers(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value
