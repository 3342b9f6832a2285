"""A frame: what the probe sequences look like inside the network after one step.

Frames are for looking at, so they are float32, and never larger than `MOST_BYTES`: of a large network every
second, fourth, … unit is kept, and if that is not enough, every second, fourth, … timestep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs import tensors as safetensors
from seqlab.runs.tensors import Tensors

#: The largest frame that is written, bytes.
MOST_BYTES = 8_000_000
#: The largest frame that is read, bytes.
MOST_READ_BYTES = 64_000_000

_HEADER_BYTES = 200  # a tensor's share of the header, at most


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
    if not isinstance(step, int) or step < 0:
        raise ValueError(f"its metadata gives the step as {step!r}")
    for name in ("unit_stride", "time_stride"):
        if not isinstance(metadata.get(name), int) or metadata[name] < 1:
            raise ValueError(f"its metadata gives {name} as {metadata.get(name)!r}")
    return Frame(step, tensors, metadata)


def _size(tensors: Mapping[str, NDArray[Any]]) -> int:
    return sum(4 * array.size + _HEADER_BYTES for array in tensors.values()) + 4096


def _is_state(name: str) -> bool:
    return "/state/" in name
