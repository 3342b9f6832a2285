"""A curve in one line of text: ▁▂▃▄▅▆▇█."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seqlab.tui.palette import Charset
from seqlab.tui.widgets.axes import Limits
from seqlab.tui.widgets.raster import extremes

_RAMPS: dict[Charset, str] = {"braille": "▁▂▃▄▅▆▇█", "block": "▁▂▃▄▅▆▇█", "ascii": "_.-~=+*#"}


def spark(
    values: ArrayLike,
    width: int,
    *,
    limits: Limits | None = None,
    log: bool = False,
    charset: Charset = "braille",
) -> str:
    """Draw values [n] as `width` characters, as tall as they are large.

    Where several values share a character it shows the one farthest from the middle of the limits, so least
    and greatest are always in sight. NaN and infinities are ×; on a log scale values ≤ 0 are blank.

    Args:
        values: [n]; fewer than `width` are stretched.
        width: characters to fill.
        limits: values of the lowest and the full character; those of the data when left out.
        log: heights by logarithm.
        charset: "ascii" for terminals without blocks.

    Returns:
        `width` characters; "" without values.
    """
    ramp = _RAMPS[charset]
    value = np.ravel(np.asarray(values, np.float64))
    if value.size == 0 or width <= 0:
        return ""
    bad = ~np.isfinite(value)
    with np.errstate(all="ignore"):
        height = np.where(bad, np.nan, np.log10(np.where(value > 0, value, np.nan)) if log else value)
    missing = np.isnan(height)
    known = height[~missing]
    low, high = (0.0, 1.0) if known.size == 0 else (float(known.min()), float(known.max()))
    if limits is not None:
        low, high = (float(np.log10(limit)) for limit in limits) if log else limits
    middle = low / 2 + high / 2
    # Values without a height must not hide those that share a character with them; non-finite ones must show.
    shown = extremes(np.where(missing, middle, height), width, middle)
    alone = extremes(missing.astype(np.float64), width, 1.0) == 1.0
    marked = extremes(bad.astype(np.float64), width, 0.0) == 1.0
    with np.errstate(all="ignore"):
        share = (shown / 2 - low / 2) / (high / 2 - low / 2) if high > low else np.full(width, 0.5)
    level = np.clip(np.nan_to_num(share) * len(ramp), 0, len(ramp) - 1).astype(np.int64)
    cross = "x" if charset == "ascii" else "×"
    return "".join(
        cross if mark else " " if none else ramp[at]
        for at, none, mark in zip(level, alone, marked, strict=True)
    )
