"""A file that only grows, one JSON object a line, and loses no row when the disk is full.

After a kill it may end in one torn line, which is closed with a newline when it is opened again, so that it
spoils nothing but itself.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.regular import open_to_append
from seqlab.runs.files import encode_row

#: Errors after which the same write may succeed later: a full disk or quota, a size limit, a flaky server.
PASSING_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE})


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
        self._error: OSError | None = None  # why rows wait, while they do
        self._unsafe: OSError | None = None  # why they did not reach the disk at the last try
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

    @property
    def trouble(self) -> str:
        """What keeps rows from the file or from the disk, in words; "" if nothing does."""
        error, unsafe, pending = self._error, self._unsafe, self.pending
        if error is not None and pending:
            return f"{pending} rows of {self.path.name} wait in memory: {error.strerror}"
        if unsafe is not None:
            return f"{self.path.name} does not reach the disk: {unsafe.strerror}"
        return ""

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
            self._unsafe = None
        except OSError as error:
            self._unsynced, self._unsafe = True, error
            return False
        finally:
            os.close(descriptor)
        return True

    def close(self) -> None:
        """Close the file. Rows that still wait are gone: `flush` first."""
        with self._mutex:
            self._closed, self._unsynced = True, False
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _open(self) -> int:
        return open_to_append(self.path)

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
                self._error = error
                if error.errno == errno.ESTALE and self._descriptor >= 0:  # the server forgot this handle
                    os.close(self._descriptor)
                    self._descriptor = -1
                return False
            del self._waiting[:written]
            self._unsynced = True
        self._error = None
        return True
