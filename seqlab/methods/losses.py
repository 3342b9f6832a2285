"""Losses, as plain float64 formulas: what the rungs are measured with. Training uses `seqlab.kernels.losses`.

Every loss is the sum over unmasked (t, b), divided by their number; mean squared error also by the number
of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Loss:
    """A loss that a task can name.

    Attributes:
        label: how plots name it.
        unit: what one unit of it is.
        total: (outputs [T,B,O], targets, mask [T,B]) -> the sum over unmasked steps and outputs, in float64.
        per_output: whether the mean is also over the O outputs.
    """

    label: str
    unit: str
    total: Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], float]
    per_output: bool

    def scale(self, count: float, outputs: int) -> float:
        """What each unmasked term is multiplied by, given the number of unmasked steps."""
        return 1.0 / (count * (outputs if self.per_output else 1)) if count else 0.0

    def value(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
        """The mean loss."""
        return self.total(outputs, targets, mask) * self.scale(float(mask.sum()), outputs.shape[-1])


def _squared_errors(outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
    asked = mask > 0
    return float(np.sum((outputs[asked].astype(np.float64) - targets[asked]) ** 2))


def _cross_entropies(logits: NDArray[Any], classes: NDArray[Any], mask: NDArray[Any]) -> float:
    asked = mask > 0
    chosen = logits[asked].astype(np.float64)
    top = chosen.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(chosen - top).sum(axis=-1)) + top[:, 0]
    return float(np.sum(log_sum - np.take_along_axis(chosen, classes[asked][:, None], axis=-1)[:, 0]))


LOSSES: dict[str, Loss] = {
    "mse": Loss("mse", "squared units of the target", _squared_errors, per_output=True),
    "cross_entropy": Loss("cross-entropy", "nats a step", _cross_entropies, per_output=False),
}
"""Every loss by its name, which is also that of its kernel."""
