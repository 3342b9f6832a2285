"""Writing that survives a kill and a full disk, and JSON as run folders hold it.

Two ways of writing are enough for a run folder: a file that is replaced as a whole (`replace`), and a file
that only grows, one JSON object a line (`appender.Appender`). After a kill the first holds the old or the new
content, never half of it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.regular import open_regular as open_regular
from seqlab.regular import read_regular as read_regular

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_BLOCK = 4096
_ROOM = 1024

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


def padded(content: bytes) -> bytes:
    """JSON filled up with blanks to whole blocks, so that a content with some words more is as long."""
    blocks = -(-(len(content) + _ROOM) // _BLOCK)
    return content.rstrip(b"\n").ljust(blocks * _BLOCK - 1) + b"\n"


def replace_or_overwrite(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Do as `replace` does; on a full disk write `padded` content over the old one, which takes no space.

    A reader may then find half of each, and has to look again.

    Raises:
        OSError: what the system said.
    """
    try:
        replace(path, content, sync=sync)
    except OSError as error:
        if error.errno not in _FULL or not _overwritten(path, content, sync):
            raise


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


def _overwritten(path: Path, content: bytes, sync: bool) -> bool:
    """Write over the file at `path`, unless it is too short for that."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size < len(content):
            return False
        content = content.rstrip().ljust(found.st_size - 1) + b"\n"
        written = os.pwrite(descriptor, content, 0)
        if sync:
            os.fsync(descriptor)
        return written == len(content)
    finally:
        os.close(descriptor)


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
