"""Files that strangers may have put there: opened only if they are files, and read only so far.

A run folder may come from anybody. A link in it could lead anywhere, a pipe would hold up whoever reads it,
and a file may be longer than the memory. So nothing in one is opened but by the functions here.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

MOST_SPEC_BYTES = 1 << 20
"""Of a spec."""

_CHUNK = 1 << 16
_SAFELY = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: Path | str) -> io.FileIO:
    """Open a file for reading.

    Raises:
        ValueError: not a regular file.
        OSError: it cannot be read, or is a link.
    """
    descriptor = _open(path, os.O_RDONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a regular file")
    return io.FileIO(descriptor)


def read_regular(path: Path | str, most_bytes: int) -> bytes:
    """The content of a file.

    Raises:
        ValueError: as `open_regular` does; or longer than `most_bytes`, of which no memory is taken then.
        OSError: as `open_regular` does.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise ValueError(f"longer than {most_bytes} bytes")
        return file.readall()  # unlike `read`, also beyond 2 GB


def read_named(path: Path | str, most_bytes: int) -> bytes:
    """The content of a file that a person has named: a link or a pipe is meant, and its end is waited for.

    Raises:
        ValueError: longer than `most_bytes`.
        OSError: it cannot be read.
    """
    found = bytearray()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):  # a pipe has no size to go by
            found += chunk
            if len(found) > most_bytes:
                raise ValueError(f"longer than {most_bytes} bytes")
    return bytes(found)


def open_to_append(path: Path | str) -> int:
    """The descriptor of a file that is made if need be, to add to it, and to read what it holds.

    Raises:
        OSError: it cannot be written, is a link, or is no regular file.
    """
    descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def why(error: OSError | ValueError) -> str:
    """An error in words, without the path, which whoever tells it names."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _open(path: Path | str, flags: int) -> int:
    try:
        return os.open(path, flags | _SAFELY, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, which could lead anywhere", str(path)) from None
        raise
