"""Going through kept frames: what is read, what stays in memory, what is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs import layout
from seqlab.runs.frames import Frame, KeptFrames, encode_frame
from seqlab.runs.reader import RunReader

DAMAGED = (b"", b"torn", b"\xff" * 100)


def write(folder: Path, step: int, value: float | None = None, *, says: int | None = None) -> Path:
    """A frame file of a step, full of the step's number or of `value`."""
    folder.mkdir(exist_ok=True)
    outputs = np.full((5, 2), step if value is None else value, np.float32)
    path = folder / layout.numbered(step)
    path.write_bytes(encode_frame(step if says is None else says, {"outputs": outputs}))
    return path


def value(frame: Frame | None) -> float:
    assert frame is not None
    return float(frame.tensors["outputs"][0, 0])


@pytest.fixture
def kept(tmp_path: Path) -> KeptFrames:
    for step in (0, 10, 20, 30):
        write(tmp_path, step)
    frames = KeptFrames(tmp_path)
    assert frames.look() == (0, 10, 20, 30)
    return frames


def test_a_step_that_has_a_frame_gives_it_and_others_the_next_in_the_direction(kept: KeptFrames) -> None:
    assert [value(kept.near(20, towards)) for towards in (-1, 1)] == [20, 20]
    assert [value(kept.near(15, towards)) for towards in (-1, 1)] == [10, 20]
    assert value(kept.near(-5, -1)) == 0
    assert kept.near(31, 1) is None


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_frame_is_passed_over_in_both_directions_and_named(
    kept: KeptFrames, content: bytes
) -> None:
    for step in (0, 20):
        (kept.folder / layout.numbered(step)).write_bytes(content)
    assert [value(kept.near(20, towards)) for towards in (-1, 1)] == [10, 30]
    assert value(kept.near(0, -1)) == 10  # there is none before it
    named = {problem.partition(": ")[0] for problem in kept.problems}
    assert named == {str(kept.folder / layout.numbered(step)) for step in (0, 20)}
    write(kept.folder, 20)
    assert value(kept.near(20, -1)) == 20
    (kept.folder / layout.numbered(0)).unlink()
    kept.look()
    assert kept.problems == []


def test_a_frame_that_gives_another_step_than_its_name_is_damaged(kept: KeptFrames) -> None:
    write(kept.folder, 20, says=10**30)
    assert value(kept.near(20, -1)) == 10
    assert kept.problems[0].endswith(f"its metadata gives the step as {10**30}")


def test_nothing_is_read_twice_until_it_changes(kept: KeptFrames) -> None:
    first = kept.near(20, -1)
    assert kept.near(20, 1) is first
    write(kept.folder, 20, 7.0)
    os.utime(kept.folder / layout.numbered(20), ns=(1, 1))
    assert value(kept.near(20, 1)) == 7


def test_a_frame_in_hand_outlives_its_file(kept: KeptFrames) -> None:
    shown = kept.near(20, -1)
    (kept.folder / layout.numbered(20)).unlink()
    assert kept.look() == (0, 10, 30)
    assert kept.near(20, -1) is shown
    assert value(kept.near(10, -1)) == 10


def test_memory_is_bounded_and_the_latest_stay(tmp_path: Path) -> None:
    for step in range(9):
        write(tmp_path, step)
    kept = KeptFrames(tmp_path, most_bytes=3 * 40)
    kept.look()
    frames = [kept.near(step, 1) for step in range(9)]
    assert all(frame is not None and frame.size == 40 for frame in frames)
    held = [kept.near(step, 1) is frames[step] for step in (8, 7, 6)]
    assert held == [True, True, True]
    assert kept.near(5, 1) is not frames[5]
    tiny = KeptFrames(tmp_path, most_bytes=1)
    tiny.look()
    assert tiny.near(3, 1) is tiny.near(3, 1)


STEPS = st.integers(0, 30)


@given(st.sets(STEPS, min_size=1), st.sets(STEPS), STEPS, st.booleans())
def test_it_finds_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory, whole: set[int], damaged: set[int], step: int, back: bool
) -> None:
    folder = tmp_path_factory.mktemp("frames")
    for each in whole | damaged:
        write(folder, each)
    for each in damaged:
        (folder / layout.numbered(each)).write_bytes(b"torn")
    kept = KeptFrames(folder)
    kept.look()
    good = whole - damaged
    later = min((each for each in good if each >= step), default=None)
    earlier = max((each for each in good if each <= step), default=None)
    wanted = later if not back or earlier is None else earlier
    found = kept.near(step, -1 if back else 1)
    assert (None if found is None else found.step) == wanted


def test_the_reader_lists_kept_frames_and_says_which_it_passed_over(folder: Path) -> None:
    frames = folder / layout.FRAMES
    for step in (0, 10, 20):
        write(frames, step)
    reader = RunReader(folder)
    assert reader.poll().kept == (0, 10, 20)
    (frames / layout.numbered(10)).write_bytes(b"torn")
    found = reader.frame_near(10, -1)
    assert value(found) == 0
    assert [problem.partition(": ")[0] for problem in reader.poll().problems] == [
        str(frames / layout.numbered(10))
    ]


def test_a_folder_of_frames_that_cannot_be_listed_is_a_problem_and_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / layout.FRAMES, 10)
    reader = RunReader(folder)
    assert reader.poll().kept == (10,)

    def refused(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("seqlab.runs.kept.os.listdir", refused)
    now = reader.poll()
    assert now.kept == (10,)
    assert now.problems == (f"{folder / layout.FRAMES}: cannot be listed: Permission denied",)
