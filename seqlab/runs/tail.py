"""Following a file that only grows, line by line, a bounded number of bytes at a time."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path

from seqlab.runs import files

MOST_BYTES = 1 << 24
"""What one poll reads."""
MOST_LINE = 1 << 20
"""Bytes of a line; one that is longer is passed over."""


class Tail:
    """The lines of `path` that were not read yet.

    The file is opened anew at each poll: on network disks an open file lags behind. A last line without its
    newline is left for the next poll.

    Attributes:
        torn: whether the file ended in such a line at the last poll.
        behind: whether there was more to read at the last poll than one poll reads.
        skipped: how many lines were passed over for their length.
        restarts: how often the file was found shorter than what had been read of it, and read from the start.
    """

    def __init__(self, path: Path):
        self.path = path
        self.torn = False
        self.behind = False
        self.skipped = 0
        self.restarts = 0
        self._offset = 0
        self._within = False  # a line that is passed over

    def poll(self) -> list[bytes]:
        """The whole lines that have come since the last poll, without newlines; of many the first.

        Raises:
            OSError: the file cannot be read, or is no regular file; a missing one is empty.
        """
        self.behind = False
        try:
            file = files.open_regular(self.path)
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), str(self.path)) from None
        with file:
            size = file.seek(0, io.SEEK_END)
            if size < self._offset:
                self._offset, self._within, self.skipped = 0, False, 0
                self.restarts += 1
            file.seek(self._offset)
            found = _read(file, min(MOST_BYTES, size - self._offset))
            self.behind = self._offset + len(found) < size
        return self._lines(found)

    def rest(self) -> Iterator[bytes]:
        """Every line that has come since the last poll.

        Raises:
            OSError: see `poll`.
        """
        yield from self.poll()
        while self.behind:
            yield from self.poll()

    def _lines(self, found: bytes) -> list[bytes]:
        """The whole lines of what was found; moves on behind them."""
        whole, newline, rest = found.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        lines = whole.split(b"\n") if newline else []
        if self._within and newline:
            self._within = False
            del lines[0]
        if len(rest) > MOST_LINE and not self._within:
            self._within = True
            self.skipped += 1
        if self._within:
            self._offset += len(rest)
        self.torn = bool(rest) and not self._within
        short = [line for line in lines if len(line) <= MOST_LINE]
        self.skipped += len(lines) - len(short)
        return short


def _read(file: io.FileIO, most: int) -> bytes:
    found = file.read(most)
    while found and len(found) < most and (more := file.read(most - len(found))):
        found += more
    return found
