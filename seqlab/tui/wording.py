"""How the lab writes what is set, sizes, times and claims. Measured numbers are written by `axes.number`."""

from __future__ import annotations

from typing import Any

NOTHING = "–"
"""How a choice is written that is left empty."""
_BYTES = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def label_of(name: str) -> str:
    """A field's name as the form shows it."""
    return name.replace("_", " ")


def shown(value: Any, plain: bool = False) -> str:
    """A field's value; `plain` as it would be typed, else with thousands separated."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(shown(part, plain) for part in value)
    if isinstance(value, int):
        return str(value) if plain else f"{value:,}"
    if isinstance(value, float):
        text = f"{value:.17g}" if float(f"{value:.12g}") != value else f"{value:.12g}"
        return text if plain or not value.is_integer() or abs(value) >= 1e12 else f"{value:,.0f}"
    return " ".join(str(value).split())


def size(count: float) -> str:
    """A number of bytes: `1.2 MB`."""
    for unit, name in _BYTES:
        if count >= unit:
            value = count / unit
            return f"{value:,.1f} {name}" if value < 100 else f"{value:,.0f} {name}"
    return f"{count:,.0f} B"


def duration(seconds: float) -> str:
    """A time that lies ahead: `5 s`, `3 min`, `2.5 h`."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:,.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:,.0f} min"
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours < 48 else f"{hours / 24:,.1f} days"
