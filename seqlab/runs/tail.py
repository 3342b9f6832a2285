"""Following a file that only grows, line by line."""

from __future__ import annotations

import errno
from pathlib import Path

from seqlab.runs import files

_CHUNK = 1 << 24


class Tail:
    """The lines of `path` that were not read yet.

    The file is opened anew at each poll: on network disks an open file lags behind. A last line without its
    newline is left for the next poll.

    Attributes:
        torn: whether the file ended in such a line at the last poll.
        restarts: how often the file was found shorter than what had been read of it, and read from the start.
    """

    def __init__(self, path: Path):
        self.path = path
        self.torn = False
        self.restarts = 0
        self._offset = 0

    def poll(self) -> list[bytes]:
        """The whole lines that have come since the last poll, without newlines.

        Raises:
            OSError: the file cannot be read, or is no regular file; a missing one is empty.
        """
        try:
            file = files.open_regular(self.path)
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), str(self.path)) from None
        with file:
            size = file.seek(0, 2)
            if size < self._offset:
                self._offset = 0
                self.restarts += 1
            file.seek(self._offset)
            found = bytearray()
            while chunk := file.read(_CHUNK):
                found += chunk
        whole, newline, rest = found.rpartition(b"\n")
        self.torn = bool(rest)
        if not newline:
            return []
        self._offset += len(whole) + 1
        return bytes(whole).split(b"\n")
