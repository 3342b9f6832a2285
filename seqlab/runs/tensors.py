"""Named arrays as the bytes of a safetensors file, with one metadata entry that can hold anything.

All metadata of ours stands under the one key `seqlab`, as sorted JSON; other programs may want labels beside
it. Reading checks sizes before it takes memory, and never unpickles.
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
_METADATA = "__metadata__"


def encode(
    tensors: Tensors, metadata: Mapping[str, Any] | None = None, labels: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a safetensors file: equal content, equal bytes.

    Args:
        tensors: arrays of any shape and memory order, with a dtype that safetensors knows.
        metadata: what JSON can hold; NaN and infinities as `files.encode_row` writes them.
        labels: metadata for other programs, each under a key of its own.
    """
    # safetensors 0.8.0 writes wrong values for arrays that are not C-contiguous (its issue 825).
    # np.ascontiguousarray would give a 0-d array a dimension; asarray does not.
    contiguous = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    text = json.dumps(files.plain(metadata or {}), sort_keys=True)
    return _labelled(bytes(save(contiguous, {_KEY: text})), labels or {})


def decode(content: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the metadata in the bytes of a safetensors file.

    Raises:
        ValueError: torn, not safetensors, or a header that does not fit its content.
    """
    try:
        tensors: dict[str, NDArray[Any]] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"not a whole safetensors file: {error}") from None
    return tensors, files.decode_row(labels(content).get(_KEY, "{}"))


def labels(content: bytes) -> dict[str, str]:
    """All metadata of a safetensors file that can be read, as text by its keys."""
    return dict(_header(content).get(_METADATA, {}))


def read(path: Path, most_bytes: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """`decode` the file at `path`, unless it is larger than `most_bytes`.

    Raises:
        ValueError: see `decode`; or it is no regular file, or too large.
        OSError: it cannot be read.
    """
    return decode(files.read_regular(path, most_bytes))


def _header(content: bytes) -> dict[str, Any]:
    """What stands before the arrays: a JSON object, whose length comes first."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    return header


def _labelled(content: bytes, labels: Mapping[str, str]) -> bytes:
    """Add labels. The library would write two or more in random order, and no two files would be equal."""
    if not labels:
        return content
    header = _header(content)
    header[_METADATA] |= labels
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    return len(text).to_bytes(8, "little") + text + content[8 + int.from_bytes(content[:8], "little") :]
