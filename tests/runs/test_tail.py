"""Following a file that grows, whatever is in it: what is read at once, and what is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.runs import tail
from seqlab.runs.tail import Tail

LINES = st.lists(st.integers(0, 60).map(lambda length: b"x" * length), max_size=20)


@settings(max_examples=40)
@given(lines=LINES, rest=st.integers(0, 30), cuts=st.lists(st.integers(0, 1300), max_size=5))
def test_every_line_that_is_not_too_long_comes_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], rest: int, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "file"
    content = b"".join(line + b"\n" for line in lines) + b"y" * rest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "MOST_BYTES", 32)
        patch.setattr(tail, "MOST_LINE", 20)
        followed, found = Tail(path), []
        for cut in [*sorted(cuts), len(content)]:
            path.write_bytes(content[:cut])
            found += followed.rest()
    assert found == [line for line in lines if len(line) <= 20]
    assert followed.skipped == sum(len(line) > 20 for line in lines) + (rest > 20)
    assert followed.torn == (0 < rest <= 20)
    assert not followed.behind


def test_of_many_lines_a_poll_takes_the_first_and_says_that_there_are_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_BYTES", 30)
    (tmp_path / "file").write_bytes(b"123456789\n" * 7)
    followed = Tail(tmp_path / "file")
    taken = []
    while not taken or followed.behind:
        taken.append(len(followed.poll()))
    assert taken == [3, 3, 1]


def test_of_a_line_without_an_end_no_more_is_read_than_one_poll_takes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, 1 << 42)  # more than there is memory
    followed = Tail(path)
    for _ in range(3):
        assert followed.poll() == []
        assert (followed.behind, followed.skipped, followed.torn) == (True, 1, False)
    os.truncate(path, 0)
    path.write_bytes(b"{}\n")
    assert [*followed.rest()] == [b"{}"]
    assert (followed.restarts, followed.skipped) == (1, 0)
