"""Weights from elsewhere that a run starts from: `seqlab run SPEC --init-from FILE.safetensors`.

Their names and layout are PyTorch's, bare or behind `model.` or `rnn.`. What fits is brought into the form of
a checkpoint's weights, with PyTorch's second bias added to the first (see `Cell.from_torch`), and kept in the
run folder: so the run needs the file no more, and begins from the same bits if it begins again.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from seqlab.regular import why
from seqlab.runs import files
from seqlab.runs import tensors as safetensors
from seqlab.runs.layout import INITIAL, RunError
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

Shape = tuple[int, ...]

_KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_PREFIXES = ("model.", "rnn.")
_READOUT = ("readout", "fc", "linear", "head")
"""What people call the last layer."""
_STYLES = {
    "Keras": ({"kernel", "recurrent_kernel"}, 1, "kernel, recurrent_kernel"),
    "ONNX": ({"W", "R", "B"}, 2, "W, R, B"),
}
_OTHERS = {
    b"PK\x03\x04": "a zip archive, as torch.save writes, with a pickle inside, which is never read",
    b"\x80": "a pickle, which is never read",
    b"\x89HDF": "an HDF5 file, as Keras writes",
}
_LISTED = 4
"""How many of many are named."""


@dataclass(frozen=True)
class Initial:
    """The weights that a run started from.

    Attributes:
        tensors: by PyTorch's names, as in a checkpoint but without `model.`.
        file: the name of the file that they came from.
        sha256: of the run folder's own file.
    """

    tensors: Tensors
    file: str
    sha256: str


def read_weights(path: Path, spec: Spec) -> bytes:
    """Read weights for a spec's network: what its run folder will hold as init.safetensors.

    Raises:
        RunError: not a safetensors file, or not of weights that fit; each line says what is wrong with it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    found, labels = _decoded(path, content)
    wrong = _wrong_style(found, labels, spec.model.gates)
    named, twice = _named(found)
    wrong = wrong or twice or _misfits(named, _shapes(spec), spec.training.precision)
    if wrong:
        raise RunError("\n".join(f"{path}: {line}" for line in wrong))
    gate_order = ",".join(spec.model.gates)
    return safetensors.encode(_own(named, spec), {"file": path.name}, {"gate_order": gate_order})


def load_initial(folder: Path, most_bytes: int, expected: str | None = None) -> Initial | None:
    """The weights that the run in `folder` is to start from; None for its own.

    Args:
        folder: the run.
        most_bytes: what its checkpoints can take; a larger file is not read.
        expected: the sha256 of what it started from before, if it did.

    Raises:
        RunError: they cannot be read, are gone, or are others than before.
    """
    path = folder / INITIAL
    try:
        content = files.read_regular(path, most_bytes)
        sha256 = hashlib.sha256(content).hexdigest()
        if expected not in (None, sha256):
            raise RunError(f"{path}: is not what this run started from")
        tensors, metadata = safetensors.decode(content)
    except FileNotFoundError:
        if expected is None:
            return None
        raise RunError(f"{path}: is gone, and the run started from it") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {why(error)}") from error
    return Initial(tensors, str(metadata.get("file", "")), sha256)


@dataclass(frozen=True)
class _Stored:
    """A tensor as it stands in a file."""

    dtype: str
    shape: Shape
    data: bytes

    @property
    def array(self) -> NDArray[Any]:
        """Its numbers."""
        return np.frombuffer(self.data, _KINDS[self.dtype]).reshape(self.shape)


def _decoded(path: Path, content: bytes) -> tuple[dict[str, _Stored], dict[str, str]]:
    """The tensors by name, and the metadata."""
    for magic, what in _OTHERS.items():
        # A safetensors file begins with its header's length, which may be any bytes, and then the header.
        if content.startswith(magic) and content[8:9] != b"{":
            raise RunError(
                f"{path}: is {what}; a safetensors file is needed, as safetensors.torch.save_file writes it"
            )
    try:
        found = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        words = str(error).removeprefix("Error while deserializing: ")
        raise RunError(f"{path}: is not a whole safetensors file: {words}") from None
    stored = {name: _Stored(each["dtype"], tuple(each["shape"]), each["data"]) for name, each in found}
    return dict(sorted(stored.items())), safetensors.labels(content)


