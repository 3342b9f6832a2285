"""A plot of a few panels side by side as SVG, for light and dark backgrounds, without any library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 300, 262
"""Of a panel, in pixels, with the space around it."""
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 56, 46

# Colours that can be read on white and on black, where the second set is not known.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #6e7781; }
  .title { font-size: 14px; font-weight: 600; fill: #6e7781; }
  .axis { stroke: #8c959f; }
  .grid { stroke: #8c959f; stroke-opacity: 0.25; }
  .line { stroke: #2f81f7; stroke-opacity: 0.7; stroke-width: 1.5; }
  .spread { stroke: #2f81f7; stroke-width: 1.5; }
  .point { fill: #2f81f7; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9ea7b3; }
    .title { fill: #e6edf3; }
    .line, .spread { stroke: #58a6ff; }
    .point { fill: #58a6ff; }
  }
"""


@dataclass(frozen=True)
class Series:
    """What a panel shows.

    Attributes:
        points: (x, y, lower, upper) each; the last two are the ends of its spread.
        line: (x, y) of the ends of a straight line.
    """

    points: Sequence[tuple[float, float, float, float]]
    line: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Linear axes from zero, their labels, and what is shown."""

    x_label: str
    y_label: str
    series: Series


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The plot as a text of SVG, transparent where nothing is drawn."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        f'width="{width}" height="{HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def ticks(largest: float) -> list[float]:
    """Four to eight round numbers from 0, the last at or beyond `largest`."""
    rough = largest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * n for n in range(math.ceil(largest / step - 1e-9) + 1)]


def _panel(panel: Panel) -> Iterator[str]:
    points, line = panel.series.points, panel.series.line
    across, up = ticks(max(p[0] for p in points)), ticks(max(p[3] for p in points))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(value: float) -> float:
        return LEFT + (right - LEFT) * value / across[-1]

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * value / up[-1]

    for value in up:
        yield _stroke("grid", LEFT, y(value), right, y(value))
        yield f'<text x="{LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
    for value in across:
        yield _stroke("axis", x(value), bottom, x(value), bottom + 4)
        yield f'<text x="{x(value):.1f}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>'
    yield _stroke("axis", LEFT, bottom, right, bottom)
    yield _stroke("axis", LEFT, TOP, LEFT, bottom)
    middle = (LEFT + right) / 2
    yield f'<text x="{middle:.1f}" y="{bottom + 36}" text-anchor="middle">{escape(panel.x_label)}</text>'
    yield f'<text x="{LEFT}" y="{TOP - 12}" text-anchor="middle">{escape(panel.y_label)}</text>'
    (x0, y0), (x1, y1) = line
    yield _stroke("line", x(x0), y(y0), x(x1), y(y1))
    for at, value, lower, upper in points:
        yield _stroke("spread", x(at), y(lower), x(at), y(upper))
        yield f'<circle class="point" cx="{x(at):.1f}" cy="{y(value):.1f}" r="3"/>'


def _stroke(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'
