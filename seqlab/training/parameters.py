"""Parameters: all weights of a network in one flat vector, seen as named arrays.

Optimisers and clipping pass over the vector; kernels take the arrays, which are views into it. Gradients
and optimiser slots have the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqlab.spec import Spec


class Parameters:
    """One flat vector and its views; zeros at first.

    Args:
        spec: of which network.
        dtype: of the numbers.

    Attributes:
        flat: every number, [P].
        layers: of each of the spec's `parts`, its arrays in the order in which the cell's kernels take them.
        readout: (V [seen, O], d [O]).
        named: the same views by name, the readout last, with A [H, H] where there is attention.
    """

    def __init__(self, spec: Spec, dtype: DTypeLike) -> None:
        self._cell, self._parts = spec.model, spec.parts()
        shapes = spec.parameter_shapes()
        sizes = [[int(np.prod(shape)) for shape in layer.values()] for layer in shapes]
        self.flat: NDArray[Any] = np.zeros(sum(map(sum, sizes)), dtype)
        self.named: list[dict[str, NDArray[Any]]] = []
        start = 0
        for layer, layer_sizes in zip(shapes, sizes, strict=True):
            views = {}
            for (name, shape), size in zip(layer.items(), layer_sizes, strict=True):
                views[name] = self.flat[start : start + size].reshape(shape)
                start += size
            self.named.append(views)
        self.layers = tuple(tuple(views.values()) for views in self.named[:-1])
        self.readout = (self.named[-1]["V"], self.named[-1]["d"])

    def to_torch(self) -> dict[str, NDArray[Any]]:
        """Copies in PyTorch's layout, by its names.

        With `readout.weight` [O, seen], `readout.bias` [O] and `attention.weight` [H, H]; the names of an
        encoder's and a decoder's begin with `encoder.` and `decoder.`.
        """
        tensors = {}
        for (stack, part), views in zip(self._parts, self.named[:-1], strict=True):
            own = self._cell.to_torch(views, part)
            tensors.update({stack + name: value for name, value in own.items()})
        readout = self.named[-1]
        tensors["readout.weight"] = readout["V"].T.copy()
        tensors["readout.bias"] = readout["d"].copy()
        if "A" in readout:
            tensors["attention.weight"] = readout["A"].copy()
        return tensors

    def load_torch(self, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        """Fill in place from tensors named by `to_torch` behind a prefix.

        Raises:
            KeyError: a tensor is missing.
            ValueError: a tensor has another shape.
        """
        own = _behind(prefix, tensors)
        for (stack, part), views in zip(self._parts, self.named[:-1], strict=True):
            for name, value in self._cell.from_torch(_behind(stack, own), part).items():
                _fill(views[name], value, f"{name} of {stack}layer {part}")
        readout = self.named[-1]
        _fill(readout["V"], own["readout.weight"].T, "readout.weight")
        _fill(readout["d"], own["readout.bias"], "readout.bias")
        if "A" in readout:
            _fill(readout["A"], own["attention.weight"], "attention.weight")


def _behind(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The tensors whose names begin with a prefix, without it."""
    if not prefix:
        return tensors
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _fill(view: NDArray[Any], value: NDArray[Any], what: str) -> None:
    if view.shape != value.shape:
        raise ValueError(f"{what} has shape {value.shape}, the network needs {view.shape}")
    view[...] = value
