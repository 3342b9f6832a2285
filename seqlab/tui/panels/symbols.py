"""The probe sequence of a task of symbols: what came in, what is asked, what the network says, row by row.

A symbol is one character: `·` blank, 1-9 and letters for the symbols, `?` for the marker that asks. Long
stretches of nothing are folded. Wrong answers are marked underneath, not by colour alone; how sure the
network was is a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.heatmap import Scale, quantise
from seqlab.tui.widgets.spark import spark

_GLYPHS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MORE = 0x0100
_LABEL = 9
_KEPT = 2
_FOLD = 3


@dataclass(frozen=True, eq=False)
class Symbols:
    """The first probe sequence; all arrays are [T] but `probability` [T, O].

    Attributes:
        steps: number of each timestep, from 1.
        inputs: symbol that came in; 0 blank.
        targets: symbol that was asked for.
        asked: whether the loss counts it.
        answers: symbol that the network gave.
        probability: how sure it was of each.
    """

    steps: NDArray[np.int64]
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    asked: NDArray[np.bool_]
    answers: NDArray[np.int64]
    probability: NDArray[np.float64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Where it was asked and wrong."""
        return np.asarray(self.asked & (self.answers != self.targets))

    @property
    def score(self) -> str:
        """`7 of 10 recalled`, and wrong blanks if there are any."""
        recalled = self.asked & (self.targets > 0)
        right = int((recalled & ~self.wrong).sum())
        blanks = int((self.wrong & (self.targets == 0)).sum())
        return f"{right:,} of {int(recalled.sum()):,} recalled" + (
            f" · {blanks:,} wrong blanks" if blanks else ""
        )


def symbols_of(moment: Moment) -> Symbols | None:
    """What the newest frame says; None before there is one."""
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.snapshot.frame
    if probe is None or outputs is None or frame is None:
        return None
    every = slice(None, None, frame.time_stride)
    logits = outputs.astype(np.float64)
    with np.errstate(all="ignore"):
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
    return Symbols(
        1 + np.arange(len(probe["mask"]))[every],
        probe["inputs"][every, 0].argmax(axis=1),
        probe["targets"][every, 0],
        probe["mask"][every, 0] > 0,
        logits.argmax(axis=1),
        shares,
    )


def glyph(symbol: int, classes: int, ascii_only: bool = False) -> str:
    """The character of a symbol among `classes` of them; blank is 0, what is beyond is the marker."""
    if symbol <= 0 or symbol >= classes:
        return "?" if symbol else "." if ascii_only else "·"
    if symbol <= len(_GLYPHS):
        return _GLYPHS[symbol - 1]
    return "#" if ascii_only else chr(_MORE + symbol - len(_GLYPHS))


def folded(found: Symbols, width: int) -> list[int | None]:
    """The columns to show; None for a fold, where for long nothing comes in and nothing is asked."""
    columns: list[int | None] = list(range(len(found.steps)))
    if len(columns) <= width:
        return columns
    idle = np.flatnonzero((found.inputs == 0) & (found.targets == 0))
    kept: list[int | None] = []
    run: list[int] = []
    quiet = set(idle.tolist())
    for column in [*range(len(found.steps)), -1]:
        if column in quiet:
            run.append(column)
            continue
        if len(run) > 2 * _KEPT + _FOLD:
            kept += [*run[:_KEPT], *[None] * _FOLD, *run[-_KEPT:]]
        else:
            kept += run
        run = []
        if column >= 0:
            kept.append(column)
    return kept


