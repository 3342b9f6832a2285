"""Which frames and checkpoints stay on disk: one rule, a function of steps alone.

A file is due every `interval` steps. Past 200 files every second one is dropped and the interval doubles, so
that a run of any length keeps 100 to 200 evenly spaced files. The first and the newest always stay, and so
does the best, if there is a file of that step. Because the rule needs nothing but the newest step and the
best, a resumed run goes on exactly as if it had never stopped.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from seqlab.runs import files, layout
from seqlab.runs.layout import RunError

#: The most files that are kept.
MOST_FILES = 200
#: The most bytes of checkpoints that are kept.
MOST_CHECKPOINT_BYTES = 256_000_000

_NAME = re.compile(r"(\d{9,18})\.safetensors")


class KeptFiles:
    """The numbered files in one folder, thinned as they are written.

    Args:
        folder: `frames` or `checkpoints` of a run.
        interval: steps between files at first.
        most_files: beyond that many every second one is dropped; an even number.
        most_bytes: their size in all; None for no limit.
    """

    def __init__(
        self, folder: Path, interval: int, *, most_files: int = MOST_FILES, most_bytes: int | None = None
    ):
        if interval < 1:
            raise ValueError(f"interval {interval}: at least 1 step")
        if most_files < 2 or most_files % 2:  # else the newest would be among those that are dropped
            raise ValueError(f"most_files {most_files}: an even number, at least 2")
        self.folder = folder
        self.interval = interval
        self.most_files = most_files
        self.most_bytes = most_bytes
        self._sizes: dict[int, int] | None = None  # of the files that are there; nobody else adds any

    def due(self, step: int) -> bool:
        """Whether a file is due after `step`."""
        return step % interval_at(step, self.interval, self.most_files) == 0

    def steps(self) -> list[int]:
        """The steps of the files that are there, in order.

        Raises:
            RunError: see `steps_in`.
        """
        return steps_in(self.folder)

    def path(self, step: int) -> Path:
        """Where the file of `step` lies."""
        return self.folder / layout.numbered(step)

    def write(self, step: int, content: bytes, *, sync_name: bool = True) -> Path:
        """Write the file of `step` so that it survives a power cut; `thin` is up to the caller.

        Without `sync_name` so is bringing the folder to the disk, after several files.

        Raises:
            OSError: nothing was written, and what was there is as it was.
        """
        path = self.path(step)
        files.replace(path, content, sync_name=sync_name)
        if self._sizes is not None:
            self._sizes[step] = len(content)
        return path

    def thin(self, best: int | None = None) -> None:
        """Remove what the rule does not keep.

        Args:
            best: the step of the best evaluation; its file stays until there is a better one. Where there is
                none, and bytes are limited, the file nearest to it stays.
        """
        if self._sizes is None:  # looked up once, not after each of hundreds of files
            self._sizes = sizes_in(self.folder)
        keep = kept_steps(self._sizes, self.interval, self.most_files)
        if best in self._sizes:
            keep.add(best)
        if self.most_bytes is not None:
            sizes = {step: self._sizes[step] for step in keep}
            keep = _within_bytes(sizes, self.interval, self.most_bytes, best)
        for step in self._sizes.keys() - keep:
            self.path(step).unlink(missing_ok=True)
            del self._sizes[step]

    def forget_after(self, step: int) -> None:
        """Remove the files of later steps: a run that resumes at `step` will make them again."""
        self._sizes = None
        for later in self.steps():
            if later > step:
                self.path(later).unlink(missing_ok=True)


def interval_at(step: int, interval: int, most_files: int = MOST_FILES) -> int:
    """The interval in force at `step`: doubled until 0, interval, … step are at most `most_files`."""
    while step // interval + 1 > most_files:
        interval *= 2
    return interval


def kept_steps(steps: Iterable[int], interval: int, most_files: int = MOST_FILES) -> set[int]:
    """Which of the files at `steps` stay: multiples of the interval in force, the first, and the newest."""
    steps = sorted(steps)
    if not steps:
        return set()
    interval = interval_at(steps[-1], interval, most_files)
    return {step for step in steps if step % interval == 0} | {steps[0], steps[-1]}


def steps_in(folder: Path) -> list[int]:
    """The steps of the numbered files in `folder`, in order; none if there is no such folder.

    Raises:
        RunError: it cannot be listed.
    """
    try:
        return _steps_in(folder)
    except OSError as error:
        raise RunError(f"{folder}: cannot be listed: {error.strerror}") from error


def sizes_in(folder: Path) -> dict[int, int]:
    """The bytes of the numbered files in `folder`, by their steps, in order.

    Raises:
        OSError: it cannot be listed.
    """
    sizes = {}
    for step in _steps_in(folder):
        with contextlib.suppress(FileNotFoundError):
            sizes[step] = (folder / layout.numbered(step)).stat().st_size
    return sizes


def _steps_in(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def _within_bytes(sizes: Mapping[int, int], interval: int, most_bytes: int, best: int | None) -> set[int]:
    """Which of the files stay to take at most `most_bytes`: every second one, every fourth, and so on."""
    if sum(sizes.values()) <= most_bytes:
        return set(sizes)
    steps = sorted(sizes)
    needed = set(steps[-2:])
    if best is not None:
        needed.add(min(steps, key=lambda step: (abs(step - best), step)))
    last = 2 * max(steps[-1], interval)
    while (interval := 2 * interval) <= last:
        chosen = needed | {step for step in steps if step % interval == 0}
        if sum(sizes[step] for step in chosen) <= most_bytes:
            return chosen
    return needed
