"""A frame: what the probe sequences look like inside the network after one step.

Frames are for looking at, so they are float32, and never larger than `MOST_BYTES`: of a large network every
second, fourth, … unit is kept, and if that is not enough, every second, fourth, … timestep.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs import tensors as safetensors
from seqlab.runs.kept import steps_in
from seqlab.runs.layout import RunError, numbered
from seqlab.runs.status import MOST_STEP
from seqlab.runs.tensors import Tensors

#: The largest frame that is written, bytes.
MOST_BYTES = 8_000_000
#: The largest frame that is read, bytes.
MOST_READ_BYTES = 64_000_000
#: The most bytes of kept frames that `KeptFrames` holds in memory.
MOST_CACHED_BYTES = 64_000_000

_MOST_STRIDE = 1 << 31  # times an index it fits into 64 bits
_HEADER_BYTES = 200  # a tensor's share of the header, at most

_Seen = tuple[int, int, int]
"""A file's time of change, size and inode: other ones mean other content."""


@dataclass(frozen=True)
class Frame:
    """What a frame file holds.

    Attributes:
        step: the step after which it was taken.
        tensors: `outputs [T,O]`, `forecast [horizon,O]` or a decoder's `free [T,O]` where there is one,
            `layerN/state/<name> [T,H]`, `layerN/gradient [T]`, `layerN/gradient_full [T]`,
            `layerN/credit [T]`; float32. T and H are divided by the strides.
        metadata: `step`, `unit_stride`, `time_stride`, and what the worker added.
    """

    step: int
    tensors: Tensors
    metadata: Mapping[str, Any]

    @property
    def unit_stride(self) -> int:
        """Every how many units are kept."""
        return int(self.metadata.get("unit_stride", 1))

    @property
    def time_stride(self) -> int:
        """Every how many timesteps are kept."""
        return int(self.metadata.get("time_stride", 1))

    @property
    def size(self) -> int:
        """How much memory its tensors take, bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


class KeptFrames:
    """The kept frames of a run, read one at a time as somebody goes back and forth among them.

    What was read last stays in memory, at most `most_bytes` of it, so that a frame in hand outlives its file:
    a worker that is training removes some as it goes on. A file that has changed is read again.

    Attributes:
        steps: of the files that were there when `look` was called last, in order.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_CACHED_BYTES):
        self.folder = folder
        self.steps: tuple[int, ...] = ()
        self._unlisted = ""
        self._problems: dict[int, str] = {}
        self._most_bytes = most_bytes
        self._read: OrderedDict[int, tuple[_Seen, Frame]] = OrderedDict()
        self._damaged: dict[int, _Seen] = {}

    @property
    def problems(self) -> list[str]:
        """What is wrong with files that were passed over, a line each."""
        return [*filter(None, (self._unlisted,)), *self._problems.values()]

    def look(self) -> tuple[int, ...]:
        """See which steps have a frame now."""
        try:
            self.steps, self._unlisted = tuple(steps_in(self.folder)), ""
        except RunError as error:
            self._unlisted = str(error)
        for gone in self._problems.keys() - set(self.steps):
            del self._problems[gone]
            self._damaged.pop(gone, None)
        return self.steps

    def near(self, step: int, towards: int) -> Frame | None:
        """The frame of `step`, or where that cannot be read the next one in a direction.

        Going back, it is the next one after `step` if none before it can be read. Going forward it is None
        beyond the last: what comes then is the present.

        Args:
            step: one that `look` gave, or that was shown before.
            towards: below 0 for earlier frames, else later ones.
        """
        if step not in self.steps and step in self._read:
            return self._get(step)
        later = [each for each in self.steps if each >= step]
        if towards >= 0:
            return self._first_of(later)
        earlier = [each for each in reversed(self.steps) if each <= step]
        return self._first_of(earlier) or self._first_of(later)

    def _first_of(self, steps: list[int]) -> Frame | None:
        """The first that can be read."""
        found = (self._get(step) for step in steps)
        return next((frame for frame in found if frame is not None), None)

    def _get(self, step: int) -> Frame | None:
        """A frame from memory or from its file; None, with a line in `problems`, if it cannot be read."""
        path = self.folder / numbered(step)
        try:
            found = os.stat(path)
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._damaged.get(step) == seen:
                return None
            if step not in self._read or self._read[step][0] != seen:
                frame = read_frame(path)
                if frame.step != step:
                    raise ValueError(f"its metadata gives the step as {frame.step}")
                self._keep(step, seen, frame)
                self._damaged.pop(step, None)
                self._problems.pop(step, None)
        except FileNotFoundError:
            if step not in self._read:
                return None
        except OSError as error:
            self._problems[step] = f"{path}: {error.strerror}"
            return None
        except ValueError as error:
            self._damaged[step] = seen
            self._read.pop(step, None)
            self._problems[step] = f"{path}: {error}"
            return None
        self._read.move_to_end(step)
        return self._read[step][1]

    def _keep(self, step: int, seen: _Seen, frame: Frame) -> None:
        """Put a frame into memory; what was asked for longest ago gives way."""
        self._read.pop(step, None)
        self._read[step] = seen, frame
        held = sum(each.size for _, each in self._read.values())
        while held > self._most_bytes and len(self._read) > 1:
            _, (_, oldest) = self._read.popitem(last=False)
            held -= oldest.size


def encode_frame(
    step: int, tensors: Tensors, metadata: Mapping[str, Any] | None = None, most_bytes: int = MOST_BYTES
) -> bytes:
    """The bytes of a frame file, at most `most_bytes` of them; see `Frame` for the names and shapes.

    Units are the second axis of `layerN/state/<name>`; timesteps the first axis of everything but `forecast`.
    """
    unit_stride = time_stride = 1
    kept = dict(tensors)
    while _size(kept) > most_bytes and any(_is_state(name) and a.shape[1] > 1 for name, a in kept.items()):
        unit_stride *= 2
        kept = {name: a[:, ::unit_stride] if _is_state(name) else a for name, a in tensors.items()}
    by_unit = kept
    while _size(kept) > most_bytes and any(name != "forecast" and len(a) > 1 for name, a in kept.items()):
        time_stride *= 2
        kept = {name: a if name == "forecast" else a[::time_stride] for name, a in by_unit.items()}
    strides = {"step": step, "unit_stride": unit_stride, "time_stride": time_stride}
    return safetensors.encode(
        {name: np.asarray(a, dtype=np.float32) for name, a in kept.items()}, {**(metadata or {}), **strides}
    )


def read_frame(path: Path) -> Frame:
    """Read a frame file.

    Raises:
        ValueError: torn, too large, or not a frame.
        OSError: it cannot be read.
    """
    tensors, metadata = safetensors.read(path, MOST_READ_BYTES)
    step = metadata.get("step")
    if type(step) is not int or not 0 <= step < MOST_STEP:
        raise ValueError(f"its metadata gives the step as {repr(step)[:80]}")
    for name in ("unit_stride", "time_stride"):
        if type(metadata.get(name)) is not int or not 1 <= metadata[name] < _MOST_STRIDE:
            raise ValueError(f"its metadata gives {name} as {repr(metadata.get(name))[:80]}")
    return Frame(step, tensors, metadata)


def _size(tensors: Mapping[str, NDArray[Any]]) -> int:
    return sum(4 * array.size + _HEADER_BYTES for array in tensors.values()) + 4096


def _is_state(name: str) -> bool:
    return "/state/" in name