def symbol_lines(found: Symbols, width: int, height: int, palette: Palette) -> list[Content]:
    """The rows, as many as fit; blocks one below the other where the sequence is longer than a row."""
    room = max(8, width - _LABEL)
    columns = folded(found, room)
    pitch = 2 if 2 * len(columns) <= room else 1
    per_block = max(1, room // pitch)
    blocks = [columns[start : start + per_block] for start in range(0, len(columns), per_block)]
    tall = 7
    if len(blocks) > 1:
        tall = 5 if height >= 5 * len(blocks) else 4
    shown = blocks[: max(1, height // tall)] if len(blocks) > 1 else blocks
    lines: list[Content] = []
    for block in shown:
        lines += _block(found, block, pitch, palette, brief=len(blocks) > 1)
        if tall > 4:
            lines.append(Content(""))
    if len(blocks) == 1 and height - len(lines) >= found.probability.shape[1]:
        lines += _class_rows(found, columns, pitch, palette)
    if len(shown) < len(blocks):
        rest = sum(len(block) for block in blocks[len(shown) :])
        lines = [*lines[: height - 1], Content.styled(f"… and {rest:,} more steps", "$muted")]
    return lines[:height]


def _block(
    found: Symbols, columns: list[int | None], pitch: int, palette: Palette, brief: bool
) -> list[Content]:
    classes, ascii_only = found.probability.shape[1], palette.charset == "ascii"

    def row(name: str, symbols: NDArray[np.int64], where: NDArray[np.bool_]) -> Content:
        cells = [
            "-"
            if column is None
            else glyph(int(symbols[column]), classes, ascii_only)
            if where[column]
            else " "
            for column in columns
        ]
        return Content.assemble((f"{name:<{_LABEL}}", "$muted"), (" " * (pitch - 1)).join(cells))

    everywhere = np.ones(len(found.steps), np.bool_)
    wrong = found.wrong
    answers = row("network", found.answers, everywhere)
    for place, column in enumerate(columns):
        if column is not None and wrong[column]:
            at = _LABEL + place * pitch
            answers = answers.stylize("$error", at, at + 1)
    marks = "".join(
        ("x" if ascii_only else "×") if column is not None and wrong[column] else " " for column in columns
    )
    spread = (" " * (pitch - 1)).join(marks)
    lines = [
        Content.styled(f"{'step':<{_LABEL}}{_numbers(found, columns, pitch)}", "$muted"),
        row("in", found.inputs, everywhere),
        row("target", found.targets, found.asked),
        answers,
        Content.assemble((f"{'wrong':<{_LABEL}}", "$muted"), (spread, "bold $error")),
    ]
    if brief:
        return lines[1:]
    return [*lines, _sureness(found, columns, pitch, palette)]


def _numbers(found: Symbols, columns: list[int | None], pitch: int) -> str:
    """Numbers of steps above the columns where something begins: the first, recall, and after a fold."""
    line = [" "] * (len(columns) * pitch)
    recalled = found.asked & (found.targets > 0)
    goals = [0, len(columns) - 1]
    goals += [
        place
        for place, column in enumerate(columns)
        if column is not None and place and columns[place - 1] is None
    ]
    if recalled.any() and int(np.argmax(recalled)) in columns:
        goals.insert(1, columns.index(int(np.argmax(recalled))))
    for place in goals:
        column = columns[place]
        if column is None:
            continue
        text = f"{int(found.steps[column]):,}"
        at = max(0, min(place * pitch, len(line) - len(text)))
        if all(each == " " for each in line[max(0, at - 1) : at + len(text) + 1]):
            line[at : at + len(text)] = text
    return "".join(line).rstrip()


def _sureness(found: Symbols, columns: list[int | None], pitch: int, palette: Palette) -> Content:
    """The probability that the network gave the right symbol."""
    right = found.probability[np.arange(len(found.targets)), found.targets]
    bars = [
        " "
        if column is None or not found.asked[column]
        else spark([right[column]], 1, limits=(0, 1), charset=palette.charset)
        for column in columns
    ]
    return Content.assemble(
        (f"{'p(right)':<{_LABEL}}", "$muted"), tinted((" " * (pitch - 1)).join(bars), palette.line(0))
    )


def _class_rows(found: Symbols, columns: list[int | None], pitch: int, palette: Palette) -> list[Content]:
    """How sure the network was of every symbol at every step, a row for each."""
    shades = palette.ramp("sequential")
    lines = []
    classes = found.probability.shape[1]
    levels = quantise(found.probability, Scale(0.0, 1.0), len(shades))
    for symbol in range(classes):
        name = f"p({glyph(symbol, classes, palette.charset == 'ascii')})"
        parts = [Content.styled(f"{name:<{_LABEL}}", "$muted")]
        start = 0
        cells = [-1 if column is None else int(levels[column, symbol]) for column in columns]
        for place in range(1, len(cells) + 1):
            if place == len(cells) or cells[place] != cells[start]:
                parts.append(_shaded(cells[start], (place - start) * pitch, shades))
                start = place
        lines.append(Content("").join(parts))
    return lines


def _shaded(level: int, width: int, shades: Any) -> Content:
    if level < 0:
        return Content(" " * width)
    if level >= len(shades):  # not a number
        return Content.styled("/" * width, "$muted")
    return tinted(shades[level].glyph * width, shades[level].style)
