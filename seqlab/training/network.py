"""A network: layers of one cell and a readout, as forward and backward passes over windows of a sequence.

Layers and windows are put together here in plain Python, once per window; the kernels do the work. A `Pass`
owns every buffer that a slice of the batch needs, as long as a window and no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels import losses, readout
from seqlab.spec import Spec
from seqlab.spec.plan import pass_buffers
from seqlab.training.parameters import Parameters

INITIAL_STREAM = 1 << 63
"""Weights are drawn under a key that no batch number can have."""

_LINE = 64
"""Bytes of a line of the cache."""


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
        self.loss = getattr(losses, spec.task.loss)
        self.parameters = self.empty()
        rng = np.random.Generator(
            np.random.Philox(key=np.array([spec.training.seed, INITIAL_STREAM], dtype=np.uint64))
        )
        for layer, views in enumerate(self.parameters.named[:-1]):
            for name, value in self.cell.initialise(rng, self.inputs_of(layer)).items():
                views[name][...] = value
        V, _ = self.parameters.readout
        V[...] = rng.uniform(-1, 1, V.shape) / np.sqrt(V.shape[0])

    def inputs_of(self, layer: int) -> int:
        """The width of a layer's input."""
        return self.spec.task.features if layer == 0 else self.cell.hidden

    def empty(self) -> Parameters:
        """Zeros in the form of the parameters, for gradients and optimiser slots."""
        return Parameters(self.spec.parameter_shapes(), self.dtype)


_GROUPS = ("packed", "carried", "record", "scratch", "dh", "carry")


@dataclass(frozen=True)
class _Layer:
    """The buffers of one layer for a window of m steps: see the kernels for what each holds."""

    packed: tuple[NDArray[Any], ...]
    carried: tuple[NDArray[Any], ...]
    record: tuple[NDArray[Any], ...]
    scratch: tuple[NDArray[Any], ...]
    dh: tuple[NDArray[Any], ...]
    carry: tuple[NDArray[Any], ...]

    # Views, made once, as making one takes longer than what is done with it in a short window.

    @cached_property
    def starts(self) -> tuple[NDArray[Any], ...]:
        """The states where the window starts, [B, H] each."""
        return tuple(state[0] for state in self.carried)

    @cached_property
    def ends(self) -> tuple[NDArray[Any], ...]:
        """The states after its last step, [B, H] each."""
        return tuple(state[-1] for state in self.carried)

    @cached_property
    def out(self) -> NDArray[Any]:
        """What the layer above sees, h [m, B, H]."""
        return self.carried[0][1:]


@dataclass(frozen=True)
class _Window:
    """Every buffer for a window of m steps."""

    layers: tuple[_Layer, ...]
    y: NDArray[Any]
    dy: NDArray[Any]
    scratch: tuple[NDArray[Any], ...]
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
    """

    def __init__(self, network: Network, batch: int, window: int) -> None:
        self.network = network
        self.batch = batch
        shapes = pass_buffers(network.spec, batch, window)
        self._memory = {key: _zeros(prod(shape), network.dtype) for key, shape in shapes.items()}
        self._windows: dict[int, _Window] = {}
        self._current = self._window(window)
        self._has_weights = False

    @property
    def nbytes(self) -> int:
        """What the buffers take."""
        return sum(memory.nbytes for memory in self._memory.values())

    def reset(self) -> None:
        """Take the weights as they are now, and start the next window from states of zero."""
        self.take_weights()
        for layer in self._current.layers:
            for state in layer.ends:
                state.fill(0)

    def take_weights(self) -> None:
        """Use the network's weights as they are now; the states stay."""
        self._has_weights = True
        network = self.network
        for layer, parameters in zip(self._current.layers, network.parameters.layers, strict=True):
            network.pack(parameters, layer.packed)

    def states(self) -> list[tuple[NDArray[Any], ...]]:
        """Copies of the states after the last window, [B, H] each, layer by layer."""
        return [tuple(state.copy() for state in layer.ends) for layer in self._current.layers]

    def set_states(self, states: Sequence[tuple[NDArray[Any], ...]]) -> None:
        """Start the next window from these states."""
        for layer, saved in zip(self._current.layers, states, strict=True):
            for state, value in zip(layer.ends, saved, strict=True):
                state[...] = value

    def forward(self, x: NDArray[Any], first: int = 0) -> NDArray[Any]:
        """Run a window forward from the states that the last one left.

        Args:
            x: inputs [m, ·, F], C-contiguous, in the network's dtype.
            first: this pass takes sequences `first` to `first + B - 1`.

        Returns:
            The outputs [m, B, O]; a buffer, overwritten by the next call.
        """
        if not self._has_weights:
            self.take_weights()
        self.layers_forward(x, first)
        return self.readout_forward()

    def layers_forward(self, x: NDArray[Any], first: int) -> None:
        """The first half of `forward`: every layer's states."""
        network, before = self.network, self._current
        window = self._current = self._window(len(x))
        for old, layer in zip(before.layers, window.layers, strict=True):
            for last, start in zip(old.ends, layer.starts, strict=True):
                start[...] = last
        for layer in window.layers:
            network.forward(x, first, layer.packed, layer.carried, layer.record, network.variant)
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
        readout.backward(top.out, window.dy, gradients.readout, window.scratch, top.dh[0])

    def layers_backward(self, x: NDArray[Any], gradients: Parameters, first: int, *, across: bool) -> None:
        """The second half of `backward`: down through the layers."""
        network, window = self.network, self._current
        for number in range(len(window.layers) - 1, -1, -1):
            layer = window.layers[number]
            if not across:
                for derivative in layer.carry:
                    derivative.fill(0)
            below = window.layers[number - 1] if number else None
            network.backward(
                below.out if below else x,
                0 if below else first,
                layer.packed,
                layer.carried,
                layer.record,
                layer.dh[0],
                layer.carry,
                gradients.layers[number],
                layer.scratch,
                below.dh[0] if below else window.no_dx,
                network.variant,
            )

    def outputs(self) -> NDArray[Any]:
        """The outputs [m, B, O], after `forward`; a buffer."""
        return self._current.y

    def derivatives(self) -> list[NDArray[Any]]:
        """∂L/∂h_t [m, B, H] of each layer, after `backward`; buffers."""
        return [layer.dh[0] for layer in self._current.layers]

    def observed(self) -> list[dict[str, NDArray[Any]]]:
        """Gates and states [m, B, H] of each layer by name, after `forward`; views of buffers."""
        cell = self.network.cell
        return [cell.observe(layer.carried, layer.record) for layer in self._current.layers]

    def _window(self, m: int) -> _Window:
        """The buffers for a window of m steps: views of the memory that windows of every length share."""
        if m not in self._windows:
            network = self.network
            shapes = pass_buffers(network.spec, self.batch, m)
            views = {key: self._memory[key][: prod(shape)].reshape(shape) for key, shape in shapes.items()}

            def group(layer: int, what: str) -> tuple[NDArray[Any], ...]:
                return tuple(view for key, view in views.items() if key[:2] == (layer, what))

            self._windows[m] = _Window(
                layers=tuple(
                    _Layer(*(group(n, what) for what in _GROUPS)) for n in range(network.cell.layers)
                ),
                y=views["y",],
                dy=views["dy",],
                scratch=(views["scratch", 0], views["scratch", 1]),
                no_dx=np.zeros((0, self.batch, network.spec.task.features), network.dtype),
            )
        return self._windows[m]


def _zeros(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin where a line of the processor's cache does, so that no vector lies across two."""
    memory = np.zeros(count * dtype.itemsize + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + count * dtype.itemsize].view(dtype)
