"""Gradient clipping, applied once after the whole backward pass, before anything else is added to it."""

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


class LayerClip(Clip):
    """Each layer's gradient by its own norm: g_l ← g_l·limit/‖g_l‖ if ‖g_l‖ > limit. The readout is one."""

    summary: ClassVar[str] = "shrink each layer's gradient to a norm"
    rank: ClassVar[int] = 3

    kind: Literal["layer"] = "layer"
    limit: float = Field(
        1.0, gt=0.0, le=1e9, description="the greatest norm of a layer that passes unchanged"
    )


class NoClip(Clip):
    """The gradient as it comes."""

    summary: ClassVar[str] = "the gradient as it comes"
    rank: ClassVar[int] = 4

    kind: Literal["none"] = "none"
