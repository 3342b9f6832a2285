"""Losses, as plain float64 formulas: what the rungs are measured with. Training uses `seqlab.kernels.losses`.

Every loss is the sum over unmasked (t, b), divided by their number, and by the number of outputs as well,
unless the outputs are classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Targets = Literal["values", "bits", "classes"]
"""What a loss compares outputs with: numbers, numbers in [0, 1] (outputs are their logits), or classes."""


@dataclass(frozen=True)
class Loss:
    """A loss that a task or a spec can name.

    Attributes:
        label: how plots name it.
        unit: what one unit of it is.
        total: (outputs [T,B,O], targets, mask [T,B]) -> the sum over unmasked steps and outputs, in float64.
        targets: what it compares outputs with.
    """

    label: str
    unit: str
    total: Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], float]
    targets: Targets

    @property
    def per_output(self) -> bool:
        """Whether the mean is also over the O outputs."""
        return self.targets != "classes"

    def fits(self, own: Loss) -> bool:
        """Whether it can stand in for a task's own loss: what outputs mean must stay the same."""
        return self.targets == own.targets

    def scale(self, count: float, outputs: int) -> float:
        """What each unmasked term is multiplied by, given the number of unmasked steps."""
        return 1.0 / (count * (outputs if self.per_output else 1)) if count else 0.0

    def value(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
        """The mean loss."""
        return self.total(outputs, targets, mask) * self.scale(float(mask.sum()), outputs.shape[-1])


def _errors(outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.float64]:
    asked = mask > 0
    errors: NDArray[np.float64] = outputs[asked].astype(np.float64) - targets[asked]
    return errors


def _squared_errors(outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
    return float(np.sum(_errors(outputs, targets, mask) ** 2))


def _absolute_errors(outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
    return float(np.sum(np.abs(_errors(outputs, targets, mask))))


def _huber(outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
    size = np.abs(_errors(outputs, targets, mask))
    return float(np.sum(np.where(size > 1, size - 0.5, 0.5 * size**2)))


def _cross_entropies(logits: NDArray[Any], classes: NDArray[Any], mask: NDArray[Any]) -> float:
    asked = mask > 0
    chosen = logits[asked].astype(np.float64)
    top = chosen.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(chosen - top).sum(axis=-1)) + top[:, 0]
    return float(np.sum(log_sum - np.take_along_axis(chosen, classes[asked][:, None], axis=-1)[:, 0]))


def _binary_cross_entropies(logits: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> float:
    asked = mask > 0
    chosen, wanted = logits[asked].astype(np.float64), targets[asked]
    # -ln σ(z) = ln(1 + e^(-z)), and -ln(1 - σ(z)) = ln(1 + e^z)
    return float(np.sum(wanted * np.logaddexp(0, -chosen) + (1 - wanted) * np.logaddexp(0, chosen)))


LOSSES: dict[str, Loss] = {
    "mse": Loss("mse", "squared units of the target", _squared_errors, "values"),
    "mae": Loss("mae", "units of the target", _absolute_errors, "values"),
    "huber": Loss("huber", "squared units up to 1, then units", _huber, "values"),
    "cross_entropy": Loss("cross-entropy", "nats a step", _cross_entropies, "classes"),
    "binary_cross_entropy": Loss("binary cross-entropy", "nats an output", _binary_cross_entropies, "bits"),
}
"""Every loss by its name, which is also that of its kernel. Huber's δ is 1 (Huber 1964)."""
