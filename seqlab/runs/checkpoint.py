"""Checkpoints: everything needed to go on from a step.

`latest.json` names the newest one with its size and sha256, and is written after it; a checkpoint that does
not match is passed over for the newest one that is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from seqlab.regular import why
from seqlab.runs import files, layout
from seqlab.runs import tensors as safetensors
from seqlab.runs.kept import MOST_CHECKPOINT_BYTES, KeptFiles, steps_in
from seqlab.runs.layout import RunError
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

MOST_READ_BYTES = 1 << 32
"""Of a checkpoint of a network whose size is not known."""
_MOST_LATEST_BYTES = 65536


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        step: the step after which it was taken.
        tensors: `model.<name>` under PyTorch's names, and `optimizer.<slot>.<name>`; read-only arrays.
        metadata: `step`, and what the worker added.
    """

    step: int
    tensors: Tensors
    metadata: Mapping[str, Any]

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The model's tensors, without the prefix."""
        model = "model."
        return {
            name.removeprefix(model): value for name, value in self.tensors.items() if name.startswith(model)
        }


def kept_checkpoints(folder: Path, interval: int) -> KeptFiles:
    """The checkpoints of the run in `folder`, due every `interval` steps at first, and thinned."""
    return KeptFiles(folder / layout.CHECKPOINTS, interval, most_bytes=MOST_CHECKPOINT_BYTES)


def encode_checkpoint(step: int, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a checkpoint file."""
    return safetensors.encode(tensors, {**(metadata or {}), "step": step})


def make_latest(kept: KeptFiles, step: int, content: bytes) -> None:
    """Make the checkpoint of `step`, which was just written, the latest one; its name reaches the disk, too.

    Raises:
        OSError: what was the latest still is.
    """
    files.replace(kept.folder / layout.LATEST, encode_latest(step, content))


def encode_latest(step: int, content: bytes) -> bytes:
    """What latest.json says of the checkpoint of `step`."""
    sha256 = hashlib.sha256(content).hexdigest()
    return files.encode_json(
        {"step": step, "file": layout.numbered(step), "size": len(content), "sha256": sha256}
    )


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: Tensors,
    metadata: Mapping[str, Any] | None = None,
    *,
    interval: int = 1,
    best: int | None = None,
) -> Path:
    """Save a checkpoint of the run in `folder`; see `Checkpoint` for the names.

    Raises:
        RunError: it cannot be written; the earlier ones are as they were.
    """
    try:
        kept, content = kept_checkpoints(folder, interval), encode_checkpoint(step, tensors, metadata)
        path = kept.write(step, content)
        make_latest(kept, step, content)
        kept.thin(best)
        return path
    except OSError as error:
        raise RunError(f"{folder}: cannot save checkpoint {step}: {error.strerror}") from error


def checkpoints(folder: Path) -> list[int]:
    """The steps of the checkpoints of the run in `folder`, in order."""
    return steps_in(folder / layout.CHECKPOINTS)


def most_bytes(spec: Spec) -> int:
    """No whole checkpoint of a spec's network is larger: twice what its numbers take in float64, and 1 MB."""
    from seqlab.spec.plan import factor_size

    numbers = spec.parameters * (1 + len(spec.training.optimizer.slots))
    factor = factor_size(spec) ** 2 if spec.model.closed_form else 0
    return 16 * (numbers + factor) + 1_000_000


def load_checkpoint(folder: Path, step: int | None = None, most: int = MOST_READ_BYTES) -> Checkpoint:
    """Load the checkpoint of `step`, or the latest one that is whole.

    Args:
        folder: the run.
        step: see above.
        most: bytes; a larger file counts as damaged, and no memory is taken for it.

    Raises:
        RunError: there is none, or that of `step` is damaged.
    """
    inner = folder / layout.CHECKPOINTS
    there = checkpoints(folder)
    latest = _latest(inner)
    if step is not None:
        if step not in there:
            found = ", ".join(map(str, there)) or "none"
            raise RunError(f"{folder}: has no checkpoint of step {step}; there are: {found}")
        try:
            return _load(inner, step, latest, most)
        except (OSError, ValueError) as error:
            raise RunError(f"{inner / layout.numbered(step)}: is damaged: {why(error)}") from error
    first = [latest["step"]] if latest.get("step") in there else []
    for candidate in first + [each for each in reversed(there) if each not in first]:
        try:
            return _load(inner, candidate, latest, most)
        except (OSError, ValueError):
            continue
    raise RunError(f"{folder}: has no {'whole ' if there else ''}checkpoint")


def _load(inner: Path, step: int, latest: Mapping[str, Any], most: int) -> Checkpoint:
    content = files.read_regular(inner / layout.numbered(step), most)
    if latest.get("step") == step:
        if latest.get("size") != len(content):
            raise ValueError(f"{len(content)} bytes, {layout.LATEST} says {latest.get('size')}")
        if latest.get("sha256") != hashlib.sha256(content).hexdigest():
            raise ValueError(f"its sha256 is not the one in {layout.LATEST}")
    tensors, metadata = safetensors.decode(content)
    if metadata.get("step") != step:
        raise ValueError(f"holds step {metadata.get('step')!r}")
    return Checkpoint(step, tensors, metadata)


def _latest(inner: Path) -> dict[str, Any]:
    try:
        found = json.loads(files.read_regular(inner / layout.LATEST, _MOST_LATEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
