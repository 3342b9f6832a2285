"""Colours for what a terminal can show.

A terminal shows 16 million colours, 256, 16, or none at all. A ramp made for one depth and squeezed
into a smaller one loses most of its levels (viridis keeps 14 colours of 256 and 4 of 16), so each depth
has tables of its own, with as many levels as can be told apart there. All colours are written as RGB
values that come through Rich's reduction to that depth unchanged.

In 16 colours a level is a colour or a half-and-half dither of two; without colour it is a glyph.
Lines differ by weight and by mark as well as by hue, so nothing depends on hue alone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from rich.color import Color
from rich.style import Style
from textual.app import App

from seqlab.settings import settings_of

Depth = Literal["truecolor", "256", "16", "mono"]
Charset = Literal["braille", "block", "ascii"]
RampKind = Literal["sequential", "diverging"]
Role = Literal["plain", "bold", "faint"]

_DEPTHS: dict[str | None, Depth] = {"truecolor": "truecolor", "256": "256", "standard": "16", "windows": "16"}


@dataclass(frozen=True)
class Shade:
    """One level of a ramp as it stands in a cell: a glyph, its colour, the colour behind it ("" = none)."""

    glyph: str = " "
    color: str = ""
    background: str = ""

    @cached_property
    def style(self) -> Style:
        """The Rich style of the cell."""
        return Style(color=self.color or None, bgcolor=self.background or None)

    @property
    def contrast(self) -> str:
        """Black or white, whichever reads better on this shade; "" where there is no colour."""
        if not self.background:
            return ""
        red, green, blue = Color.parse(self.background).get_truecolor()
        return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "#ffffff"


def _backgrounds(hexes: str) -> tuple[Shade, ...]:
    return tuple(Shade(background=f"#{value}") for value in hexes.split())


def _dithered(*levels: tuple[str, str]) -> tuple[Shade, ...]:
    """Levels of 16 colours: (colour, "") is flat, (front, behind) is half of each."""
    return tuple(Shade("▒", *level) if level[1] else Shade(background=level[0]) for level in levels)


def _glyphs(ramp: str) -> tuple[Shade, ...]:
    return tuple(Shade(glyph) for glyph in ramp)


# OKLCh from indigo through blue and teal to pale yellow, at equal steps of CIE L* from 8 to 94.
_SEQUENTIAL_TRUECOLOR = _backgrounds(
    "171237 1a1840 1c1e4a 1e2454 1f2b5d 1f3167 1d3970 1a3f79 164783 0b4f8b 075790 075f95 056795 027097 "
    "047998 03819b 06899c 01929f 149a9f 0da4a0 0cada0 22b59f 3ebc9c 56c398 6dca94 83d08f 98d68c aedc89 "
    "c3e288 d8e688 eceb89 ffef95"
)
# Indices 17 18 20 25 31 37 78 186 193.
_SEQUENTIAL_256 = _backgrounds("00005f 000087 0000d7 005faf 0087af 00afaf 5fd787 d7d787 d7ffaf")
_BLACK, _BLUE, _CYAN, _WHITE = "#000000", "#0000aa", "#00aaaa", "#ffffff"
_RED, _BRIGHT_BLUE, _BRIGHT_RED = "#aa0000", "#5555ff", "#ff5555"
_SEQUENTIAL_16 = _dithered(
    (_BLACK, ""), (_BLUE, _BLACK), (_BLUE, ""), (_CYAN, _BLUE), (_CYAN, ""), (_WHITE, _CYAN), (_WHITE, "")
)  # fmt: skip
_SEQUENTIAL_MONO = _glyphs(" .:-=+*#%@")

# Blue and orange, equally light on either side of a neutral middle that is near the theme's background.
_DIVERGING_TRUECOLOR_DARK = _backgrounds(
    "afd5ff 98c9fd 7fbdfd 68b1fa 5ba4ed 5398dd 508cc9 4b81b6 4774a3 426990 3e5d7e 39526c 35475b 313d49 "
    "2d3238 272828 37302b 47392e 564230 664b32 775334 875d35 996737 aa7038 bc7938 ce8237 de8d3e ec9a4c "
    "f9a759 fdb676 fec797"
)
_DIVERGING_TRUECOLOR_LIGHT = _backgrounds(
    "044d87 015797 0f61a4 1e6cb0 2b75bb 3b80c3 4f8bc8 6096cc 71a0d1 83abd6 93b6da a4c1df b5cbe2 c7d5e5 "
    "d9e0e8 ebebeb e6ded7 e2d1c4 ddc4b0 d8b89c d3ab89 cd9e76 c79162 c1844d bb7837 b56c1a a96109 9b5905 "
    "8d5002 7f4805 713f00"
)
# Indices 153 74 31 24 · 236 · 58 130 208 216, and 25 68 111 189 · 231 · 223 179 166 94.
_DIVERGING_256_DARK = _backgrounds("afd7ff 5fafd7 0087af 005f87 303030 5f5f00 af5f00 ff8700 ffaf87")
_DIVERGING_256_LIGHT = _backgrounds("005faf 5f87d7 87afff d7d7ff ffffff ffd7af d7af5f d75f00 875f00")
_DIVERGING_16_DARK = _dithered(
    (_BRIGHT_BLUE, ""), (_BLUE, ""), (_BLUE, _BLACK), (_BLACK, ""),
    (_RED, _BLACK), (_RED, ""), (_BRIGHT_RED, ""),
)  # fmt: skip
_DIVERGING_16_LIGHT = _dithered(
    (_BLUE, ""), (_BRIGHT_BLUE, ""), (_BRIGHT_BLUE, _WHITE), (_WHITE, ""),
    (_BRIGHT_RED, _WHITE), (_BRIGHT_RED, ""), (_RED, ""),
)  # fmt: skip
_DIVERGING_MONO = _glyphs("%=- +*#")

_RAMPS: dict[tuple[RampKind, Depth, bool], tuple[Shade, ...]] = {
    ("diverging", "truecolor", True): _DIVERGING_TRUECOLOR_DARK,
    ("diverging", "truecolor", False): _DIVERGING_TRUECOLOR_LIGHT,
    ("diverging", "256", True): _DIVERGING_256_DARK,
    ("diverging", "256", False): _DIVERGING_256_LIGHT,
    ("diverging", "16", True): _DIVERGING_16_DARK,
    ("diverging", "16", False): _DIVERGING_16_LIGHT,
    ("diverging", "mono", True): _DIVERGING_MONO,
    ("diverging", "mono", False): _DIVERGING_MONO,
}
for _dark in (True, False):
    _RAMPS["sequential", "truecolor", _dark] = _SEQUENTIAL_TRUECOLOR
    _RAMPS["sequential", "256", _dark] = _SEQUENTIAL_256
    _RAMPS["sequential", "16", _dark] = _SEQUENTIAL_16
    _RAMPS["sequential", "mono", _dark] = _SEQUENTIAL_MONO

# (plain, faint), as many as runs can lie over one another, told apart under protanopia, deuteranopia and
# tritanopia (tests/tui/test_palette.py).
_HUES_DARK = (
    ("#5fafff", "#5f87af"), ("#ffaf5f", "#af875f"), ("#00af87", "#5f8787"), ("#d787d7", "#875f87"),
    ("#ffff87", "#87875f"), ("#ff5f00", "#875f5f"), ("#875fff", "#5f5faf"), ("#afd7d7", "#87afaf"),
)  # fmt: skip
_HUES_LIGHT = (
    ("#0000af", "#8787d7"), ("#d75f00", "#d7af87"), ("#008787", "#87afaf"), ("#870087", "#af87af"),
    ("#5f5f00", "#afaf87"), ("#af5f5f", "#d7afaf"), ("#af00ff", "#d787ff"), ("#5f5faf", "#afafd7"),
)  # fmt: skip
_HUES_16_DARK = (
    ("#55ffff", "#00aaaa"), ("#ffff55", "#aa5500"), ("#ff55ff", "#aa00aa"), ("#55ff55", "#00aa00"),
    ("#ffffff", "#aaaaaa"), ("#ff5555", "#aa0000"), ("#5555ff", "#0000aa"), ("#aa5500", "#555555"),
)  # fmt: skip
_HUES_16_LIGHT = (
    ("#0000aa", "#5555ff"), ("#aa0000", "#ff5555"), ("#aa00aa", "#ff55ff"), ("#00aaaa", "#55ffff"),
    ("#000000", "#555555"), ("#00aa00", "#55ff55"), ("#aa5500", "#aaaaaa"), ("#ff55ff", "#aaaaaa"),
)  # fmt: skip

MARKS = ("●", "▲", "■", "◆", "○")
"""Marks for lines, in the order of the hues."""
MARKS_ASCII = ("o", "^", "#", "x", "+")


@dataclass(frozen=True)
class Palette:
    """What this terminal can show, and the colours to show it in.

    Attributes:
        depth: colours of the terminal; "mono" under NO_COLOR and on terminals without colour.
        dark: whether the theme is dark.
        charset: the finest characters to draw curves with.
    """

    depth: Depth = "truecolor"
    dark: bool = True
    charset: Charset = "braille"

    @classmethod
    def detect(cls, app: App[Any], charset: Charset | None = None) -> Palette:
        """The palette for a running app: its console's colour system, NO_COLOR, theme and terminal.

        Args:
            app: the app that is to be drawn.
            charset: overrides the choice of characters: that of the app's settings, or else what the
                terminal can show.
        """
        depth: Depth = "mono" if app.no_color else _DEPTHS.get(app.console.color_system, "mono")
        return cls(depth, app.current_theme.dark, charset or charset_of(app))

    def ramp(self, kind: RampKind) -> tuple[Shade, ...]:
        """The levels of a ramp, lowest value first; a diverging one has its neutral level in the middle."""
        return _RAMPS[kind, self.depth, self.dark]

    @property
    def half_blocks(self) -> bool:
        """Whether two values fit into one cell, one above the other: levels are flat colours."""
        return self.depth in ("truecolor", "256") and self.charset != "ascii"

    @property
    def hues(self) -> tuple[tuple[str, str], ...]:
        """Pairs (plain, faint) of colours for lines; empty without colour."""
        if self.depth == "mono":
            return ()
        if self.depth == "16":
            return _HUES_16_DARK if self.dark else _HUES_16_LIGHT
        return _HUES_DARK if self.dark else _HUES_LIGHT

    def line(self, hue: int | None, role: Role = "plain") -> Style:
        """The style of a line: hue number `hue` (taken round; None: the text's own colour) in a role."""
        weight = Style(bold=role == "bold")
        if hue is None or not self.hues:
            return weight + Style(dim=True) if role == "faint" else weight
        plain, faint = self.hues[hue % len(self.hues)]
        return weight + Style(color=faint if role == "faint" else plain)

    @property
    def accent(self) -> Style:
        """The one accent: the colour of the first hue, bold where there is no colour."""
        return self.line(0) if self.hues else Style(bold=True)

    def mark(self, index: int) -> str:
        """A mark for line number `index`, taken round."""
        marks = MARKS_ASCII if self.charset == "ascii" else MARKS
        return marks[index % len(marks)]


def charset_of(app: object) -> Charset:
    """What a person wishes to be drawn with, or else what the terminal can show."""
    wished = settings_of(app).charset
    return detect_charset() if wished == "auto" else wished


def detect_charset() -> Charset:
    """Braille, or ASCII where the terminal's font or encoding has no more."""
    encoding = (getattr(sys.__stdout__, "encoding", None) or "utf-8").lower().replace("-", "")
    return "ascii" if os.environ.get("TERM") == "linux" or encoding != "utf8" else "braille"
