"""How the learning rate goes over a run: pure functions of the step, with PyTorch's formulas.

Every schedule can begin with `warmup` = w steps in which the learning rate rises in a straight line, lr·n/w
at step n. Step n = w + 1 is the first of the schedule proper, whose own clock m stands at 0 there: without a
warm-up m = n - 1, as PyTorch's schedulers count.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field

from seqlab.choices import Choice


class Schedule(Choice):
    """Base of the schedules."""

    discriminator: ClassVar[str] = "kind"

    kind: str
    warmup: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="the learning rate rises to its full size over so many steps",
        json_schema_extra={"unit": "steps", "zero": "none"},
    )

    def rate(self, lr: float, step: int, steps: int) -> float:
        """The learning rate of one step.

        Args:
            lr: the learning rate that the schedule starts from.
            step: n, from 1.
            steps: how many the spec plans; a run that is lengthened goes on beyond.
        """
        if step <= self.warmup:
            return lr * (step / self.warmup)
        return self.later(lr, step - 1 - self.warmup, steps - self.warmup)

    @abstractmethod
    def later(self, lr: float, m: int, steps: int) -> float:
        """The learning rate after the warm-up, at m = 0, 1, … of `steps`."""


class Constant(Schedule):
    """lr."""

    summary: ClassVar[str] = "the same at every step"
    rank: ClassVar[int] = 1

    kind: Literal["constant"] = "constant"

    def later(self, lr: float, m: int, steps: int) -> float:
        """The same at every step."""
        return lr


class Stepwise(Schedule):
    """lr·γ^⌊m/every⌋ (PyTorch's StepLR)."""

    summary: ClassVar[str] = "multiplied by a factor every so many steps"
    rank: ClassVar[int] = 2

    kind: Literal["step"] = "step"
    every: int = Field(
        1_000,
        ge=1,
        le=1_000_000_000,
        description="so many steps at the same learning rate",
        json_schema_extra={"unit": "steps"},
    )
    gamma: float = Field(0.1, gt=0.0, le=1.0, description="what it is multiplied by each time")

    def later(self, lr: float, m: int, steps: int) -> float:
        """A staircase."""
        return lr * self.gamma ** (m // self.every)


class Exponential(Schedule):
    """lr·γ^m (PyTorch's ExponentialLR)."""

    summary: ClassVar[str] = "multiplied by a factor at every step"
    rank: ClassVar[int] = 3

    kind: Literal["exponential"] = "exponential"
    gamma: float = Field(0.999, gt=0.0, le=1.0, description="what it is multiplied by at each step")

    def later(self, lr: float, m: int, steps: int) -> float:
        """A geometric fall, to a number too small to be told from 0 in the end."""
        return lr * self.gamma**m


class Cosine(Schedule):
    """lr_min + (lr - lr_min)·(1 + cos(π·m/M))/2, M the steps planned after the warm-up.

    PyTorch's CosineAnnealingLR with T_max = M (Loshchilov & Hutter 2017, without restarts). Beyond the steps
    planned it stays at lr_min, and if lr is below that, lr is the least.
    """

    summary: ClassVar[str] = "down to a least one along half a cosine, over all steps"
    rank: ClassVar[int] = 4

    kind: Literal["cosine"] = "cosine"
    lr_min: float = Field(0.0, ge=0.0, le=1e6, description="the learning rate when the last step is done")

    def later(self, lr: float, m: int, steps: int) -> float:
        """Half a cosine."""
        least = min(self.lr_min, lr)
        if m >= steps:
            return least
        return least + (lr - least) * (1 + math.cos(math.pi * m / steps)) / 2
