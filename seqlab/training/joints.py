"""What is between layers: two directions side by side, residual connections, dropout.

    out = (→h ‖ ←h + x) ∘ mask

→h are the states of the forward direction, ←h those of the backward direction (Schuster & Paliwal 1997),
which runs from each sequence's own last step to its first; x is the layer's input, where it is as wide as the
output and residual connections are asked for (He et al. 2016); the mask hides units, the same ones at every
step of a sequence, and makes up for it in the others (Gal & Ghahramani 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.spec import Spec

DROPOUT_STREAM = 1 << 62
"""Masks are drawn under this and the number of the step, a key that no batch can have."""

Order = NDArray[np.int64] | None
"""[m, B]: the step that stands at each place of the backward direction; None for m-1, …, 1, 0."""


@dataclass(frozen=True)
class Joint:
    """A layer's output, put together for a window of m steps and taken apart again.

    Attributes:
        out: [m, B, width], what the layer above sees.
        dout: [m, B, width], ∂L/∂out.
        x_back: [m, B, F], the layer's input in the order of the backward direction; empty without one.
        dx_back: the derivative for it.
        residual: whether the layer's input is added.
    """

    out: NDArray[Any]
    dout: NDArray[Any]
    x_back: NDArray[Any]
    dx_back: NDArray[Any]
    residual: bool

    def gather(
        self, states: Sequence[NDArray[Any]], x: NDArray[Any], mask: NDArray[Any] | None, order: Order
    ) -> None:
        """Fill `out`.

        Args:
            states: of each direction, [m, B, H] in its own order.
            x: the layer's input [m, B, F].
            mask: [B, width]; None for no dropout.
            order: of the backward direction.
        """
        ahead, *back = states
        H = ahead.shape[2]
        self.out[:, :, :H] = ahead
        for one in back:
            turn(one, self.out[:, :, H:], order)
        if self.residual:
            np.add(self.out, x, out=self.out)
        if mask is not None:
            np.multiply(self.out, mask, out=self.out)

    def part_ways(self, dh: Sequence[NDArray[Any]], mask: NDArray[Any] | None, order: Order) -> None:
        """From `dout` to the derivative of each direction's states; `dout` leaves as before the mask."""
        ahead, *back = dh
        H = ahead.shape[2]
        if mask is not None:
            np.multiply(self.dout, mask, out=self.dout)
        ahead[...] = self.dout[:, :, :H]
        for one in back:
            turn(self.dout[:, :, H:], one, order)

    def send_down(self, dx: NDArray[Any], order: Order) -> None:
        """Add to the derivative for the layer's input what did not go through the forward direction."""
        if self.dx_back.size:
            dx += turn(self.dx_back, np.empty_like(dx), order)
        if self.residual:
            dx += self.dout


def backwards(lengths: NDArray[np.int64] | None, timesteps: int) -> Order:
    """The order in which the backward direction sees sequences: from their last step to the first.

    Padding stays where it is, behind.

    Args:
        lengths: [B]; None if no sequence is shorter than the others.
        timesteps: m.
    """
    if lengths is None:
        return None
    steps = np.arange(timesteps)[:, None]
    return np.where(steps < lengths, lengths - 1 - steps, steps)


def turn(source: NDArray[Any], target: NDArray[Any], order: Order) -> NDArray[Any]:
    """Copy [m, B, ·] into the order of the other direction, and return the copy; twice is the original."""
    target[...] = source[::-1] if order is None else np.take_along_axis(source, order[:, :, None], axis=0)
    return target


def dropout_masks(spec: Spec, step: int) -> list[NDArray[Any]] | None:
    """What each layer's output but the last is multiplied by at a step of training.

    A pure function of the seed and the step.

    Returns:
        [B, width] each, of 0 and 1/(1 - p), stack by stack; None without dropout.
    """
    model, training = spec.model, spec.training
    if not model.dropout:
        return None
    key = np.array([training.seed, DROPOUT_STREAM | step], dtype=np.uint64)
    draw = np.random.Generator(np.random.Philox(key=key))
    shape = (len(spec.stacks) * (model.layers - 1), training.batch_size, model.width)
    kept = draw.random(shape) >= model.dropout
    return list((kept / (1 - model.dropout)).astype(training.precision))
