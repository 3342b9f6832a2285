"""A network: layers of one cell and a readout, as forward and backward passes over windows of a sequence.

Layers and windows are put together here in plain Python, once per window; the kernels do the work, and
`joints` does what is between layers. A `Pass` owns every buffer that a slice of the batch needs, as long as a
window and no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.cells.base import REVERSE
from seqlab.kernels import losses, readout
from seqlab.spec import Spec
from seqlab.spec.plan import pass_buffers
from seqlab.training.joints import Joint, backwards, turn
from seqlab.training.parameters import Parameters

INITIAL_STREAM = 1 << 63
"""Weights are drawn under a key that no batch number can have."""

_LINE = 64
"""Bytes of a line of the cache."""

Arrays = tuple[NDArray[Any], ...]


class Network:
    """What the passes share: the spec's shapes, the compiled kernels and the weights.

    Args:
        spec: what to build.

    Attributes:
        parameters: θ, drawn from the spec's seed.
        dtype: float32 or float64, as the spec says.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.cell = spec.model
        self.variant = self.cell.variant
        self.dtype = np.dtype(spec.training.precision)
        kernels = import_module(f"seqlab.kernels.{self.cell.kernel}")
        self.pack, self.forward, self.backward = kernels.pack, kernels.forward, kernels.backward
        self.loss = getattr(losses, spec.loss_name)
        self.parameters = self.empty()
        rng = np.random.Generator(
            np.random.Philox(key=np.array([spec.training.seed, INITIAL_STREAM], dtype=np.uint64))
        )
        for (_, part), views in zip(spec.parts(), self.parameters.named[:-1], strict=True):
            features = self.cell.inputs_of(part.layer, spec.task.features)
            for name, value in self.cell.initialise(rng, features).items():
                views[name][...] = value
        V, _ = self.parameters.readout
        V[...] = rng.uniform(-1, 1, V.shape) / np.sqrt(V.shape[0])
        if self.cell.attention:
            A = self.parameters.named[-1]["A"]
            A[...] = rng.uniform(-1, 1, A.shape) / np.sqrt(len(A))

    def under(self, spec: Spec) -> Network:
        """The same network, its weights shared, under a spec of the same shapes and kernels."""
        other = copy(self)
        other.spec = spec
        return other

    def empty(self) -> Parameters:
        """Zeros in the form of the parameters, for gradients and optimiser slots."""
        return Parameters(self.spec, self.dtype)


_GROUPS = ("packed", "carried", "record", "scratch", "dh", "carry")


@dataclass(frozen=True)
class _Part:
    """The buffers of a layer in one direction for a window of m steps, each as the kernels know it."""

    packed: Arrays
    carried: Arrays
    record: Arrays
    scratch: Arrays
    dh: Arrays
    carry: Arrays

    # Views, made once, as making one takes longer than what is done with it in a short window.

    @cached_property
    def starts(self) -> Arrays:
        """The states where the window starts, [B, H] each."""
        return tuple(state[0] for state in self.carried)

    @cached_property
    def ends(self) -> Arrays:
        """The states after its last step, [B, H] each."""
        return tuple(state[-1] for state in self.carried)

    @cached_property
    def h(self) -> NDArray[Any]:
        """The state after each step, [m, B, H]."""
        return self.carried[0][1:]


@dataclass(frozen=True)
class _Layer:
    """A layer's directions for a window of m steps, and their joint, unless the output is just the state."""

    parts: tuple[_Part, ...]
    joint: Joint | None

    @cached_property
    def out(self) -> NDArray[Any]:
        """What the layer above sees [m, B, width]."""
        return self.parts[0].h if self.joint is None else self.joint.out

    @cached_property
    def dout(self) -> NDArray[Any]:
        """Where the layer above leaves ∂L/∂out."""
        return self.parts[0].dh[0] if self.joint is None else self.joint.dout


@dataclass(frozen=True)
class _Window:
    """Every buffer for a window of m steps; `parts` are those of all layers."""

    layers: tuple[_Layer, ...]
    parts: tuple[_Part, ...]
    y: NDArray[Any]
    dy: NDArray[Any]
    scratch: Arrays
    no_dx: NDArray[Any]


