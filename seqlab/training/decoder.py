"""An encoder reads, a decoder says (Cho et al. 2014): two stacks of layers with weights of their own.

    encoder:  x_1 … x_S  ->  its last states  ->  decoder:  x_{S+1} … x_T  ->  readout

The decoder starts from the encoder's last states. In training it reads what should have been said before;
left to itself it reads what it has said. With attention its readout also sees what it finds among the
encoder's states (`seqlab.kernels.attention`). An `EncoderDecoder` goes through whole sequences and is used
like a `Pass`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqlab.cells.base import ATTENTION
from seqlab.kernels import readout
from seqlab.spec.plan import attention_buffers
from seqlab.training.network import Arrays, Network, Pass
from seqlab.training.parameters import Parameters


def new_pass(network: Network, batch: int, window: int) -> AnyPass:
    """What takes `batch` sequences through a network, in windows of up to `window` timesteps."""
    return (EncoderDecoder if network.spec.task.encoder_steps else Pass)(network, batch, window)


class EncoderDecoder:
    """Forward and backward passes of `batch` whole sequences through an encoder and a decoder.

    Its methods are those of `Pass`, where a window is always the whole sequence and starts from states of
    zero.

    Args:
        network: whose weights are used.
        batch: B, how many sequences.
        window: T.

    Attributes:
        encoder, decoder: the two stacks.
    """

    def __init__(self, network: Network, batch: int, window: int) -> None:
        self.network = network
        self.batch = batch
        self._S = network.spec.task.encoder_steps
        self.encoder = Pass(network, batch, self._S, stack=0)
        decoder = _Looking if network.cell.attention else Pass
        self.decoder = decoder(network, batch, window - self._S, stack=1)
        self._y = np.zeros((window, batch, network.spec.task.outputs), network.dtype)
        self._has_weights = False

    @property
    def nbytes(self) -> int:
        """What the buffers take."""
        return self.encoder.nbytes + self.decoder.nbytes + self._y.nbytes

    @property
    def masks(self) -> Sequence[NDArray[Any]] | None:
        """As for `Pass`: the encoder's, then the decoder's."""
        if self.encoder.masks is None or self.decoder.masks is None:
            return None
        return [*self.encoder.masks, *self.decoder.masks]

    @masks.setter
    def masks(self, masks: Sequence[NDArray[Any]] | None) -> None:
        half = len(masks or ()) // 2
        self.encoder.masks = masks and masks[:half]
        self.decoder.masks = masks and masks[half:]

    def reset(self) -> None:
        """Take the weights as they are now."""
        self.take_weights()

    def take_weights(self) -> None:
        """Use the network's weights as they are now."""
        self._has_weights = True
        self.encoder.take_weights()
        self.decoder.take_weights()

    def clear_states(self) -> None:
        """Nothing: every window starts from states of zero."""

    def states(self) -> list[Arrays]:
        """None, as every window starts from zero."""
        return []

    def set_states(self, states: Sequence[Arrays]) -> None:
        """Nothing, as `states` gives none."""

    def go_back_to(self, step: int) -> None:
        """Nothing: every window is the whole sequence."""

    def forward(
        self, x: NDArray[Any], first: int = 0, lengths: NDArray[np.int64] | None = None
    ) -> NDArray[Any]:
        """Run sequences forward; arguments as for `Pass.forward`.

        Returns:
            The outputs [T, B, O], zeros where the encoder reads; a buffer.
        """
        self._encode(x, first)
        self._y[self._S :] = self.decoder.forward(x[self._S :], first)
        return self._y

    def run_free(self, x: NDArray[Any]) -> NDArray[Any]:
        """Run sequences forward, the decoder reading its own outputs but for its first input.

        Args:
            x: inputs [T, B, F], of which what the decoder should have said is not read.

        Returns:
            The outputs [T, B, O], zeros where the encoder reads.
        """
        self._encode(x, 0)
        outputs = np.zeros_like(self._y)
        read = x[self._S : self._S + 1]
        for step in range(self._S, len(outputs)):
            outputs[step] = self.decoder.forward(np.ascontiguousarray(read))[0]
            read = self.network.spec.task.feed(outputs[step : step + 1])
        return outputs

    def _encode(self, x: NDArray[Any], first: int) -> None:
        if not self._has_weights:
            self.take_weights()
        self.encoder.clear_states()
        self.encoder.layers_forward(x[: self._S], first)
        self.decoder.set_states(self.encoder.states())
        if isinstance(self.decoder, _Looking):
            self.decoder.seen = self.encoder.top()

    def loss(self, targets: NDArray[Any], mask: NDArray[Any], scale: float, first: int = 0) -> float:
        """As for `Pass`; only the decoder has losses."""
        return self.decoder.loss(targets[self._S :], mask[self._S :], scale, first)

    def backward(
        self, x: NDArray[Any], gradients: Parameters, first: int = 0, *, across: bool = False
    ) -> None:
        """As for `Pass`; nothing comes from beyond the sequence."""
        self.decoder.backward(x[self._S :], gradients, first)
        top = self.encoder.from_above()
        if isinstance(self.decoder, _Looking):
            top[...] = self.decoder.dseen
        else:
            top.fill(0)
        self.encoder.take_over(self.decoder)
        self.encoder.layers_backward(x[: self._S], gradients, first, across=True)

    def outputs(self) -> NDArray[Any]:
        """The outputs [T, B, O], after `forward`; a buffer."""
        return self._y

    def derivatives(self) -> list[NDArray[Any]]:
        """∂L/∂h_t [T, B, H] of each layer, the encoder's and then the decoder's, after `backward`."""
        both = zip(self.encoder.derivatives(), self.decoder.derivatives(), strict=True)
        return [np.concatenate(steps) for steps in both]

    def observed(self) -> list[dict[str, NDArray[Any]]]:
        """Gates and states of each layer by name, after `forward`; see `Pass.observed`.

        With attention the top layer has its shares [T, B, S], too.
        """
        both = zip(self.encoder.observed(), self.decoder.observed(), strict=True)
        found = [
            {name: np.concatenate([values, after[name]]) for name, values in before.items()}
            for before, after in both
        ]
        if isinstance(self.decoder, _Looking):
            shares = self.decoder.shares()
            nothing = np.zeros((self._S, *shares.shape[1:]), shares.dtype)
            found[-1][ATTENTION.name] = np.concatenate([nothing, shares])
        return found


