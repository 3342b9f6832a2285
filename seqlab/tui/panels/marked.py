"""The probe sequence of a task that asks for one number at the end: values, marks, and the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.rival import HUE
from seqlab.tui.widgets.axes import number, sequence_ticks
from seqlab.tui.widgets.lineplot import Level, PlotData, Series, Wall
from seqlab.tui.widgets.raster import cell_of
from seqlab.tui.widgets.spark import spark

_LABEL = 9


@dataclass(frozen=True, eq=False)
class Sum:
    """The first probe sequence.

    Attributes:
        values: [T], the numbers that came in.
        marked: the steps, from 0, that were marked.
        answer: what is asked for at the last step.
        output: what the network says there; None if the frame, of a very long sequence, leaves that step out.
        steps: [n] timesteps, from 1, of `outputs`.
        outputs: [n], what the network says on the way.
        rival: the rival's name and what it says at the last step, if there is one.
    """

    values: NDArray[np.float32]
    marked: tuple[int, ...]
    answer: float
    output: float | None
    steps: NDArray[np.int64]
    outputs: NDArray[np.float32]
    rival: tuple[str, float] | None = None


def sum_of(moment: Moment) -> Sum | None:
    """What the frame says; None before there is one."""
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.frame
    if probe is None or outputs is None or frame is None:
        return None
    inputs, rival = probe["inputs"][:, 0], moment.snapshot.rival
    return Sum(
        inputs[:, 0],
        tuple(np.flatnonzero(inputs[:, 1] > 0).tolist()),
        float(probe["targets"][-1, 0, 0]),
        float(outputs[-1, 0]) if (len(inputs) - 1) % frame.time_stride == 0 else None,
        1 + frame.time_stride * np.arange(len(outputs)),
        outputs[:, 0],
        None if rival is None else (rival.label, float(rival.said[-1])),
    )


def verdict(found: Sum, width: int = 0) -> Content:
    """Answer, the network's, how far off, and the rival's if `width` cells are enough."""
    if found.output is None or np.isnan(found.output):
        says = "NaN" if found.output is not None else "something that this frame leaves out"
        return Content.assemble(
            (f"{'answer':<{_LABEL}}", "$muted"), f"{_three(found.answer)}   network says {says}"
        )
    words = Content.assemble(
        (f"{'answer':<{_LABEL}}", "$muted"), (_three(found.answer), "bold"),
        ("   network says ", "$muted"), (_three(found.output), "bold"),
        ("   off by ", "$muted"), _three(_rounded(found.output) - _rounded(found.answer)).lstrip("-"),
    )  # fmt: skip
    if found.rival is None:
        return words
    name, answer = found.rival
    longer = Content.assemble(words, (f"   {name} says ", "$muted"), _three(answer))
    return longer if longer.cell_length <= width else words


def sum_lines(found: Sum, width: int, palette: Palette) -> list[Content]:
    """Values, marks, answer."""
    room = max(4, width - _LABEL)
    bars = spark(found.values, room, limits=(0.0, 1.0), charset=palette.charset)
    places = [_place(step, len(found.values), room) for step in found.marked]
    content = Content.assemble((f"{'value':<{_LABEL}}", "$muted"), tinted(bars, palette.line(0, "faint")))
    for place in places:
        content = content.stylize("bold $foreground", _LABEL + place, _LABEL + place + 1)
    return [content, _marks(found, places, room, palette), verdict(found, width)]


def sum_plot(found: Sum) -> PlotData:
    """What the network says at each step, against the answer, and the rival's; only the last one counts."""
    levels = [Level(found.answer, "answer")]
    if found.rival is not None:
        levels.append(Level(found.rival[1], found.rival[0], HUE))
    return PlotData(
        series=(Series(found.steps, found.outputs, "output", "bold"),),
        levels=tuple(levels),
        walls=tuple(Wall(step + 1.0) for step in found.marked),
        x_limits=(1.0, float(max(2, len(found.values)))),
        x_ticks=sequence_ticks(len(found.values)),
    )


def _marks(found: Sum, places: list[int], room: int, palette: Palette) -> Content:
    """`↑ 0.31 at 14` under each marked value; the words on the left where they do not fit on the right."""
    arrow = "^" if palette.charset == "ascii" else "↑"
    line = [" "] * room
    for place in places:
        line[place] = arrow
    for step, place in zip(found.marked, places, strict=True):
        text = f"{found.values[step]:.2f} at {step + 1:,}"
        for start in (place + 2, place - 1 - len(text)):
            fits = start >= 0 and start + len(text) <= room
            if fits and all(each == " " for each in line[start : start + len(text) + 1]):
                line[start : start + len(text)] = text
                break
    return Content.assemble((f"{'marked':<{_LABEL}}", "$muted"), "".join(line))


def _place(step: int, count: int, room: int) -> int:
    """The character of a spark that shows a value."""
    first = cell_of(step, count, room)
    if count >= room:
        return first
    after = cell_of(step + 1, count, room) if step + 1 < count else room
    return (first + after - 1) // 2


def _three(value: float) -> str:
    """Three decimals as long as that says anything."""
    return f"{_rounded(value):.3f}" if abs(value) < 1e4 else number(value)


def _rounded(value: float) -> float:
    """What is written is what is subtracted; and no minus before a zero."""
    return round(value, 3) + 0.0
