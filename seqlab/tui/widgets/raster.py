"""From samples to dots: curves rasterised into cells of text, and long arrays cut down to few cells.

A braille cell holds 2 × 4 dots, a cell of quadrant blocks 2 × 2, an ASCII cell 1 × 2. A curve is drawn as one
vertical run of dots per dot column, from the least to the greatest sample that falls into it, so a spike of a
single sample survives however many samples share its column. Neighbouring columns are joined; a sample that
is not finite is a gap, and the columns of gaps are reported for the caller to mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqlab.tui.palette import Charset

Floats = NDArray[np.float64]

DOTS: dict[Charset, tuple[int, int]] = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 2)}
"""Dots across and down a cell."""

# The bit of each dot [down, across] of a cell.
_BITS: dict[Charset, NDArray[np.uint32]] = {
    "braille": np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint32),
    "block": np.array([[1, 2], [4, 8]], np.uint32),
    "ascii": np.array([[1], [2]], np.uint32),
}
_GLYPHS: dict[Charset, NDArray[np.uint32]] = {
    "braille": np.array([ord(" "), *range(0x2801, 0x2900)], np.uint32),
    "block": np.array([ord(glyph) for glyph in " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"], np.uint32),
    "ascii": np.array([ord(glyph) for glyph in " '.:"], np.uint32),
}


@dataclass(frozen=True, eq=False)
class Raster:
    """Curves as cells.

    Attributes:
        glyphs: [rows, columns] code points; a space where there is no dot.
        owner: [rows, columns] the number of the curve that gives a cell its colour: the last one with a
            dot in it; -1 where there is none.
        gaps: per curve, the columns of cells in which it has a sample that is NaN or infinite.
        nonpositive: per curve, the columns in which a sample ≤ 0 has no place on a log axis.
    """

    glyphs: NDArray[np.uint32]
    owner: NDArray[np.int32]
    gaps: tuple[NDArray[np.int64], ...]
    nonpositive: tuple[NDArray[np.int64], ...]


def rasterise(
    curves: Sequence[tuple[ArrayLike, ArrayLike]],
    columns: int,
    rows: int,
    x_limits: tuple[float, float],
    y_limits: tuple[float, float],
    *,
    log: bool = False,
    charset: Charset = "braille",
    thick: Sequence[bool] = (),
) -> Raster:
    """Draw curves (x, y) into `rows` × `columns` cells, the later above the earlier.

    Args:
        curves: pairs of arrays [n]; x ascending.
        columns: width in cells.
        rows: height in cells.
        x_limits: the x at the centre of the first and of the last dot column.
        y_limits: the y at the centre of the bottom and of the top dot row.
        log: the y axis is logarithmic (both limits above 0); samples ≤ 0 are gaps.
        charset: dots per cell and the characters that show them.
        thick: per curve, whether it is drawn two dots high.
    """
    across, down = DOTS[charset]
    width, height = columns * across, rows * down
    bits = np.zeros((rows, columns), np.uint32)
    owner = np.full((rows, columns), -1, np.int32)
    gaps, nonpositive = [], []
    for number, (xs, ys) in enumerate(curves):
        x, y = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
        dots_x = position(x, x_limits, width)
        dots_y = (height - 1) - position(y, y_limits, height, log=log)
        inside = np.isfinite(dots_x) & (dots_x > -0.5) & (dots_x < width - 0.5)
        cells_x = np.where(inside, np.rint(np.where(inside, dots_x, 0)), 0).astype(np.int64) // across
        gaps.append(np.unique(cells_x[inside & ~np.isfinite(y)]))
        nonpositive.append(np.unique(cells_x[inside & np.isfinite(y) & (y <= 0) & log]))
        low, high = _envelope(dots_x, dots_y, width, height)
        if number < len(thick) and thick[number]:
            low = np.where(low > 0, low - 1, low)
        dots_down = np.arange(height)[:, None]
        lit = (dots_down >= low) & (dots_down <= high)
        cells = lit.reshape(rows, down, columns, across)
        packed = (cells * _BITS[charset][None, :, None, :]).sum(axis=(1, 3), dtype=np.uint32)
        bits |= packed
        owner[packed > 0] = number
    return Raster(_GLYPHS[charset][bits], owner, tuple(gaps), tuple(nonpositive))


def position(values: ArrayLike, limits: tuple[float, float], size: int, *, log: bool = False) -> Floats:
    """Where values lie on an axis of `size` places: limits[0] at 0, limits[1] at size - 1.

    Values beyond the limits get places beyond the ends (never more than 1e9 away, so that they can be joined
    to); values that are not finite, and on a log axis those ≤ 0, get NaN.
    """
    value = np.asarray(values, np.float64)
    low, high = limits
    with np.errstate(all="ignore"):
        if log:
            value = np.log10(np.where(value > 0, value, np.nan))
            low, high = np.log10(low), np.log10(high)
        scale = 0.25 if max(abs(low), abs(high)) > 1e300 else 1.0
        place = (value * scale - low * scale) / (high * scale - low * scale) * (size - 1)
        return np.where(np.isfinite(value), np.clip(place, -1e9, 1e9), np.nan)


def _envelope(x: Floats, y: Floats, width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last dot row [width] of a curve in each dot column; low > high where it has none.

    A join between two columns is shared: each takes the half that is nearer to it.
    """
    low = np.full(width, np.inf)
    high = np.full(width, -np.inf)
    valid = np.isfinite(x) & np.isfinite(y)
    column = np.rint(np.where(valid, x, 0)).astype(np.int64)
    row = np.rint(y)
    joined = np.zeros(width + 1, np.int64)
    here = valid & (column >= 0) & (column < width)
    np.minimum.at(low, column[here], row[here])
    np.maximum.at(high, column[here], row[here])

    start = np.flatnonzero(valid[:-1] & valid[1:] & (column[:-1] < column[1:]))
    first = np.clip(column[start], -1, width)
    last = np.clip(column[start + 1], -1, width)
    # Columns from `first` to `last` are joined, each to the next.
    np.add.at(joined, np.clip(first, 0, width), 1)
    np.add.at(joined, np.clip(last, 0, width), -1)
    between = np.maximum(last - first - 1, 0)
    wide = between > 0
    start, first, between = start[wide], first[wide], between[wide]
    if start.size:
        segment = np.repeat(np.arange(start.size), between)
        offset = np.arange(segment.size) - np.repeat(np.cumsum(between) - between, between)
        dots = first[segment] + 1 + offset
        left, right = start[segment], start[segment] + 1
        share = (dots - x[left]) / (x[right] - x[left])
        middle = np.rint(y[left] + share * (y[right] - y[left]))
        np.minimum.at(low, dots, middle)
        np.maximum.at(high, dots, middle)

    linked = (np.cumsum(joined)[: width - 1] > 0) & np.isfinite(low[:-1]) & np.isfinite(low[1:])
    with np.errstate(invalid="ignore"):
        falls = linked & (low[1:] > high[:-1] + 1)
        rises = linked & (low[:-1] > high[1:] + 1)
        down = np.floor((high[:-1] + low[1:]) / 2)
        up = np.floor((high[1:] + low[:-1]) / 2)
    new_low, new_high = low.copy(), high.copy()
    new_high[:-1][falls] = np.maximum(new_high[:-1], down)[falls]
    new_low[1:][falls] = np.minimum(new_low[1:], down + 1)[falls]
    new_high[1:][rises] = np.maximum(new_high[1:], up)[rises]
    new_low[:-1][rises] = np.minimum(new_low[:-1], up + 1)[rises]
    # One dot above or below the canvas stands for everything beyond it.
    return (
        np.clip(new_low, -1, height).astype(np.int64),
        np.clip(new_high, -2, height).astype(np.int64),
    )


