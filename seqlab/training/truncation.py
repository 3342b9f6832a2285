"""Backpropagation through time, full and truncated: sweeps of a pass over the windows of a sequence.

States are carried into the next window, derivatives are cut where a window starts (Williams & Peng 1990).
Where windows overlap, each is run forward again from its start state, which the window before has left, and
only the losses of its own block count. Full backpropagation is the case of a single window. `sweep_back`
undoes the cut: it hands derivatives from each window to the one before, running each forward again from its
stored start, so that even the full gradient needs memory for one window only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels.denormals import as_zeros
from seqlab.spec.credit import Window
from seqlab.tasks import Batch
from seqlab.training.decoder import AnyPass
from seqlab.training.network import Network
from seqlab.training.parameters import Parameters

After = Callable[[Window, AnyPass], None]
"""Called after each window's backward pass, to look at what it left."""


@dataclass(frozen=True)
class Sequences:
    """A batch as the kernels take it, contiguous and in the network's dtype; a pass takes a slice of it.

    Attributes:
        inputs: [T, ·, F].
        targets: [T, ·, O], or int64 classes [T, ·].
        mask: [T, ·].
        lengths: int64 [·], how many timesteps of each sequence are not padding; None if all are T.
        first: the first sequence of the slice.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    mask: NDArray[Any]
    lengths: NDArray[np.int64] | None = None
    first: int = 0

    @classmethod
    def of(cls, network: Network, batch: Batch) -> Sequences:
        """A whole batch."""
        dtype = network.dtype
        classes = batch.targets.dtype == np.int64
        return cls(
            np.ascontiguousarray(batch.inputs, dtype),
            np.ascontiguousarray(batch.targets, None if classes else dtype),
            np.ascontiguousarray(batch.mask, dtype),
            batch.lengths,
        )

    def counted(self, window: Window) -> NDArray[Any]:
        """The mask of a window, with nothing before its block."""
        mask = self.mask[window.start : window.stop]
        if window.block > window.start:
            mask = mask.copy()
            mask[: window.block - window.start] = 0
        return mask


@as_zeros()
def sweep(
    work: AnyPass,
    sequences: Sequences,
    windows: Iterable[Window],
    scale: float,
    gradients: Parameters,
    after: After | None = None,
    *,
    reset: bool = False,
) -> float:
    """Go forward and back through windows in order, cutting derivatives where each starts.

    Args:
        work: the pass; its states are those at the start of the first window, and will be those at the start
            of the one after the last.
        sequences: what it runs through.
        windows: which windows, in order.
        scale: what each unmasked term of the loss is multiplied by.
        gradients: added to.
        after: see `After`.
        reset: start each window from states of zero.

    Returns:
        The loss, summed over the windows.
    """
    total = 0.0
    for window in windows:
        cut = slice(window.start, window.stop)
        x = sequences.inputs[cut]
        if reset:
            work.clear_states()
        work.forward(x, sequences.first, sequences.lengths)
        total += work.loss(sequences.targets[cut], sequences.counted(window), scale, sequences.first)
        work.backward(x, gradients, sequences.first)
        if after is not None:
            after(window, work)
        if window.following != window.stop:
            work.go_back_to(window.following - window.start)
    return total


@as_zeros()
def sweep_back(
    work: AnyPass,
    sequences: Sequences,
    windows: Sequence[Window],
    scale: float,
    gradients: Parameters,
    after: After | None = None,
) -> None:
    """Go through all windows of a sequence as full backpropagation does, with memory for one window.

    Arguments as for `sweep`; the windows adjoin, the states start from zero, and `after` sees the windows
    from the last to the first.
    """
    work.reset()
    starts = []
    for window in windows:
        starts.append(work.states())
        if window is not windows[-1]:
            work.forward(sequences.inputs[window.start : window.stop], sequences.first, sequences.lengths)
    for number in range(len(windows) - 1, -1, -1):
        window = windows[number]
        cut = slice(window.start, window.stop)
        x = sequences.inputs[cut]
        work.set_states(starts[number])
        work.forward(x, sequences.first, sequences.lengths)
        work.loss(sequences.targets[cut], sequences.mask[cut], scale, sequences.first)
        work.backward(x, gradients, sequences.first, across=number < len(windows) - 1)
        if after is not None:
            after(window, work)
