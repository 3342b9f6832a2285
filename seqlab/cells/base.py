"""What a cell is: its fields, parameters, states and shapes, and how its weights are named on disk."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.choices import Choice
from seqlab.methods import INITIALISERS
from seqlab.methods.initialisers import Init

Shape = tuple[int, ...]
Arrays = tuple[NDArray[Any], ...]

REVERSE = "_reverse"
"""How names of what runs from the end to the start end."""

_PADDING = 16
"""Packed weights have columns for a multiple of this, as the narrowest tile of any machine divides it."""
_TOGETHER = 128
"""Rows, at least, of derivatives that are kept until they are added to the gradients of the weights: where
products of matrices that are not packed get fast."""


@dataclass(frozen=True)
class State:
    """One gate or state that the panels show.

    Attributes:
        name: its name in frames.
        label: in words.
        kind: `gate` in [0, 1], `signed` in [-1, 1], `free` without bounds.
        rows: what there is one value of at each timestep.
    """

    name: str
    label: str
    kind: Literal["gate", "signed", "free"]
    rows: str = "unit"


ATTENTION = State("attention", "attention", "gate", "encoder step")
"""How much a decoder looks at each step of its encoder; they add up to 1."""


@dataclass(frozen=True)
class Part:
    """One direction of one layer; as text, how PyTorch's names of its weights end, such as `1_reverse`."""

    layer: int
    back: int

    def __str__(self) -> str:
        return f"{self.layer}{REVERSE if self.back else ''}"