class Pass:
    """Forward and backward passes of `batch` sequences through windows of up to `window` timesteps.

    Its weights are the network's as they were at the last `reset` or `take_weights`, or else at the first
    window. The states after a window are the start of the next until `reset`. Derivatives are handed from a
    window to the one before only on request.

    Args:
        network: whose weights are used.
        batch: B, how many sequences.
        window: the longest window that will be asked for.
        stack: which of the network's stacks of layers.

    Attributes:
        masks: for each layer but the last, what its output is multiplied by [B, width]; None without dropout.
    """

    def __init__(self, network: Network, batch: int, window: int, stack: int = 0) -> None:
        self.network = network
        self.batch = batch
        count = len(network.cell.parts())
        self._own = slice(stack * count, (stack + 1) * count)
        self.masks: Sequence[NDArray[Any]] | None = None
        shapes = pass_buffers(network.spec, batch, window)
        self._memory = {key: _zeros(prod(shape), network.dtype) for key, shape in shapes.items()}
        self._windows: dict[int, _Window] = {}
        self._current = self._window(window)
        self._has_weights = False
        self._order: NDArray[np.int64] | None = None

    @property
    def nbytes(self) -> int:
        """What the buffers take."""
        return sum(memory.nbytes for memory in self._memory.values())

    def reset(self) -> None:
        """Take the weights as they are now, and start the next window from states of zero."""
        self.take_weights()
        self.clear_states()

    def take_weights(self) -> None:
        """Use the network's weights as they are now; the states stay."""
        self._has_weights = True
        network = self.network
        for part, parameters in zip(self._current.parts, network.parameters.layers[self._own], strict=True):
            network.pack(parameters, part.packed)

    def clear_states(self) -> None:
        """Start the next window from states of zero."""
        for part in self._current.parts:
            for state in part.ends:
                state.fill(0)

    def states(self) -> list[Arrays]:
        """Copies of the states after the last window, [B, H] each, for every layer in every direction."""
        return [tuple(state.copy() for state in part.ends) for part in self._current.parts]

    def set_states(self, states: Sequence[Arrays]) -> None:
        """Start the next window from these states."""
        for part, saved in zip(self._current.parts, states, strict=True):
            for state, value in zip(part.ends, saved, strict=True):
                state[...] = value

    def go_back_to(self, step: int) -> None:
        """Start the next window from the states that the last one had after so many of its steps."""
        for part in self._current.parts:
            for state, end in zip(part.carried, part.ends, strict=True):
                end[...] = state[step]

    def forward(
        self, x: NDArray[Any], first: int = 0, lengths: NDArray[np.int64] | None = None
    ) -> NDArray[Any]:
        """Run a window forward from the states that the last one left.

        Args:
            x: inputs [m, ·, F], C-contiguous, in the network's dtype.
            first: this pass takes sequences `first` to `first + B - 1`.
            lengths: [·] of the sequences, for a backward direction, whose window is the whole sequence.

        Returns:
            The outputs [m, B, O]; a buffer, overwritten by the next call.
        """
        if not self._has_weights:
            self.take_weights()
        if lengths is not None and self.network.cell.bidirectional:
            lengths = lengths[first : first + self.batch]
        self._order = backwards(lengths, len(x))
        self.layers_forward(x, first)
        return self.readout_forward()

    def layers_forward(self, x: NDArray[Any], first: int) -> None:
        """The first half of `forward`: every layer's states."""
        network, before = self.network, self._current
        window = self._current = self._window(len(x))
        for old, part in zip(before.parts, window.parts, strict=True):
            for last, start in zip(old.ends, part.starts, strict=True):
                start[...] = last
        for number, layer in enumerate(window.layers):
            joint, (ahead, *back) = layer.joint, layer.parts
            network.forward(x, first, ahead.packed, ahead.carried, ahead.record, network.variant)
            if joint is not None:
                x = x[:, first : first + self.batch]
                for part in back:
                    turn(x, joint.x_back, self._order)
                    network.forward(joint.x_back, 0, part.packed, part.carried, part.record, network.variant)
                joint.gather([part.h for part in layer.parts], x, self._mask(number), self._order)
            x, first = layer.out, 0

    def readout_forward(self) -> NDArray[Any]:
        """The second half of `forward`: outputs of the top layer's states."""
        window = self._current
        readout.forward(window.layers[-1].out, self.network.parameters.readout, window.scratch, window.y)
        return window.y

    def loss(self, targets: NDArray[Any], mask: NDArray[Any], scale: float, first: int = 0) -> float:
        """The loss of the last forward pass's outputs, and its derivative for `backward`.

        Args:
            targets: [m, ·, O] in the network's dtype, or int64 classes [m, ·].
            mask: [m, ·] in the network's dtype.
            scale: what each unmasked term is multiplied by.
            first: as for `forward`.
        """
        return float(self.network.loss(self._current.y, targets, mask, first, scale, self._current.dy))

    def backward(
        self, x: NDArray[Any], gradients: Parameters, first: int = 0, *, across: bool = False
    ) -> None:
        """Run the last window backward from the derivative that `loss` left, adding to `gradients`.

        Args:
            x: the inputs that `forward` was given.
            gradients: added to.
            first: as for `forward`.
            across: take over the derivative with respect to the states that the last backward pass left at
                its start, instead of cutting it there. Windows must then be run from the last to the first.
        """
        self.readout_backward(gradients)
        self.layers_backward(x, gradients, first, across=across)

    def readout_backward(self, gradients: Parameters) -> None:
        """The first half of `backward`: down to the top layer's states."""
        window = self._current
        top = window.layers[-1]
        readout.backward(top.out, window.dy, gradients.readout, window.scratch, top.dout)

    def layers_backward(self, x: NDArray[Any], gradients: Parameters, first: int, *, across: bool) -> None:
        """The second half of `backward`: down through the layers."""
        window, weights = self._current, list(gradients.layers[self._own])
        for number in range(len(window.layers) - 1, -1, -1):
            layer = window.layers[number]
            joint, below = layer.joint, window.layers[number - 1] if number else None
            if joint is not None:
                joint.part_ways([part.dh[0] for part in layer.parts], self._mask(number), self._order)
            if not across:
                for part in layer.parts:
                    for derivative in part.carry:
                        derivative.fill(0)
            ahead, *back = layer.parts
            for part in back:
                self._part_backward(part, joint.x_back, 0, weights.pop(), joint.dx_back)  # type: ignore[union-attr]
            dx = below.dout if below else window.no_dx
            x_in, x_first = (below.out, 0) if below else (x, first)
            self._part_backward(ahead, x_in, x_first, weights.pop(), dx)
            if joint is not None and below is not None:
                joint.send_down(dx, self._order)

    def _part_backward(
        self, part: _Part, x: NDArray[Any], first: int, gradients: Arrays, dx: NDArray[Any]
    ) -> None:
        network = self.network
        network.backward(
            x,
            first,
            part.packed,
            part.carried,
            part.record,
            part.dh[0],
            part.carry,
            gradients,
            part.scratch,
            dx,
            network.variant,
        )

    def _mask(self, layer: int) -> NDArray[Any] | None:
        """What the output of a layer is multiplied by, if anything."""
        return self.masks[layer] if self.masks is not None and layer < len(self.masks) else None

    def outputs(self) -> NDArray[Any]:
        """The outputs [m, B, O], after `forward`; a buffer."""
        return self._current.y

    def top(self) -> NDArray[Any]:
        """What the readout saw [m, B, width], after `forward`; a buffer."""
        return self._current.layers[-1].out

    def from_above(self) -> NDArray[Any]:
        """Where ∂L/∂`top` stands that the readout leaves and `layers_backward` starts from."""
        return self._current.layers[-1].dout

    def take_over(self, later: Pass) -> None:
        """Let ∂L/∂state come into the end of this window as it left another pass at the start of its own."""
        for part, other in zip(self._current.parts, later._current.parts, strict=True):
            for derivative, value in zip(part.carry, other.carry, strict=True):
                derivative[...] = value

    def derivatives(self) -> list[NDArray[Any]]:
        """∂L/∂h_t [m, B, width] of each layer, after `backward`, directions side by side; maybe a buffer."""
        return [self._in_order([part.dh[0] for part in layer.parts]) for layer in self._current.layers]

    def observed(self) -> list[dict[str, NDArray[Any]]]:
        """Gates and states [m, B, H] of each layer by name, after `forward`; maybe views of buffers."""
        found = []
        for layer in self._current.layers:
            ahead, *back = (self.network.cell.observe(part.carried, part.record) for part in layer.parts)
            for seen in back:
                for name, values in seen.items():
                    ahead[name + REVERSE] = turn(values, np.empty_like(values), self._order)
            found.append(ahead)
        return found

    def _in_order(self, directions: list[NDArray[Any]]) -> NDArray[Any]:
        """Of each direction something [m, B, H], side by side and in the order of time."""
        ahead, *back = directions
        if not back:
            return ahead
        return np.concatenate([ahead, *(turn(one, np.empty_like(one), self._order) for one in back)], axis=2)

    def _window(self, m: int) -> _Window:
        """The buffers for a window of m steps: views of the memory that windows of every length share."""
        if m not in self._windows:
            self._windows[m] = self._views(m)
        return self._windows[m]

    def _views(self, m: int) -> _Window:
        network, cell = self.network, self.network.cell
        task = network.spec.task
        shapes = pass_buffers(network.spec, self.batch, m)
        views = {key: self._memory[key][: prod(shape)].reshape(shape) for key, shape in shapes.items()}

        def group(part: int, what: str) -> Arrays:
            return tuple(view for key, view in views.items() if key[:2] == (part, what))

        parts = tuple(_Part(*(group(n, what) for what in _GROUPS)) for n in range(len(cell.parts())))
        layers = []
        for layer in range(cell.layers):
            joint = None
            if cell.joins(layer, task.features):
                residual = cell.residual and cell.inputs_of(layer, task.features) == cell.width
                back = [views.get((name, layer), views["y",][:0]) for name in ("x_back", "dx_back")]
                joint = Joint(views["out", layer], views["dout", layer], back[0], back[1], residual)
            layers.append(_Layer(parts[layer * cell.directions :][: cell.directions], joint))
        return _Window(
            layers=tuple(layers),
            parts=parts,
            y=views["y",],
            dy=views["dy",],
            scratch=(views["scratch", 0], views["scratch", 1]),
            no_dx=np.zeros((0, self.batch, task.features), network.dtype),
        )


def _zeros(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin where a line of the processor's cache does, so that no vector lies across two."""
    memory = np.zeros(count * dtype.itemsize + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + count * dtype.itemsize].view(dtype)
