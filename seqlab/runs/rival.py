"""A run's instant rival, as its folder has it: an echo state network on the same task, fitted at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs import files

MOST_POINTS = 1_000
"""Of what the rival says of the probe sequence."""
_MOST_UNITS = 1 << 16
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Rival:
    """What the rival reached.

    Attributes:
        hidden: units of its reservoir.
        batches: how many of the run's first batches its readout was fitted to.
        rows: the unmasked steps in them.
        seconds: of a processor that the fitting took.
        loss: on the run's own eval split.
        forecast: likewise, the free forecast's mean squared error; None where there is no forecast.
        steps: int64 [n], steps of the first probe sequence, from 0: where something runs free the last one
            before that and the forecast's, else those with an answer.
        said: float64 [n], what it says there, the first output of several.
        spec: its resolved spec, which makes all of this again.
    """

    hidden: int
    batches: int
    rows: int
    seconds: float
    loss: float
    forecast: float | None
    steps: NDArray[np.int64]
    said: NDArray[np.float64]
    spec: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Its name where there is little room: `ESN 200`."""
        return f"ESN {self.hidden}"


def rival_from(event: Mapping[str, Any]) -> Rival:
    """Read the fields of an event `rival`.

    Raises:
        KeyError: one is missing.
        ValueError: one is not what it should be.
    """
    steps, said, spec = event["steps"], event["said"], event["spec"]
    if not (isinstance(steps, list) and isinstance(said, list) and isinstance(spec, dict)):
        raise ValueError("steps and said must be lists, spec an object")
    if not 1 <= len(steps) == len(said) <= MOST_POINTS:
        raise ValueError(f"{len(steps)} steps and {len(said)} values: as many, from 1 to {MOST_POINTS}")
    at = np.array([_count(step, 0) for step in steps], np.int64)
    if (np.diff(at) <= 0).any():
        raise ValueError("steps must ascend")
    forecast = None if event.get("eval/forecast") is None else _size(event["eval/forecast"])
    return Rival(
        hidden=_count(event["hidden"], most=_MOST_UNITS),
        batches=_count(event["batches"]),
        rows=_count(event["rows"]),
        seconds=_size(event["seconds"]),
        loss=_size(event["eval/loss"]),
        forecast=forecast,
        steps=at,
        said=np.array([_value(value) for value in said]),
        spec=spec,
    )


def _count(value: object, least: int = 1, most: int = 2**53) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
    return value


def _value(value: object) -> float:
    if isinstance(value, bool) or not abs(number := files.number(value)) <= _LARGEST:
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _size(value: object) -> float:
    if (number := _value(value)) < 0:
        raise ValueError(f"{value!r} is below 0")
    return number
