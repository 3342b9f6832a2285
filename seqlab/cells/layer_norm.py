"""Layer normalisation inside a cell (Ba, Kiros & Hinton 2016), for the cells that know it.

N brings each sequence's row, of all gates together, to mean 0 and variance 1. There is no shift beside the
gains, as the bias is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.cells.base import Cell, Part, Shape, derivatives_shape, packed_size

NORMALISED = "g_x∘N(x_t W) for x_t W\ng_h∘N(h_{t-1} U) for h_{t-1} U"
"""What it changes, in every equation, as in `Cell.changes`."""

_NAMES = {"gx": "norm_ih_l", "gh": "norm_hh_l"}
"""Names on disk of the gains; PyTorch has none."""


class LayerNormed(Cell):
    """A cell with a second kernel, that normalises what is summed up."""

    changes: ClassVar[Mapping[str, str]] = {"layer_norm = true": NORMALISED}

    layer_norm: bool = Field(
        False,
        description="what comes from the inputs and from the state are each normalised before they are added",
    )

    @model_validator(mode="after")
    def _normalised_rows_have_a_variance(self) -> Self:
        if self.layer_norm and self.hidden == 1:
            raise ValueError(
                "layer_norm: with hidden = 1 there is a single number to normalise, which always comes to 0: "
                "use hidden = 2 or more"
            )
        return self

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """As every cell; normalised also the gains `gx` and `gh`."""
        shapes = super().parameter_shapes(features)
        return {**shapes, **dict.fromkeys(_NAMES, shapes["b"])} if self.layer_norm else shapes

    def normal_record(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """What a normalised cell keeps besides: N(x W), N(h U), and what each row was multiplied by."""
        if not self.layer_norm:
            return ()
        sums = (timesteps, batch, len(self.gates) * self.hidden)
        return sums, sums, sums[:2], sums[:2]

    def normal_scratch(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Work arrays of a normalised cell besides: ∂L/∂(x W) and ∂L/∂(h U)."""
        if not self.layer_norm:
            return ()
        sums = derivatives_shape(1, timesteps, batch, len(self.gates) * self.hidden)[1:]
        return sums, sums

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """As every cell; normalised x W and h U are packed apart, followed by zeros, bias and gains."""
        shapes = super().packed_shapes(features, below=below)
        if not self.layer_norm:
            return shapes
        width = len(self.gates) * self.hidden
        h_side, x_side = (packed_size(self.hidden, width),), (packed_size(features, width),)
        return h_side, *shapes[1:], x_side, *[(width,)] * 4

    def initialise(self, rng: np.random.Generator, features: int) -> dict[str, NDArray[np.float64]]:
        """As every cell, with gains of 1."""
        parameters = super().initialise(rng, features)
        if self.layer_norm:
            for name in _NAMES:
                parameters[name][:] = 1
        return parameters

    def to_torch(self, parameters: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """As every cell; and the gains, which PyTorch does not know, such as `norm_ih_l0` [G·H]."""
        gains = {f"{stem}{layer}": parameters[name].copy() for name, stem in self.norms.items()}
        return {**super().to_torch(parameters, layer), **gains}

    def from_torch(self, tensors: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """The inverse of `to_torch`; a second bias that is not zero is added to the first.

        Raises:
            KeyError: a tensor is missing.
        """
        gains = {name: tensors[f"{stem}{layer}"] for name, stem in self.norms.items()}
        return {**super().from_torch(tensors, layer), **gains}

    @property
    def norms(self) -> Mapping[str, str]:
        """Parameters of the normalisation, with their names on disk."""
        return _NAMES if self.layer_norm else {}
