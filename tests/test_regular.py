"""Files that strangers may have put there: what is opened, and what is not."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from seqlab.regular import open_regular, open_to_append, read_named, read_regular, why


def link(path: Path) -> None:
    path.with_name("precious").write_bytes(b"secret")
    os.symlink("precious", path)


def loop(path: Path) -> None:
    os.symlink(path.name, path)


MADE = [link, loop, os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)]


@pytest.mark.parametrize("make", MADE)
def test_what_is_no_file_is_neither_read_nor_written(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    make(path)
    before = sorted(os.listdir(tmp_path))
    for read in (open_regular, lambda path: read_regular(path, 10**9)):
        with pytest.raises((OSError, ValueError)):
            read(path)
    with pytest.raises(OSError, match=r"."):
        open_to_append(path)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_link_is_named_as_such_and_makes_no_file(tmp_path: Path) -> None:
    os.symlink("elsewhere", tmp_path / "file")
    with pytest.raises(OSError, match="it is a link"):
        open_to_append(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_read_up_to_its_bound_and_takes_no_memory_beyond(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    for read in (read_regular, read_named):
        assert read(path, 5) == b"12345"
        with pytest.raises(ValueError, match="longer than 4 bytes"):
            read(path, 4)
    os.truncate(path, 1 << 42)
    for read in (read_regular, read_named):
        with pytest.raises(ValueError, match="longer than 1000000 bytes"):
            read(path, 1_000_000)


def test_what_a_person_has_named_may_be_a_link_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    os.symlink("file", tmp_path / "link")
    assert read_named(tmp_path / "link", 10) == b"text"
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"piped",))
    writer.start()
    assert read_named(tmp_path / "pipe", 10) == b"piped"
    writer.join()


def test_an_error_is_told_without_the_path_that_its_teller_names() -> None:
    assert why(OSError(errno.EACCES, "Permission denied", "/some/where")) == "Permission denied"
    assert why(OSError("odd")) == "odd"
    assert why(ValueError("longer than 3 bytes")) == "longer than 3 bytes"
