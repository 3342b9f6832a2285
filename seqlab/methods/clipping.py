"""Gradient clipping, applied once after the whole backward pass."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from seqlab.choices import Choice


class Clip(Choice):
    """Base of the kinds of clipping."""

    discriminator: ClassVar[str] = "kind"

    kind: str


class NormClip(Clip):
    """g ← g·limit/‖g‖ if ‖g‖ > limit, over all parameters together (Pascanu et al. 2013)."""

    summary: ClassVar[str] = "shrink the whole gradient to a norm"
    rank: ClassVar[int] = 1

    kind: Literal["norm"] = "norm"
    limit: float = Field(1.0, gt=0.0, le=1e9, description="the greatest norm that passes unchanged")


class ValueClip(Clip):
    """Each element of the gradient is held within ±limit."""

    summary: ClassVar[str] = "hold each element within limits"
    rank: ClassVar[int] = 2

    kind: Literal["value"] = "value"
    limit: float = Field(1.0, gt=0.0, le=1e9, description="the greatest magnitude of an element")


class NoClip(Clip):
    """The gradient as it comes."""

    summary: ClassVar[str] = "the gradient as it comes"
    rank: ClassVar[int] = 3

    kind: Literal["none"] = "none"
