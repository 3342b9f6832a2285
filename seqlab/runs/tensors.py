"""Named arrays as the bytes of a safetensors file, with one metadata entry that can hold anything.

All metadata stands under the one key `seqlab`, as sorted JSON: with two or more keys the library writes them
in random order, and equal content would give unequal files. Reading checks sizes before it takes memory, and
never unpickles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from seqlab.runs import files

Tensors = Mapping[str, NDArray[Any]]

_KEY = "seqlab"


def encode(tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a safetensors file: equal content, equal bytes.

    Args:
        tensors: arrays of any shape and memory order, with a dtype that safetensors knows.
        metadata: what JSON can hold; NaN and infinities as `files.encode_row` writes them.
    """
    # safetensors 0.8.0 writes wrong values for arrays that are not C-contiguous (its issue 825).
    # np.ascontiguousarray would give a 0-d array a dimension; asarray does not.
    contiguous = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    text = json.dumps(files.plain(metadata or {}), sort_keys=True)
    return bytes(save(contiguous, {_KEY: text}))


def decode(content: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the metadata in the bytes of a safetensors file.

    Raises:
        ValueError: torn, not safetensors, or a header that does not fit its content.
    """
    try:
        tensors: dict[str, NDArray[Any]] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"not a whole safetensors file: {error}") from None
    length = int.from_bytes(content[:8], "little")  # what load() accepted is a JSON object of this length
    text = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(_KEY, "{}")
    return tensors, files.decode_row(text)


def read(path: Path, most_bytes: int | None = None) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """`decode` the file at `path`, unless it is larger than `most_bytes`.

    Raises:
        ValueError: see `decode`; or the file is too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read() if most_bytes is None else file.read(most_bytes + 1)
    if most_bytes is not None and len(content) > most_bytes:
        raise ValueError(f"larger than {most_bytes} bytes")
    return decode(content)
