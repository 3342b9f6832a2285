"""How far credit reaches under a truncation: the sequence, its walls, the loss, and what gets a gradient.

    ├────────────┼────────────┼────────────┼━━━━━━━━━━━━●
    1           25           50           75          100
    loss at 100 · its credit ends at step 76

Truncation k cuts the sequence into windows of k timesteps counted from step 1; a wall stands after the last
step of each. The loss at step t gives a gradient to the steps from the start of its window to t, and to no
others; in both directions to all. Windows may overlap (`seqlab.spec.credit`); then a wall stands before each.
This says how far credit reaches and no more: whether a network learns all the same is for the run to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from textual.geometry import Size

from seqlab.spec.credit import Passes, Truncation, stretches, walls
from seqlab.tui.palette import Charset, Palette
from seqlab.tui.widgets.axes import sequence_ticks
from seqlab.tui.widgets.canvas import Canvas, CanvasWidget, shorten

Part = Literal["track", "reach", "loss", "text"]
Line = tuple[tuple[str, Part], ...]
"""A line as pieces of text, each with the part of the picture it is."""


@dataclass(frozen=True, eq=False)
class Reach:
    """Which timesteps get a gradient, from which losses. Timesteps count from 1.

    Attributes:
        length: timesteps of the sequence.
        walls: [w] the timesteps after which windows start.
        losses: [n] timesteps with a loss, ascending.
        stretches: [m, 2] first and last timestep that get a gradient, in each window with a loss.
        passes: which way anything goes from step to step.
    """

    length: int
    walls: NDArray[np.int64]
    losses: NDArray[np.int64]
    stretches: NDArray[np.int64]
    passes: Passes = "onwards"


def reach(length: int, truncation: Truncation, loss_steps: ArrayLike, *, passes: Passes = "onwards") -> Reach:
    """Work out the reach of credit.

    Args:
        length: timesteps of the sequence, at least 1.
        truncation: see `Truncation`.
        loss_steps: timesteps with a loss, counted from 1; those outside the sequence are left out.
        passes: which way anything goes from step to step.
    """
    losses = np.unique(np.asarray(loss_steps, np.int64))
    losses = losses[(losses >= 1) & (losses <= length)]
    found = np.array(stretches(length, truncation, losses - 1, passes=passes), np.int64).reshape(-1, 2) + 1
    return Reach(length, walls(length, truncation), losses, found, passes)


def describe(reached: Reach) -> str:
    """The reach in words: `loss at 100 · its credit ends at step 76`."""
    losses = reached.losses
    count = losses.size
    if not count:
        return "no loss on this sequence"
    if count == 1:
        where, whose = f"loss at {losses[0]:,}", "its"
    elif count == reached.length:
        where, whose = "loss at every step", "their"
    elif losses[-1] - losses[0] + 1 == count:
        where, whose = f"loss at {losses[0]:,}–{losses[-1]:,}", "their"
    else:
        where, whose = f"loss at {count:,} steps from {losses[0]:,} to {losses[-1]:,}", "their"
    if reached.passes == "nowhere":
        return f"{where} · no memory: {whose} credit reaches no other step"
    if len(reached.stretches) == 1:
        first, last = reached.stretches[0].tolist()
        if last > losses[-1]:
            return f"{where} · {whose} credit reaches every step"
        return f"{where} · {whose} credit {'ends at' if first > 1 else 'reaches'} step {first:,}"
    most = int((reached.stretches[:, 1] - reached.stretches[:, 0]).max())
    back = "1 step" if most == 1 else f"{most:,} steps"
    return f"{where} · credit ends at the wall before each, at most {back} back"


def stretch(
    length: int,
    truncation: Truncation,
    loss_steps: ArrayLike,
    width: int,
    charset: Charset = "braille",
    *,
    passes: Passes = "onwards",
) -> tuple[Line, ...]:
    """The lines of the picture, at most `width` wide: the bar, its ticks, and the words on one or more.

    Walls closer than three columns are not drawn one by one: the track is dotted, and the words count them.
    """
    if width < 1 or length < 1:
        return ()
    reached = reach(length, truncation, loss_steps, passes=passes)
    crowded = reached.walls.size * 3 > width
    words = describe(reached)
    if crowded:
        words += f" · {reached.walls.size:,} walls"
    return (
        _bar(reached, width, crowded, charset),
        ((_ticks(reached, width, crowded), "text"),),
        *(((shorten(line, width), "text"),) for line in _folded(words, width)),
    )


def _folded(words: str, width: int) -> list[str]:
    """Break words into lines at the dots between them."""
    lines: list[str] = []
    for part in words.split(" · "):
        if lines and len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return lines


def _columns(steps: NDArray[np.int64], length: int, width: int) -> NDArray[np.int64]:
    """The column of each timestep: 1 at the left end, `length` at the right."""
    return np.rint((steps - 1) / max(1, length - 1) * (width - 1)).astype(np.int64)


def _bar(reached: Reach, width: int, crowded: bool, charset: Charset) -> Line:
    track, dotted, wall, thick, left, right, dot = "-.|=||*" if charset == "ascii" else "─╌┼━├┤●"
    glyphs = [dotted if crowded else track] * width
    parts: list[Part] = ["track"] * width
    glyphs[0], glyphs[-1] = left, right
    if not crowded:
        for column in _columns(reached.walls, reached.length, width):
            glyphs[column] = wall
    walled = set() if crowded else set(_columns(reached.walls, reached.length, width).tolist())
    edges = _columns(reached.stretches, reached.length, width)
    depth = np.zeros(width + 1, np.int64)
    np.add.at(depth, edges[:, 0], 1)
    np.add.at(depth, edges[:, 1] + 1, -1)
    for column in np.flatnonzero(np.cumsum(depth[:-1]) > 0):
        if column not in walled:
            glyphs[column], parts[column] = thick, "reach"
    losses = np.unique(_columns(reached.losses, reached.length, width))
    if losses.size * 4 <= width or losses.size == 1:
        for column in losses:
            glyphs[column], parts[column] = dot, "loss"
    starts = [0, *(at for at in range(1, width) if parts[at] != parts[at - 1])]
    return tuple(
        ("".join(glyphs[start:stop]), parts[start])
        for start, stop in zip(starts, [*starts[1:], width], strict=True)
    )


def _ticks(reached: Reach, width: int, crowded: bool) -> str:
    """Labels at both ends and at walls, or at round steps where there are no walls to name."""
    if crowded or not reached.walls.size:
        steps = np.array(sequence_ticks(reached.length, max(2, width // 12)).values, np.int64)
    else:
        room = len(f"{reached.length:,}") + 2
        every = -(-room * (reached.walls.size + 1) // width)
        steps = np.array([1, *reached.walls[every - 1 :: every], reached.length], np.int64)
    line = [" "] * width
    free = [True] * width
    columns = _columns(steps, reached.length, width).tolist()
    labels = list(zip(columns, (f"{step:,}" for step in steps), strict=True))
    for column, label in labels[:1] + labels[-1:] + labels[1:-1]:
        start = min(max(column - len(label) // 2, 0), width - len(label))
        around = slice(max(0, start - 1), start + len(label) + 1)
        if start >= 0 and all(free[around]):
            line[start : start + len(label)] = label
            free[around] = [False] * len(free[around])
    return "".join(line).rstrip()


class StretchBar(CanvasWidget):
    """The picture of `stretch`, as high as it needs to be; `show` draws it anew."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"stretchbar--track", "stretchbar--text"}
    DEFAULT_CSS = """
    StretchBar {
        width: 1fr;
        height: auto;
        & > .stretchbar--track { color: $foreground 55%; }
        & > .stretchbar--text { color: $foreground 80%; }
    }
    """

    def __init__(
        self,
        *,
        palette: Palette | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(palette=palette, name=name, id=id, classes=classes)
        self._shown: tuple[int, Truncation, ArrayLike] = (0, 0, ())
        self._passes: Passes = "onwards"

    def show(
        self, length: int, truncation: Truncation, loss_steps: ArrayLike, *, passes: Passes = "onwards"
    ) -> None:
        """Draw `length` timesteps under a truncation, with losses at these timesteps (counted from 1)."""
        height = len(self._lines(self.size.width))
        self._shown, self._passes = (length, truncation, loss_steps), passes
        if len(self._lines(self.size.width)) != height:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are lines."""
        return len(self._lines(width))

    def paint(self, canvas: Canvas) -> None:
        """Paint the lines that fit."""
        inks: dict[Part, int] = {
            "track": self.component_ink("stretchbar--track"),
            "text": self.component_ink("stretchbar--text"),
            "reach": self.ink(self.palette.accent),
            "loss": self.ink(self.palette.accent),
        }
        for row, line in enumerate(self._lines(canvas.width)):
            x = 0
            for text, part in line:
                canvas.write(x, row, text, inks[part])
                x += len(text)

    def _lines(self, width: int) -> tuple[Line, ...]:
        return stretch(*self._shown, width, self.palette.charset, passes=self._passes)
