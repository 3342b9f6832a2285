"""The numbers behind each panel, as comma-separated values: what is drawn, before it was drawn.

A line for each logged step of the loss, for each timestep of everything else; a cell stays empty where there
is no number, such as a gradient that a wall cut off.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs.values import csv_of
from seqlab.tui.panels.moment import Moment

Column = tuple[str, NDArray[Any]]


def loss_numbers(moment: Moment) -> str:
    """Every metric at every logged step."""
    metrics = moment.snapshot.metrics
    return csv_of(metrics, moment.snapshot.spec.metrics()) if metrics else ""


def gradient_numbers(moment: Moment) -> str:
    """The gradient, the full one and the credit at each timestep, of every layer."""
    frame = moment.frame
    if frame is None:
        return ""
    kinds = ("gradient", "gradient_full", "credit")
    names = [name for name in frame.tensors if name.rpartition("/")[2] in kinds]
    return _by_timestep([(name, frame.tensors[name]) for name in names], frame.time_stride)


def state_numbers(moment: Moment, layer: int, state: str) -> str:
    """A gate or state of the first probe sequence: a column for each unit."""
    frame, values = moment.frame, moment.tensor(f"layer{layer}/state/{state}")
    if frame is None or values is None:
        return ""
    units = range(1, 1 + values.shape[1] * frame.unit_stride, frame.unit_stride)
    columns = [(f"{state} of unit {unit}", values[:, at]) for at, unit in enumerate(units)]
    return _by_timestep(columns, frame.time_stride)


def probe_numbers(moment: Moment) -> str:
    """Input, target and output of the first probe sequence."""
    frame, probe = moment.frame, moment.snapshot.probe
    if frame is None or probe is None:
        return ""
    stride = frame.time_stride
    columns = []
    for name, values in (("input", probe["inputs"][::stride, 0]), ("target", probe["targets"][::stride, 0])):
        columns += _columns(name, values)
    columns += _columns("loss counts", probe["mask"][::stride, 0])
    columns += _columns("output", frame.tensors.get("outputs"))
    return _by_timestep(columns, stride)


def _columns(name: str, values: NDArray[Any] | None) -> list[Column]:
    if values is None:
        return []
    if values.ndim == 1:
        return [(name, values)]
    return [(f"{name} {number}", values[:, number - 1]) for number in range(1, values.shape[1] + 1)]


def _by_timestep(columns: Sequence[Column], stride: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["timestep", *(name for name, _ in columns)])
    for at in range(max((len(values) for _, values in columns), default=0)):
        cells = (_cell(values, at) for _, values in columns)
        writer.writerow([1 + at * stride, *cells])
    return text.getvalue()


def _cell(values: NDArray[Any], at: int) -> str:
    if at >= len(values) or not np.isfinite(values[at]):
        return ""
    return np.format_float_positional(values[at], trim="-") if values.dtype.kind == "f" else str(values[at])
