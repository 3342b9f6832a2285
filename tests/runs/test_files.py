from __future__ import annotations

import errno
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs import files
from seqlab.runs.appender import Appender
from seqlab.runs.files import decode_row, encode_row

from .conftest import output, python


def test_replace_puts_the_whole_content_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.replace(path, b"old")
    files.replace(path, b"new" * 1_000_000, sync=False)
    assert path.read_bytes() == b"new" * 1_000_000
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_that_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.replace(tmp_path / "replaced", b"x")
        Appender(tmp_path / "appended").close()
    finally:
        os.umask(before)
    assert (tmp_path / "replaced").stat().st_mode & 0o777 == mode
    assert (tmp_path / "appended").stat().st_mode & 0o777 == mode


def test_replace_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    code = """
import resource, sys
from pathlib import Path
from seqlab.runs import files
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    files.replace(Path(sys.argv[1]), b"new" * 1000)
except OSError as error:
    print(error.strerror)
"""
    assert output(code, tmp_path / "a.json") == "File too large\n"
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.json.17.0a0b0c0d.tmp", "a.json", ".hidden"):
        (tmp_path / name).write_text("x")
    files.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".hidden", "a.json"]


def test_numbers_that_are_not_finite_are_strings_in_json_and_numbers_again() -> None:
    line = encode_row({"a": math.nan, "b": np.float32("inf"), "c": [-math.inf], "d": "NaNa"})
    assert json.loads(line) == {"a": "NaN", "b": "Infinity", "c": ["-Infinity"], "d": "NaNa"}
    row = decode_row(line)
    assert math.isnan(row["a"])
    assert (row["b"], row["c"], row["d"]) == (math.inf, [-math.inf], "NaNa")


def test_float32_is_printed_in_its_shortest_form() -> None:
    assert encode_row({"lr": np.float32(0.1), "n": np.int64(3), "yes": np.bool_(True)}) == (
        b'{"lr": 0.1, "n": 3, "yes": true}\n'
    )


@given(st.floats(width=32, allow_nan=False))
def test_every_float32_comes_back_bit_for_bit(value: float) -> None:
    found = decode_row(encode_row({"x": np.float32(value)}))["x"]
    assert np.float32(found).tobytes() == np.float32(value).tobytes()


@given(st.floats(allow_nan=False))
def test_every_float64_comes_back_bit_for_bit(value: float) -> None:
    for same in (value, np.float64(value)):
        assert np.float64(decode_row(encode_row({"x": same}))["x"]).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_row(line)


@given(
    rows=st.lists(st.integers(0, 10**6), max_size=8),
    cut=st.integers(1, 12),
    more=st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
)
def test_a_torn_tail_costs_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], cut: int, more: list[int]
) -> None:
    path = tmp_path_factory.mktemp("torn") / "events.jsonl"
    whole = b"".join(encode_row({"n": n}) for n in rows)
    torn = b'{"n": 12345}'[:cut]
    path.write_bytes(whole + torn)
    appender = Appender(path)
    assert all(appender.append({"n": n}) for n in more)
    appender.close()
    assert path.read_bytes() == whole + torn + b"\n" + b"".join(encode_row({"n": n}) for n in more)


@pytest.mark.parametrize("there", [b"", b"{", b'{"format":1}'])
def test_a_header_that_was_torn_is_written_again(tmp_path: Path, there: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(there)
    Appender(path, b'{"format":1}\n').close()
    assert path.read_bytes() == b'{"format":1}\n'


def test_a_file_that_begins_otherwise_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl: begins with b'step,loss"):
        Appender(path, b'{"format":1}\n')
    assert path.read_bytes() == b"step,loss\n1,2\n"


def test_no_acknowledged_row_is_lost_to_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    code = """
import sys
from pathlib import Path
from seqlab.runs.appender import Appender
appender = Appender(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    if appender.append({"n": n, "text": "x" * (n % 300)}):
        print(n, flush=True)
"""
    acknowledged = 0
    for _ in range(3):
        with python(code, path) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= 500:
                    break
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")[:-1]
            acknowledged = int(rest[-1]) if rest else 500
        found = [json.loads(line)["n"] for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
        assert found[: acknowledged + 1] == list(range(1, len(found) + 1))[: acknowledged + 1]
        assert len(found) >= acknowledged
        path.unlink()


@pytest.mark.parametrize("make", [lambda path: os.symlink("precious", path), os.mkfifo])
def test_rows_go_to_no_link_and_no_pipe(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    make(tmp_path / "events.jsonl")
    with pytest.raises(OSError, match=r"."):
        Appender(tmp_path / "events.jsonl")
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_what_does_not_reach_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = Appender(tmp_path / "metrics.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        assert appender.append({"n": 1})
        assert not appender.sync()
        assert appender.trouble == "metrics.jsonl does not reach the disk: Input/output error"
        assert not appender.sync()
    assert appender.sync()
    assert appender.trouble == ""
    appender.close()


def failing(descriptor: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_every_row_survives_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    code = """
import resource, sys
from pathlib import Path
from seqlab.runs.appender import Appender
resource.setrlimit(resource.RLIMIT_FSIZE, (3001, resource.RLIM_INFINITY))
appender = Appender(Path(sys.argv[1]))
refused = [n for n in range(500) if not appender.append({"n": n})]
assert appender.pending == len(refused) > 0, (appender.pending, len(refused))
assert appender.trouble.endswith("rows of metrics.jsonl wait in memory: File too large")
assert not appender.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert appender.flush() and appender.pending == 0 and appender.trouble == ""
assert appender.append({"n": 500}) and appender.sync()
print(refused[0])
"""
    first_refused = int(output(code, path))
    assert 0 < first_refused < 500
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == list(range(501))
