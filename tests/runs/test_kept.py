from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.kept import KeptFiles, interval_at, kept_steps, steps_in
from seqlab.runs.layout import RunError
from tests.runs.test_listing import someone_else


def naive(newest: int, interval: int, most: int) -> tuple[list[int], int]:
    """Write a file every `interval` steps; past `most` of them drop every second and double the interval."""
    there: list[int] = []
    for step in range(newest + 1):
        if step % interval == 0:
            there.append(step)
            if len(there) > most:
                there = there[::2]
                interval *= 2
    return there, interval


EVEN = st.integers(1, 10).map(lambda n: 2 * n)


@given(newest=st.integers(0, 400), interval=st.integers(1, 7), most=EVEN)
def test_the_rule_is_to_drop_every_second_file_and_double_the_interval(
    newest: int, interval: int, most: int
) -> None:
    there, doubled = naive(newest, interval, most)
    assert interval_at(newest, interval, most) == doubled
    written: set[int] = set()
    for step in range(newest + 1):
        if step % interval_at(step, interval, most) == 0:
            written = kept_steps(written | {step}, interval, most)
    assert written == set(there)


@given(
    newest=st.integers(0, 300),
    interval=st.integers(1, 5),
    most=EVEN,
    stops=st.sets(st.integers(0, 300), max_size=4),
)
def test_a_run_that_stopped_and_went_on_keeps_what_an_uninterrupted_one_keeps(
    newest: int, interval: int, most: int, stops: set[int]
) -> None:
    def run(stops: set[int]) -> set[int]:
        there: set[int] = set()
        for step in range(newest + 1):
            if step % interval_at(step, interval, most) == 0 or step in stops or step == newest:
                there = kept_steps(there | {step}, interval, most)
        return there

    assert run(stops) == run(set())


def test_the_first_and_the_newest_always_stay() -> None:
    assert kept_steps([], 10) == set()
    assert kept_steps([3, 10, 17], 10) == {3, 10, 17}
    assert kept_steps([0, 5, 10, 17], 10) == {0, 10, 17}


def test_files_are_named_by_their_step_and_thinned_on_disk(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, 10, most_files=4)
    for step in range(91):
        if kept.due(step):
            kept.write(step, b"x")
            kept.thin()
    assert kept.steps() == [0, 40, 80]
    assert sorted(path.name for path in tmp_path.iterdir()) == [layout.numbered(step) for step in (0, 40, 80)]
    kept.write(85, b"x")  # a stop
    kept.thin()
    assert kept.steps() == [0, 40, 80, 85]
    (tmp_path / "notes.safetensors").write_text("mine")
    again = KeptFiles(tmp_path, 10, most_files=4)
    again.forget_after(40)
    assert again.steps() == [0, 40]
    assert (tmp_path / "notes.safetensors").exists()


def test_the_best_file_stays_until_there_is_a_better_one_whatever_its_step(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, 10, most_files=4)
    best = None
    for step in range(100):
        best = step if step in (7, 33) else best
        if kept.due(step) or step == best:
            kept.write(step, b"x")
            kept.thin(best)
        if step in (32, 99):
            assert kept.steps() == {32: [0, 7, 10, 20, 30], 99: [0, 33, 40, 80]}[step]
    kept.thin(50)  # a step without a file keeps nothing
    assert kept.steps() == [0, 40, 80]


@given(
    newest=st.integers(0, 120),
    interval=st.integers(1, 9),
    size=st.integers(1, 50),
    most=st.integers(0, 600),
    best=st.none() | st.integers(0, 120),
)
def test_bytes_are_limited_but_for_the_last_two_and_the_best(
    tmp_path_factory: pytest.TempPathFactory,
    newest: int,
    interval: int,
    size: int,
    most: int,
    best: int | None,
) -> None:
    kept = KeptFiles(tmp_path_factory.mktemp("kept"), interval, most_bytes=most)
    for step in range(0, newest + 1, interval):
        kept.path(step).write_bytes(b"x" * size)
    before = kept.steps()
    kept.thin(best)
    after = kept.steps()
    needed = set(before[-2:])
    if best is not None:
        needed.add(min(before, key=lambda step: abs(step - best)))
    assert needed <= set(after)
    if len(before) * size <= most:
        assert after == before
    elif set(after) != needed:
        assert len(after) * size <= most
        every = [interval * 2**n for n in range(1, 10)]
        assert any(set(after) == needed | {step for step in before if step % n == 0} for n in every)
    kept.thin(best)
    assert kept.steps() == after


def test_an_interval_below_one_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="interval 0: at least 1 step"):
        KeptFiles(tmp_path, 0)


def test_a_run_of_any_length_keeps_between_100_and_200_files() -> None:
    for newest in (200, 201, 399, 400, 12_345, 1_000_000):
        interval = interval_at(newest, 1)
        assert 100 <= newest // interval + 1 <= 200
        assert math.log2(interval).is_integer()


def test_a_folder_that_is_closed_to_us_is_named() -> None:
    with tempfile.TemporaryDirectory() as place:  # where also someone without rights can look
        os.chmod(place, 0o755)
        folder = Path(place) / "frames"
        folder.mkdir(mode=0o700)
        os.chmod(folder, 0o000)
        try:
            with someone_else(), pytest.raises(RunError, match="frames: cannot be listed: Permission denied"):
                steps_in(folder)
        finally:
            os.chmod(folder, 0o755)
