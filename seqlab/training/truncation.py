"""Backpropagation through time, full and truncated: sweeps of a pass over the windows of a sequence.

States are carried over a wall, derivatives are cut there (Williams & Peng 1990, with k1 = k2 = k). Full
backpropagation is the case of a single window. `sweep_back` undoes the cut: it hands derivatives from each
window to the one before, running each forward again from its stored start, so that even the full gradient
needs memory for one window only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.spec.credit import Window
from seqlab.tasks import Batch
from seqlab.training.network import Network, Pass
from seqlab.training.parameters import Parameters

After = Callable[[Window, Pass], None]
"""Called after each window's backward pass, to look at what it left."""


@dataclass(frozen=True)
class Sequences:
    """A slice of a batch as the kernels take it: contiguous, in the network's dtype."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    mask: NDArray[Any]

    @classmethod
    def of(cls, network: Network, batch: Batch, start: int = 0, stop: int | None = None) -> Sequences:
        """Sequences `start` to `stop - 1` of a batch."""
        dtype = network.dtype
        targets = (
            batch.targets if batch.targets.dtype == np.int64 else batch.targets.astype(dtype, copy=False)
        )
        return cls(
            np.ascontiguousarray(batch.inputs[:, start:stop], dtype),
            np.ascontiguousarray(targets[:, start:stop]),
            np.ascontiguousarray(batch.mask[:, start:stop], dtype),
        )


def sweep(
    work: Pass,
    sequences: Sequences,
    windows: Iterable[Window],
    scale: float,
    gradients: Parameters,
    after: After | None = None,
) -> float:
    """Go forward and back through windows in order, cutting derivatives at each wall.

    Args:
        work: the pass; its states go on from where they stand.
        sequences: what it runs through.
        windows: which windows, adjoining, in order.
        scale: what each unmasked term of the loss is multiplied by.
        gradients: added to.
        after: see `After`.

    Returns:
        The loss, summed over the windows.
    """
    total = 0.0
    for window in windows:
        cut = slice(window.start, window.stop)
        x = sequences.inputs[cut]
        work.forward(x)
        total += work.loss(sequences.targets[cut], sequences.mask[cut], scale)
        work.backward(x, gradients)
        if after is not None:
            after(window, work)
    return total


def sweep_back(
    work: Pass,
    sequences: Sequences,
    windows: Sequence[Window],
    scale: float,
    gradients: Parameters,
    after: After | None = None,
) -> None:
    """Go through all windows of a sequence as full backpropagation does, with memory for one window.

    Arguments as for `sweep`; the states start from zero, and `after` sees the windows from the last to the
    first.
    """
    work.reset()
    starts = []
    for window in windows:
        starts.append(work.states())
        if window is not windows[-1]:
            work.forward(sequences.inputs[window.start : window.stop])
    for number in range(len(windows) - 1, -1, -1):
        window = windows[number]
        cut = slice(window.start, window.stop)
        x = sequences.inputs[cut]
        work.set_states(starts[number])
        work.forward(x)
        work.loss(sequences.targets[cut], sequences.mask[cut], scale)
        work.backward(x, gradients, across=number < len(windows) - 1)
        if after is not None:
            after(window, work)