class _Looking(Pass):
    """A decoder with attention.

    Attributes:
        seen: the encoder's outputs [S, B, H], to be set before the first window.
        dseen: [S, B, H], ∂L/∂seen, after `backward`.
    """

    def __init__(self, network: Network, batch: int, window: int, stack: int) -> None:
        super().__init__(network, batch, window, stack)
        from seqlab.kernels import attention

        self._kernels = attention
        shapes = attention_buffers(network.spec, batch, window)
        self._buffers = {name: np.zeros(shape, network.dtype) for name, shape in shapes.items()}
        self.dseen = self._buffers["dseen"]
        self.seen = np.zeros_like(self.dseen)

    @property
    def nbytes(self) -> int:
        """What the buffers take."""
        return super().nbytes + sum(buffer.nbytes for buffer in self._buffers.values())

    def readout_forward(self) -> NDArray[Any]:
        """Outputs of the top layer's states and of what they find among the encoder's."""
        window, parameters = self._current, self.network.parameters
        joined = self._of("joined")
        A = parameters.named[-1]["A"]
        self._kernels.forward(self.top(), self.seen, A, self._of("weights"), self._of("queries"), joined)
        readout.forward(joined, parameters.readout, window.scratch, window.y)
        return window.y

    def readout_backward(self, gradients: Parameters) -> None:
        """Down to the top layer's states and the encoder's."""
        window = self._current
        djoined = self._of("djoined")
        readout.backward(self._of("joined"), window.dy, gradients.readout, window.scratch, djoined)
        self._kernels.backward(
            self.top(),
            self.seen,
            self.network.parameters.named[-1]["A"],
            self._of("weights"),
            self._of("queries"),
            djoined,
            gradients.named[-1]["A"],
            self.from_above(),
            self.dseen,
            self._buffers["slopes"],
            self._buffers["dquery"],
        )

    def shares(self) -> NDArray[Any]:
        """How much of each encoder step went into each decoder step [m, B, S], after `forward`; a buffer."""
        return self._of("weights")

    def _of(self, name: str) -> NDArray[Any]:
        """A buffer, as long as the present window."""
        return self._buffers[name][: len(self._current.y)]


AnyPass: TypeAlias = Pass | EncoderDecoder