def _wrong_style(found: Iterable[str], labels: Mapping[str, str], gates: Sequence[str]) -> list[str]:
    """Names or an order of gates that are not PyTorch's."""
    endings = {re.split(r"[./]|_(?=[WRB]$)", name.removesuffix(":0"))[-1] for name in found}
    for style, (names, enough, words) in _STYLES.items():
        if len(names & endings) >= enough:
            return [
                f"its tensors are named in {style}'s style ({words}); "
                "PyTorch's is needed: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, …"
            ]
    order = labels.get("gate_order", "")
    if order and re.sub(r"[^a-z]", "", order.lower()) != "".join(gates):
        return [f"its gate_order is {order!r}; {','.join(gates)} is needed"]
    return []


def _named(found: Mapping[str, _Stored]) -> tuple[dict[str, _Stored], list[str]]:
    """The tensors by our names, and which would have the same one."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for name in found:
        sources[_own_name(name)].append(name)
    twice = [
        f"{_listed(names, ' and ')} would both be {_listed([own])}"
        for own, names in sources.items()
        if len(names) > 1
    ]
    return {own: found[names[0]] for own, names in sources.items()}, twice


def _own_name(name: str) -> str:
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    name = name.removeprefix(prefix)
    layer, _, what = name.rpartition(".")
    return f"readout.{what}" if layer in _READOUT and what in ("weight", "bias") else name


def _shapes(spec: Spec) -> dict[str, Shape]:
    """The shapes of the weights, by PyTorch's names and in their order."""
    *parts, readout = spec.parameter_shapes()
    shapes: dict[str, Shape] = {}
    for (stack, part), own in zip(spec.parts(), parts, strict=True):
        nothing = {name: np.zeros(shape, np.float32) for name, shape in own.items()}
        shapes |= {stack + name: value.shape for name, value in spec.model.to_torch(nothing, part).items()}
    shapes |= {"readout.weight": readout["V"][::-1], "readout.bias": readout["d"]}
    return shapes | ({"attention.weight": readout["A"]} if "A" in readout else {})


def _misfits(named: Mapping[str, _Stored], shapes: Mapping[str, Shape], precision: str) -> list[str]:
    """What does not fit, a line for each kind of misfit."""
    wrong = []
    missing = [name for name in shapes if name not in named]
    if missing:
        wrong.append(f"has no {_listed(missing)}")
    extra = [name for name in named if name not in shapes]
    if extra:
        wrong.append(f"has {_listed(extra)}, for which the network has no place")
    both = {name: named[name] for name in shapes if name in named}
    other = [
        f"{name} is {list(each.shape)} instead of {list(shapes[name])}"
        for name, each in both.items()
        if each.shape != shapes[name]
    ]
    if other:
        wrong.append(_listed(other, "; "))
    kinds = ["F32"] if precision == "float32" else [*_KINDS]
    other = [f"{name} is {each.dtype}" for name, each in both.items() if each.dtype not in kinds]
    if other:
        needed = " or ".join(kinds)
        wrong.append(f"{_listed(other)}; with training.precision = {precision!r}, {needed} is needed")
    if not wrong:
        unfit = [name for name, each in both.items() if not np.isfinite(each.array).all()]
        wrong += [f"has numbers that are not finite in {_listed(unfit)}"] if unfit else []
    return wrong


def _own(named: Mapping[str, _Stored], spec: Spec) -> dict[str, NDArray[Any]]:
    """Weights that fit, in the form of a checkpoint's."""
    model, precision = spec.model, spec.training.precision
    tensors = {name: each.array.astype(precision) for name, each in named.items()}
    own = {name: value for name, value in tensors.items() if name.startswith(("readout.", "attention."))}
    for stack, part in spec.parts():
        behind = {name.removeprefix(stack): value for name, value in tensors.items() if stack in name}
        folded = model.to_torch(model.from_torch(behind, part), part)
        own |= {stack + name: value for name, value in folded.items()}
    return own


def _listed(names: Sequence[str], between: str = ", ") -> str:
    names = [name if name.isprintable() else ascii(name) for name in names]  # a stranger chose them
    more = len(names) - _LISTED
    return between.join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
