"""From values to levels: what the ends of a ramp of colours stand for, and the legend that says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from textual.content import Content
from textual.style import Style as ContentStyle

from seqlab.tui.palette import Palette, RampKind
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.raster import bins


@dataclass(frozen=True)
class Scale:
    """What the ends of a ramp stand for. A diverging one is symmetric around its neutral middle.

    Raises:
        ValueError: low is not below high, or either is not finite.
    """

    low: float
    high: float
    kind: RampKind = "sequential"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"scale from {self.low} to {self.high}: low must be below high, both finite")

    @property
    def middle(self) -> float:
        """The value in the middle of the ramp."""
        return self.low / 2 + self.high / 2


def quantise(values: ArrayLike, scale: Scale, levels: int) -> NDArray[np.int64]:
    """Levels 0 … levels-1 of equal width; `levels` below the scale, levels+1 above it, levels+2 for NaN."""
    value = np.asarray(values, np.float64)
    with np.errstate(all="ignore"):
        share = (value / 2 - scale.low / 2) / (scale.high / 2 - scale.low / 2)
        level = np.clip(np.nan_to_num(share * levels), 0, levels - 1).astype(np.int64)
    level[value < scale.low] = levels
    level[value > scale.high] = levels + 1
    level[np.isnan(value)] = levels + 2
    return level


def colour_bar(scale: Scale, palette: Palette, width: int) -> Content:
    """A legend of at most `width` cells: the ramp between its numbers, just `0 – 1` where it is narrow."""
    low, high = number(scale.low), number(scale.high)
    shades = palette.ramp(scale.kind)
    room = min(width - len(low) - len(high) - 2, len(shades))
    if room < 3:
        return Content(f"{low} – {high}"[: max(0, width)])
    parts = [Content(f"{low} ")]
    for index in bins(len(shades), room):
        shade = shades[index]
        parts.append(Content.styled(shade.glyph, ContentStyle.from_rich_style(shade.style)))
    return Content("").join([*parts, Content(f" {high}")])
