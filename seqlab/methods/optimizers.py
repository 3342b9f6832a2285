"""Optimisers, with PyTorch's formulas and defaults. The updates are in `seqlab.kernels.optimizers`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from seqlab.choices import Choice


class Optimizer(Choice):
    """Base of the optimisers.

    Class attributes:
        slots: the names of the arrays it keeps beside every parameter.
        squares: whether it keeps squares of the gradient, which overflow long before the gradient does.
    """

    slots: ClassVar[tuple[str, ...]]
    squares: ClassVar[bool] = False

    name: str
    lr: float = Field(1e-3, gt=0.0, le=1e6, description="learning rate")

    def hyperparameters(self) -> tuple[float, ...]:
        """Learning rate first, then the others in the order in which its kernel takes them."""
        fields = self.model_dump()
        return (self.lr, *(float(value) for name, value in fields.items() if name not in ("name", "lr")))


class SGD(Optimizer):
    """v ← μ·v + g (v = g at the first step); θ ← θ - lr·v."""

    summary: ClassVar[str] = "stochastic gradient descent with momentum"
    rank: ClassVar[int] = 3
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    name: Literal["sgd"] = "sgd"
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="share of the last update that is kept")


class RMSprop(Optimizer):
    """s ← α·s + (1-α)·g²; v ← μ·v + g/(√s + ε); θ ← θ - lr·v (Hinton 2012)."""

    summary: ClassVar[str] = "steps divided by a running size of the gradient"
    rank: ClassVar[int] = 2
    slots: ClassVar[tuple[str, ...]] = ("square", "momentum")
    squares: ClassVar[bool] = True

    name: Literal["rmsprop"] = "rmsprop"
    lr: float = Field(1e-2, gt=0.0, le=1e6, description="learning rate")
    alpha: float = Field(0.99, ge=0.0, lt=1.0, description="decay of the running square")
    eps: float = Field(1e-8, gt=0.0, le=1.0, description="keeps the division finite")
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="share of the last update that is kept")


class Adam(Optimizer):
    """m ← β1·m + (1-β1)·g; s ← β2·s + (1-β2)·g²; θ ← θ - lr·m̂/(√ŝ + ε) (Kingma & Ba 2015)."""

    summary: ClassVar[str] = "momentum and running size, bias-corrected"
    rank: ClassVar[int] = 1
    slots: ClassVar[tuple[str, ...]] = ("first", "second")
    squares: ClassVar[bool] = True

    name: Literal["adam"] = "adam"
    beta1: float = Field(0.9, ge=0.0, lt=1.0, description="decay of the mean gradient")
    beta2: float = Field(0.999, ge=0.0, lt=1.0, description="decay of the mean squared gradient")
    eps: float = Field(1e-8, gt=0.0, le=1.0, description="keeps the division finite")
