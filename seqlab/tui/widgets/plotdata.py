"""What a line plot shows, as plain frozen data: curves, levels, walls, marks and spans over one x axis."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from seqlab.tui.palette import Role
from seqlab.tui.widgets.axes import Limits, Ticks


@dataclass(frozen=True, eq=False)
class Series:
    """One curve.

    Attributes:
        x: [n], ascending.
        y: [n]; NaN and infinities are gaps.
        label: its name in the legend.
        role: bold is drawn two dots high, faint in a paler colour.
        hue: number of its colour; None for the colour of text.
        mark: a character set on the curve in a few places ("" for none), see `Palette.mark`.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    role: Role = "plain"
    hue: int | None = 0
    mark: str = ""


@dataclass(frozen=True)
class Level:
    """A horizontal line across the plot that carries its label and its value.

    Attributes:
        value: where it lies.
        label: its name.
        hue: number of its colour, if it is of another kind than the rest; then its dashes are heavier, too.
    """

    value: float
    label: str = ""
    hue: int | None = None


@dataclass(frozen=True)
class Wall:
    """A vertical line at x, with a label at its foot."""

    x: float
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """A thin vertical line at x, where something was done, with words at its head: a name and a value."""

    x: float
    name: str
    value: str = ""


@dataclass(frozen=True)
class Span:
    """A hatched stretch of x at the foot of the plot, from x0 to x1 inclusive, with words in its middle.

    Without `hatched` there are only the words, and a curve on the floor shows beside them.
    """

    x0: float
    x1: float
    label: str = ""
    hatched: bool = True


@dataclass(frozen=True, eq=False)
class PlotData:
    """Everything a plot shows.

    Attributes:
        series: curves, the later above the earlier.
        levels: kept in sight, unless `y_limits` say otherwise: then an arrow at the edge names them.
        walls: when there are more than a quarter of the columns, they are counted instead of drawn.
        marks: where something was done; those that are near one another become one.
        spans: hatched stretches.
        cursor: the x of a vertical line, at which the legend gives values; None for none.
        x_limits: left and right end; the data's own when left out.
        y_limits: bottom and top; round values around data and levels when left out.
        x_ticks: where to label the x axis; round whole numbers when left out (see `axes.sequence_ticks`).
        log: logarithmic y axis.
        empty: words for when there is nothing to draw: what the plot waits for.
    """

    series: tuple[Series, ...] = ()
    levels: tuple[Level, ...] = ()
    walls: tuple[Wall, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    cursor: float | None = None
    x_limits: Limits | None = None
    y_limits: Limits | None = None
    x_ticks: Ticks | None = None
    log: bool = False
    empty: str = ""
