"""Optimisers, with PyTorch's formulas and defaults. The updates are in `seqlab.kernels.optimizers`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

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

    def hyperparameters(self, lr: float | None = None) -> tuple[float, ...]:
        """Learning rate first, then the others in the order in which its kernel takes them.

        Args:
            lr: instead of its own learning rate.
        """
        rest = (float(value) for name, value in self.model_dump().items() if name not in ("name", "lr"))
        return (self.lr if lr is None else lr, *rest)


class SGD(Optimizer):
    """v ← μ·v + g (v = g at the first step); θ ← θ - lr·v, or with Nesterov's momentum θ - lr·(g + μ·v)."""

    summary: ClassVar[str] = "stochastic gradient descent with momentum"
    rank: ClassVar[int] = 4
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    name: Literal["sgd"] = "sgd"
    momentum: float = Field(0.0, ge=0.0, lt=1.0, description="share of the last update that is kept")
    nesterov: bool = Field(
        False, description="momentum that looks a step ahead (Nesterov), as PyTorch words it"
    )

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGD:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: there is no momentum to look ahead with: momentum = 0.9, for example")
        return self


class RMSprop(Optimizer):
    """s ← α·s + (1-α)·g²; v ← μ·v + g/(√s + ε); θ ← θ - lr·v (Hinton 2012)."""

    summary: ClassVar[str] = "steps divided by a running size of the gradient"
    rank: ClassVar[int] = 3
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


class AdamW(Adam):
    """θ ← θ - lr·λ·θ, then as Adam: the gradient's size does not divide it (Loshchilov & Hutter 2019)."""

    summary: ClassVar[str] = "Adam, with weight decay apart from the gradient"
    rank: ClassVar[int] = 2

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    weight_decay: float = Field(
        0.01, ge=0.0, le=1e6, description="share of each weight, times the learning rate, taken off at a step"
    )