def packed_size(rows: int, columns: int) -> int:
    """Numbers that a packed matrix takes, with its bias: see `seqlab.kernels.matmul`."""
    return (1 + rows) * -(-columns // _PADDING) * _PADDING


def derivatives_shape(kinds: int, timesteps: int, batch: int, hidden: int) -> Shape:
    """∂L/∂a of some kinds, for as many timesteps as are added to the gradients at once."""
    return kinds, min(timesteps, -(-_TOGETHER // batch)), batch, hidden


class Cell(Choice):
    """A recurrent cell. The compiled equations stand in `seqlab.kernels.<cell>`; this is what surrounds them.

    Weights are [in, G·H] with the G gates side by side, biases [G·H]. T timesteps, B sequences, F inputs, H
    units.

    Class attributes:
        carried_names: the states handed from step to step.
        equations: one step, an equation a line, each gate and state by its name; ∘ is elementwise.
        changes: by a setting as in a spec, what takes the place of what, a change a line: an equation that of
            the one with the same left side, `A for B` that of B everywhere.
        source: where it was published.
    """

    discriminator: ClassVar[str] = "cell"
    carried_names: ClassVar[tuple[str, ...]] = ("h",)
    equations: ClassVar[str]
    changes: ClassVar[Mapping[str, str]] = {}
    source: ClassVar[str]

    cell: str
    hidden: int = Field(
        32,
        ge=1,
        le=4_096,
        description="size of the state, in each layer",
        json_schema_extra={"unit": "units"},
    )
    layers: int = Field(1, ge=1, le=16, description="layers, one above the other")
    bidirectional: bool = Field(
        False, description="a second set of weights runs from the end to the start, and both are joined"
    )
    residual: bool = Field(
        False, description="a layer's input is added to its output, where they are equally wide"
    )
    dropout: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="share of units hidden between layers while training, the same at every step",
    )
    attention: bool = Field(
        False,
        description="a decoder looks back at all states of its encoder (Luong et al. 2015, general)",
    )
    init: Init = Field("uniform", description="how the weights start")

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Self:
        if self.dropout and self.layers == 1:
            raise ValueError(f"dropout {self.dropout:g} acts between layers: with one layer, 0")
        return self

    @property
    def called(self) -> str:
        """Its name, with the directions: `bilstm` for an LSTM that runs in both."""
        return ("bi" if self.bidirectional else "") + self.cell

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def passes(self) -> Literal["onwards", "both", "nowhere"]:
        """Which way anything goes from step to step."""
        return "both" if self.bidirectional else "onwards"

    @property
    def width(self) -> int:
        """How wide a layer's output is: the states of both directions side by side."""
        return self.directions * self.hidden

    def inputs_of(self, layer: int, features: int) -> int:
        """How wide a layer's input is, given F of the task."""
        return self.width if layer else features

    def parts(self) -> tuple[Part, ...]:
        """What has weights of its own: each layer, in each direction, in the order of their parameters."""
        return tuple(Part(layer, back) for layer in range(self.layers) for back in range(self.directions))

    def joins(self, layer: int, features: int) -> bool:
        """Whether a layer's output is more than the state of its one direction."""
        residual = self.residual and self.inputs_of(layer, features) == self.width
        return self.bidirectional or residual or (self.dropout > 0 and layer < self.layers - 1)

    def shown(self, layer: int) -> tuple[State, ...]:
        """The gates and states of a layer that panels show, of both directions."""
        back = (State(s.name + REVERSE, f"{s.label}, backwards", s.kind) for s in self.states())
        top = self.attention and layer == self.layers - 1
        return (*self.states(), *(back if self.bidirectional else ()), *((ATTENTION,) if top else ()))

    @property
    @abstractmethod
    def gates(self) -> tuple[str, ...]:
        """The gates in their order within a weight matrix."""

    @property
    def kernel(self) -> str:
        """The module of `seqlab.kernels` with its equations."""
        return self.cell

    @property
    def closed_form(self) -> bool:
        """Whether only the readout is fitted, in closed form, instead of trained by gradients."""
        return False

    @property
    def variant(self) -> int:
        """Which of its compiled variants the kernel should use."""
        return 0

    @abstractmethod
    def states(self) -> tuple[State, ...]:
        """The gates and states of one direction, in the order in which panels show them."""

    @abstractmethod
    def observe(self, carried: Arrays, record: Arrays) -> dict[str, NDArray[Any]]:
        """Name what a forward pass left: views [T, B, H] by the names of `states`.

        Args:
            carried: states [T+1, B, H], row 0 the start.
            record: what the kernel keeps for the backward pass, of `record_shapes`.
        """

    def parameter_shapes(self, features: int) -> dict[str, Shape]:
        """Shapes of one layer's parameters by name, in the order in which the kernels take them."""
        width = len(self.gates) * self.hidden
        return {"W": (features, width), "U": (self.hidden, width), "b": (width,)}

    @abstractmethod
    def record_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Shapes of what the forward kernel keeps of a window for the backward kernel."""

    @abstractmethod
    def scratch_shapes(self, timesteps: int, batch: int) -> tuple[Shape, ...]:
        """Shapes of the backward kernel's work arrays for a window."""

    def packed_shapes(self, features: int, *, below: bool) -> tuple[Shape, ...]:
        """Shapes of one layer's weights as the kernels read them: for h_t, for ∂L/∂h_{t-1}, for ∂L/∂x_t.

        Args:
            features: F.
            below: whether ∂L/∂x_t is wanted; if not, the last is empty.
        """
        H, width = self.hidden, len(self.gates) * self.hidden
        forward = len(self.gates) * packed_size(H + features, H)
        return (forward,), (packed_size(width, H),), (packed_size(width, features) if below else 0,)

    def multiplications(self, features: int, *, below: bool) -> int:
        """How many one layer's matrix products take for one timestep of one sequence, forward and backward.

        Each weight takes part in three: in z, in the derivative of what it was multiplied with, and in its
        own gradient.

        Args:
            features: F.
            below: whether ∂L/∂x_t is wanted; if not, W takes part in two.
        """
        shapes = self.parameter_shapes(features)
        times = {"W": 3 if below else 2, "U": 3}
        return sum(count * math.prod(shapes[name]) for name, count in times.items() if name in shapes)

    def initialise(self, rng: np.random.Generator, features: int) -> dict[str, NDArray[np.float64]]:
        """Draw one layer's parameters; biases are 0."""
        initialiser = INITIALISERS[self.init]
        shapes = self.parameter_shapes(features)
        parameters = {name: np.zeros(shape) for name, shape in shapes.items()}
        for g in range(len(self.gates)):
            columns = slice(g * self.hidden, (g + 1) * self.hidden)
            parameters["W"][:, columns] = initialiser.inputs(rng, features, self.hidden)
            if "U" in parameters:
                parameters["U"][:, columns] = initialiser.recurrent(rng, self.hidden, self.hidden)
        return parameters

    def to_torch(self, parameters: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """Copies of one layer's parameters under PyTorch's names and in its layout, [G·H, in].

        PyTorch keeps two biases and sums them; the second is written as zeros.
        """
        return {
            f"weight_ih_l{layer}": parameters["W"].T.copy(),
            f"weight_hh_l{layer}": parameters["U"].T.copy(),
            f"bias_ih_l{layer}": parameters["b"].copy(),
            f"bias_hh_l{layer}": self._second_bias(parameters),
        }

    def from_torch(self, tensors: Mapping[str, NDArray[Any]], layer: Part | int) -> dict[str, NDArray[Any]]:
        """The inverse of `to_torch`; a second bias that is not zero is added to the first.

        Raises:
            KeyError: a tensor is missing.
        """
        return {
            "W": tensors[f"weight_ih_l{layer}"].T,
            "U": tensors[f"weight_hh_l{layer}"].T,
            **self._biases(tensors[f"bias_ih_l{layer}"], tensors[f"bias_hh_l{layer}"]),
        }

    def _second_bias(self, parameters: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        return np.zeros_like(parameters["b"])

    def _biases(self, first: NDArray[Any], second: NDArray[Any]) -> dict[str, NDArray[Any]]:
        # Adding zeros would turn -0.0 into 0.0, and a resumed run must be the same to the last bit.
        return {"b": first + second if second.any() else first}
