"""Parameters: all weights of a network in one flat vector, seen as named arrays.

Optimisers and clipping pass over the vector; kernels take the arrays, which are views into it. Gradients
and optimiser slots have the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqlab.cells import Cell

Shapes = Sequence[Mapping[str, tuple[int, ...]]]


class Parameters:
    """One flat vector and its views.

    Attributes:
        flat: every number, [P].
        layers: of each layer, in each direction, its arrays in the order in which the cell's kernels take
            them.
        readout: (V [width, O], d [O]).
        named: the same views by name, the readout last.
    """

    def __init__(self, shapes: Shapes, dtype: DTypeLike) -> None:
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
        self.readout = tuple(self.named[-1].values())

    def to_torch(self, cell: Cell) -> dict[str, NDArray[Any]]:
        """Copies in PyTorch's layout, by its names, with `readout.weight` [O, H] and `readout.bias` [O]."""
        tensors = {}
        for part, views in zip(cell.parts(), self.named[:-1], strict=True):
            tensors.update(cell.to_torch(views, part))
        readout = self.named[-1]
        tensors["readout.weight"] = readout["V"].T.copy()
        tensors["readout.bias"] = readout["d"].copy()
        return tensors

    def load_torch(self, cell: Cell, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        """Fill in place from tensors named by `to_torch` behind a prefix.

        Raises:
            KeyError: a tensor is missing.
            ValueError: a tensor has another shape.
        """
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        for part, views in zip(cell.parts(), self.named[:-1], strict=True):
            for name, value in cell.from_torch(own, part).items():
                _fill(views[name], value, f"{name} of layer {part}")
        _fill(self.named[-1]["V"], own["readout.weight"].T, "readout.weight")
        _fill(self.named[-1]["d"], own["readout.bias"], "readout.bias")


def _fill(view: NDArray[Any], value: NDArray[Any], what: str) -> None:
    if view.shape != value.shape:
        raise ValueError(f"{what} has shape {value.shape}, the network needs {view.shape}")
    view[...] = value