def bins(count: int, cells: int) -> NDArray[np.int64]:
    """Where each of `cells` cells starts among `count` items: near-equal shares."""
    return np.arange(cells, dtype=np.int64) * count // max(cells, 1)


def cell_of(index: int, count: int, cells: int) -> int:
    """The cell that shows item `index` (its first, if items are repeated), as `bins` shares them out."""
    return int(np.searchsorted(bins(count, cells), index, side="left" if count <= cells else "right")) - (
        0 if count <= cells else 1
    )


def extremes(values: ArrayLike, cells: int, middle: float, axis: int = -1) -> Floats:
    """Cut an array down to `cells` items along an axis: of each share, the item farthest from `middle`.

    Of a scale's middle this keeps saturation at either end in sight, where a mean would hide it; around 0 it
    is the value of the largest magnitude. NaN in a share makes it NaN. With fewer items than cells, items are
    repeated.
    """
    array = np.asarray(values, np.float64)
    count = array.shape[axis]
    starts = bins(count, cells)
    if count <= cells:
        return array.take(starts, axis=axis)
    greatest = np.maximum.reduceat(array, starts, axis=axis)
    least = np.minimum.reduceat(array, starts, axis=axis)
    with np.errstate(all="ignore"):
        return np.where(greatest - middle >= middle - least, greatest, least)
