"""How far credit reaches: walls, and the steps behind them that no loss can touch.

Truncation k cuts a sequence into windows of k timesteps counted from the first; derivatives never cross
from one window into the one before. So a timestep gets a gradient exactly if its own window holds a loss at
it or later. This is a fact about the setting; what a network learns inside a window may well carry over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Timesteps `start` to `stop - 1`, counted from 0."""

    start: int
    stop: int


def windows(timesteps: int, truncation: int) -> tuple[Window, ...]:
    """The windows of a sequence, in order; the last may be shorter.

    Args:
        timesteps: T.
        truncation: k, the length of a window; 0, and k ≥ T, mean a single one.
    """
    size = truncation if 0 < truncation < timesteps else timesteps
    return tuple(Window(start, min(start + size, timesteps)) for start in range(0, timesteps, size))


def walls(timesteps: int, truncation: int) -> NDArray[np.int64]:
    """The steps after which the gradient is cut, counted from 1 as on screen: k, 2k, … < T."""
    return np.array([window.stop for window in windows(timesteps, truncation)[:-1]], dtype=np.int64)


def reached(timesteps: int, truncation: int, loss_steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which timesteps get a gradient: bool [T].

    Args:
        timesteps: T.
        truncation: k; 0 is full backpropagation.
        loss_steps: the steps with a loss, counted from 0.
    """
    reach = np.zeros(timesteps, dtype=np.bool_)
    size = truncation if 0 < truncation < timesteps else timesteps
    for window, last in _last_loss_of_each_window(size, loss_steps):
        reach[window * size : last + 1] = True
    return reach


def _last_loss_of_each_window(size: int, loss_steps: NDArray[np.int64]) -> list[tuple[int, int]]:
    last: dict[int, int] = {}
    for step in np.sort(loss_steps).tolist():
        last[step // size] = step
    return list(last.items())
