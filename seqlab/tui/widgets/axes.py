"""Axes: limits that do not jitter, ticks at round numbers, and numbers as the lab writes them.

Linear ticks stand at multiples of 1, 2 or 5 times a power of ten, logarithmic ones at decades. Numbers have
at most four significant digits and thousands separators, and small ones are written `1e-7`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Limits = tuple[float, float]

# Relative extent of an axis below which four digits would no longer tell its ticks apart.
_LEAST_EXTENT = 5e-3
_SMALLEST, _LARGEST = 1e-300, 1e300


@dataclass(frozen=True)
class Ticks:
    """Values at which an axis is labelled, ascending, and their labels."""

    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


def number(value: float) -> str:
    """A number of at most four significant digits: `0.1667`, `24,600`, `3e-7`, `1.2e9`, `NaN`, `∞`.

    Counts that must be exact (steps, parameters) are for f"{count:,}".
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = float(f"{value:.3e}")
    if rounded == 0:
        return "0"
    if not 1e-4 <= abs(rounded) < 1e7:
        digits, exponent = f"{value:.3e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    decimals = max(0, 3 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def linear_limits(values: ArrayLike, most: int = 5, include: Iterable[float] = ()) -> Limits | None:
    """Limits at ticks just beyond the finite values, so that they stay put while the data move a little.

    Args:
        values: data of any shape; what is not finite is left out.
        most: ticks that are to fit in.
        include: further values that must be in sight.

    Returns:
        None if nothing is finite. Constant data get an extent of their own around them.
    """
    data = _finite(values, include)
    if data.size == 0:
        return None
    low, high = (float(np.clip(end, -_LARGEST, _LARGEST)) for end in (data.min(), data.max()))
    low, high = _widened(low, high)
    step = _step(high - low, most)
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return (bottom, top) if bottom < top else (low, high)


def log_limits(values: ArrayLike, include: Iterable[float] = ()) -> Limits | None:
    """Limits at decades around the positive finite values; within one decade at 1, 2, 5; None without any."""
    data = _finite(values, include)
    data = data[data > 0]
    if data.size == 0:
        return None
    low, high = (float(np.clip(end, _SMALLEST, _LARGEST)) for end in (data.min(), data.max()))
    if high / low > 10:
        bottom, top = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
        return 10.0**bottom, 10.0**top
    rounds = rounds_around(low, high)
    bottom_value = max(value for value in rounds if value <= low * (1 + 1e-9))
    top_value = min(value for value in rounds if value >= high * (1 - 1e-9))
    if bottom_value == top_value:
        at = rounds.index(bottom_value)
        bottom_value, top_value = rounds[at - 1], rounds[at + 1]
    return bottom_value, top_value


def linear_ticks(limits: Limits, most: int = 5, *, whole: bool = False) -> Ticks:
    """At most `most` ticks at multiples of 1, 2 or 5 × 10^n within the limits.

    Args:
        limits: low < high.
        most: the largest number of ticks.
        whole: only whole numbers (steps, timesteps), written exactly.
    """
    low, high = max(limits[0], -_LARGEST), min(limits[1], _LARGEST)
    if most < 1 or not (math.isfinite(limits[0]) and math.isfinite(limits[1]) and low < high):
        return Ticks()
    step = _step(high / most - low / most, 1)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    while last - first + 1 > most:
        step = _next_step(step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = tuple(float(multiple * step) for multiple in range(first, last + 1))
    if whole:
        return Ticks(values, tuple(f"{round(value):,}" for value in values))
    return Ticks(values, _labels(values, step))


def log_ticks(limits: Limits, most: int = 5) -> Ticks:
    """At most `most` ticks at decades, thinned evenly; at 1, 2 and 5 where there are fewer than two."""
    low, high = limits
    if most < 1 or not (math.isfinite(high) and 0 < low < high):
        return Ticks()
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        every = max(1, math.ceil((last - first + 1) / most))
        # Thinned from the top: the largest decade is where the curves start.
        exponents = sorted(range(last, first - 1, -every))
        values = tuple(10.0**exponent for exponent in exponents)
        plain = exponents[0] >= -3 and exponents[-1] <= 4
        return Ticks(
            values, tuple(number(v) if plain else f"1e{e}" for v, e in zip(values, exponents, strict=True))
        )
    values = tuple(v for v in rounds_around(low, high) if low * (1 - 1e-9) <= v <= high * (1 + 1e-9))
    while len(values) > most:
        values = values[:: 2 if most > 1 else len(values)]
    return Ticks(values, tuple(number(value) for value in values))


def sequence_ticks(length: int, most: int = 5) -> Ticks:
    """Ticks along timesteps 1 … length: both ends, and round ones (1, 2, 2.5, 5 × 10^n) between."""
    if length < 1 or most < 1:
        return Ticks()
    if length == 1 or most == 1:
        return Ticks((1.0,), ("1",))
    wanted = length / max(1, most - 1)
    power = 10 ** max(0, math.floor(math.log10(wanted)))
    candidates = [
        f * power for f in (1, 2, 2.5, 5, 10, 20, 25, 50, 100) if f * power >= wanted and (f * power) % 1 == 0
    ]
    step = int(candidates[0])
    inner = [t for t in range(step, length, step) if t > 1 and length - t >= step / 2]
    values = (1, *inner[: max(0, most - 2)], length)
    return Ticks(tuple(float(value) for value in values), tuple(f"{value:,}" for value in values))


def rounds_around(low: float, high: float) -> list[float]:
    """1, 2 and 5 × 10^n from below the first of two positive numbers to beyond the second."""
    first, last = math.floor(math.log10(low)) - 1, math.floor(math.log10(high)) + 1
    return [f * 10.0**exponent for exponent in range(max(first, -307), min(last, 307) + 1) for f in (1, 2, 5)]


def _finite(values: ArrayLike, include: Iterable[float]) -> NDArray[np.float64]:
    parts = (np.ravel(np.asarray(values, np.float64)), np.asarray(list(include), np.float64))
    data: NDArray[np.float64] = np.concatenate(parts)
    return data[np.isfinite(data)]


def _widened(low: float, high: float) -> Limits:
    """Limits with room between them: at least `_LEAST_EXTENT` of their magnitude."""
    magnitude = max(abs(low), abs(high))
    least = max(magnitude * _LEAST_EXTENT, _SMALLEST)
    if magnitude == 0:
        return 0.0, 1.0
    missing = least - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def _step(extent: float, most: int) -> float:
    """The smallest of 1, 2, 5 × 10^n that is at least extent / most."""
    wanted = max(extent / max(most, 1), _SMALLEST)
    power = 10.0 ** math.floor(math.log10(wanted))
    return next((f * power for f in (1, 2, 5) if f * power >= wanted * (1 - 1e-9)), 10 * power)


def _next_step(step: float) -> float:
    return _step(step * 1.5, 1)


def _labels(values: tuple[float, ...], step: float) -> tuple[str, ...]:
    """Labels with as many decimals as the step has, alike on all; powers of ten where these would be long."""
    largest = max((abs(value) for value in values), default=0.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if largest >= 1e7 or largest < 1e-3 or decimals > 7:
        digits = (
            0
            if largest == 0
            else max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9))
        )
        return tuple(_scientific(value, min(digits, 15)) for value in values)
    return tuple(f"{value + 0.0:,.{decimals}f}" for value in values)


def _scientific(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
