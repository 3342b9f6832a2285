"""How far credit reaches: the windows of truncated backpropagation, and the steps that no loss can touch.

The losses of every block of k1 timesteps, counted from the first, go back through a window of k2 ≥ k1
timesteps that ends where the block does (Williams & Peng 1990). Truncation k is the simple form k1 = k2 = k:
windows that adjoin. Derivatives never leave a window. So a timestep gets a gradient exactly if some window
holds it, and a loss of that window's block at it or later. This is a fact about the setting; what a network
learns inside a window may well carry over. A network that also runs from the end to the start cannot be cut,
and any loss of it reaches every step; in one without memory it reaches its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Truncation: TypeAlias = int | tuple[int, int]
"""k, with 0 for none; or (stride k1, window k2)."""

Passes: TypeAlias = Literal["onwards", "both", "nowhere"]
"""Which way anything goes from step to step within a network."""


@dataclass(frozen=True)
class Window:
    """Timesteps `start` to `stop - 1`, counted from 0.

    Attributes:
        start, stop: see above.
        block: from here on losses count; those before belong to an earlier window.
        following: where the next window starts, or `stop` for the last.
    """

    start: int
    stop: int
    block: int
    following: int


def windows(timesteps: int, truncation: Truncation) -> tuple[Window, ...]:
    """The windows of a sequence, in order; the last may be shorter.

    Args:
        timesteps: T.
        truncation: see `Truncation`; k ≥ T means a single window, too.
    """
    stride, longest = truncation if isinstance(truncation, tuple) else (truncation, truncation)
    if not 0 < stride < timesteps:
        stride = longest = timesteps
    blocks = range(0, timesteps, stride)
    starts = [max(0, block + stride - longest) for block in blocks]
    stops = [min(block + stride, timesteps) for block in blocks]
    following = [*starts[1:], timesteps]
    return tuple(Window(*edges) for edges in zip(starts, stops, blocks, following, strict=True))


def walls(timesteps: int, truncation: Truncation) -> NDArray[np.int64]:
    """The steps behind which windows start, counted from 1 as on screen: k, 2k, … < T."""
    starts = {window.start for window in windows(timesteps, truncation)}
    return np.array(sorted(starts - {0}), dtype=np.int64)


def reached(
    timesteps: int, truncation: Truncation, loss_steps: NDArray[np.int64], *, passes: Passes = "onwards"
) -> NDArray[np.bool_]:
    """Which timesteps get a gradient: bool [T].

    Args:
        timesteps: T.
        truncation: see `Truncation`.
        loss_steps: the steps with a loss, counted from 0.
        passes: see `Passes`.
    """
    reach = np.zeros(timesteps, dtype=np.bool_)
    for first, last in stretches(timesteps, truncation, loss_steps, passes=passes):
        reach[first : last + 1] = True
    return reach


def stretches(
    timesteps: int, truncation: Truncation, loss_steps: NDArray[np.int64], *, passes: Passes = "onwards"
) -> list[tuple[int, int]]:
    """The first and last timestep, from 0, that get a gradient in each window whose block has a loss.

    Arguments as for `reached`.
    """
    losses = np.unique(loss_steps)
    if passes == "both" and losses.size:
        return [(0, timesteps - 1)]
    if passes == "nowhere":
        runs = np.split(losses, np.flatnonzero(np.diff(losses) > 1) + 1)
        return [(int(run[0]), int(run[-1])) for run in runs if run.size]
    found = []
    for window in windows(timesteps, truncation):
        place = int(np.searchsorted(losses, window.stop))
        if place and losses[place - 1] >= window.block:
            found.append((window.start, int(losses[place - 1])))
    return found
