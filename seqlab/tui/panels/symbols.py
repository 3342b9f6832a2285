"""The probe sequence of a task of symbols: what came in, what is asked, what the network says, row by row.

A symbol is one character, as the task writes it: `·` blank, 1-9 for the symbols, `?` for the marker that
asks. A single answer may be a word, which ends at its step. What a decoder answers that reads its own answers
stands in the row `alone`. Long stretches that say nothing are folded. Wrong answers are marked underneath,
not by colour alone; how sure the network was is a row of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from seqlab.tasks import Signs
from seqlab.tui.palette import Palette
from seqlab.tui.panels.base import tinted
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.scale import Scale, quantise
from seqlab.tui.widgets.spark import spark

_LABEL = 9
_KEPT = 2
_FOLD = 3


@dataclass(frozen=True, eq=False)
class Symbols:
    """The first probe sequence, without its padding; all arrays are [T] but `probability` [T, O].

    Attributes:
        signs: how the task writes its symbols.
        steps: number of each timestep, from 1.
        inputs: symbol that came in.
        targets: class that was asked for.
        asked: whether the loss counts it.
        answers: class that the network gave.
        probability: how sure it was of each.
        free: class that its decoder gives when it reads its own answers; None where nothing runs free.
    """

    signs: Signs
    steps: NDArray[np.int64]
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    asked: NDArray[np.bool_]
    answers: NDArray[np.int64]
    probability: NDArray[np.float64]
    free: NDArray[np.int64] | None = None

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Where it was asked and wrong."""
        return np.asarray(self.asked & (self.answers != self.targets))

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where a symbol was asked for, and not a blank."""
        return np.asarray(self.asked & (self.targets > 0)) if self.signs.blank else self.asked

    @property
    def single(self) -> bool:
        """Whether it was asked once."""
        return int(self.asked.sum()) == 1

    @property
    def score(self) -> str:
        """`7 of 10 recalled`, and wrong blanks if there are any; of a single one `XY instead of YX`."""
        right, told = int((self.told & ~self.wrong).sum()), int(self.told.sum())
        if not told:
            return "this frame leaves out where it is asked"
        if self.single:
            step = int(np.argmax(self.asked))
            answer, target = (self.signs.classes[which[step]] for which in (self.answers, self.targets))
            return f"{answer} is right" if right else f"{answer} instead of {target}"
        if self.free is not None:
            alone = int((self.told & (self.free == self.targets)).sum())
            return f"{right:,} of {told:,} right · {alone:,} alone"
        if not self.signs.blank:
            return f"{right:,} of {told:,} right"
        blanks = int((self.wrong & ~self.told).sum())
        return f"{right:,} of {told:,} recalled" + (f" · {blanks:,} wrong blanks" if blanks else "")


def symbols_of(moment: Moment) -> Symbols | None:
    """What the newest frame says; None before there is one, or if the task is not one of symbols."""
    probe, outputs, frame = moment.snapshot.probe, moment.tensor("outputs"), moment.frame
    signs = moment.snapshot.spec.task.signs()
    if probe is None or outputs is None or frame is None or signs is None:
        return None
    length = int(probe["lengths"][0]) if "lengths" in probe else len(probe["mask"])
    every = slice(0, length, frame.time_stride)
    logits = outputs[: -(-length // frame.time_stride)].astype(np.float64)
    targets = probe["targets"][every, 0]
    if logits.shape[1] < len(signs.classes):  # the logit of a bit, beside which that of its not being so is 0
        logits, targets = np.insert(logits, 0, 0, axis=1), targets[:, 0].astype(np.int64)
    with np.errstate(all="ignore"):
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
    free = moment.tensor("free")
    return Symbols(
        signs,
        1 + np.arange(length)[every],
        probe["inputs"][every, 0].argmax(axis=1),
        targets,
        probe["mask"][every, 0] > 0,
        logits.argmax(axis=1),
        shares,
        None if free is None else free[: len(logits)].argmax(axis=1),
    )


def plain(signs: Sequence[str]) -> tuple[str, ...]:
    """Signs for a terminal that has ASCII alone."""
    return tuple("." if sign == "·" else sign if sign.isascii() else "#" for sign in signs)


def folded(found: Symbols, width: int) -> list[int | None]:
    """The columns to show; None for a fold, where for long nothing is told and no symbol is asked for."""
    columns: list[int | None] = list(range(len(found.steps)))
    if len(columns) <= width:
        return columns
    idle = np.flatnonzero((found.inputs < found.signs.fillers) & ~found.told)
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
    tall = 7 if found.free is None else 9
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
    ascii_only = palette.charset == "ascii"
    inputs, classes = (
        plain(signs) if ascii_only else signs for signs in (found.signs.inputs, found.signs.classes)
    )

    def row(
        name: str, symbols: NDArray[np.int64], signs: Sequence[str], where: NDArray[np.bool_] | None
    ) -> Content:
        line = [" "] * (len(columns) * pitch)
        for place, column in enumerate(columns):
            if column is None:
                line[place * pitch] = "-"
            elif where is None or where[column]:
                sign = signs[int(symbols[column])]
                start = max(0, place * pitch + 1 - len(sign))
                line[start : start + len(sign)] = sign
        return Content.assemble((f"{name:<{_LABEL}}", "$muted"), "".join(line).rstrip())

    def answers(name: str, given: NDArray[np.int64]) -> list[Content]:
        """What was answered, and marks under what of it is wrong."""
        wrong = found.asked & (given != found.targets)
        line = row(name, given, classes, found.asked)
        for place, column in enumerate(columns):
            if column is not None and wrong[column]:
                after = _LABEL + place * pitch + 1
                word = len(classes[int(given[column])])
                line = line.stylize("$error", max(_LABEL, after - word), after)
        mark = "x" if ascii_only else "×"
        marks = (mark if column is not None and wrong[column] else " " for column in columns)
        spread = (" " * (pitch - 1)).join(marks)
        return [line, Content.assemble((f"{'wrong':<{_LABEL}}", "$muted"), (spread, "bold $error"))]

    lines = [
        Content.styled(f"{'step':<{_LABEL}}{_numbers(found, columns, pitch)}", "$muted"),
        row("in", found.inputs, inputs, None),
        row("target", found.targets, classes, found.asked),
        *answers("network", found.answers),
    ]
    if brief:
        return lines[1:]
    alone = [] if found.free is None else answers("alone", found.free)
    return [*lines, *alone, _sureness(found, columns, pitch, palette)]


def _numbers(found: Symbols, columns: list[int | None], pitch: int) -> str:
    """Numbers of steps above the columns where something begins.

    In the order in which they find their places: the first, recall, the last, what is told, after a fold.
    """
    line = [" "] * (len(columns) * pitch)
    silent = found.inputs < found.signs.fillers
    recall = int(np.argmax(found.told)) if found.told.any() else -1
    goals = [0]
    goals += [columns.index(recall)] if recall in columns else []
    goals.append(len(columns) - 1)
    known = [(place, column) for place, column in enumerate(columns) if column is not None]
    goals += [place for place, column in known if column and silent[column - 1] and not silent[column]]
    goals += [place for place, _ in known if place and columns[place - 1] is None]
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
    levels = quantise(found.probability, Scale(0.0, 1.0), len(shades))
    classes = plain(found.signs.classes) if palette.charset == "ascii" else found.signs.classes
    for symbol, sign in enumerate(classes):
        name = f"p({sign})"
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
