from __future__ import annotations

import itertools

import numpy as np
import pytest
from rich.color import EIGHT_BIT_PALETTE, STANDARD_PALETTE, Color, ColorSystem
from textual.app import App

from seqlab.settings import Settings
from seqlab.tui.app import LabApp
from seqlab.tui.palette import Depth, Palette, RampKind, Shade, detect_charset

SYSTEMS: dict[Depth, ColorSystem] = {
    "truecolor": ColorSystem.TRUECOLOR,
    "256": ColorSystem.EIGHT_BIT,
    "16": ColorSystem.STANDARD,
}
COLOURED: list[Depth] = ["truecolor", "256", "16"]
KINDS: list[RampKind] = ["sequential", "diverging"]
# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


def linear(color: str) -> np.ndarray:
    value = np.array(Color.parse(color).get_truecolor()) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def lightness(color: str) -> float:
    y = luminance(color)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def shade_lightness(shade: Shade) -> float:
    """Of a dither, half of both colours."""
    if not shade.color:
        return lightness(shade.background)
    return (lightness(shade.color) + lightness(shade.background)) / 2


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_cones = np.array(
        [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    )
    to_lab = np.array(
        [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    )
    return to_lab @ np.cbrt(to_cones @ rgb)


def downgraded(color: str, depth: Depth) -> tuple[object, ...]:
    """What the terminal is told, as Rich reduces the colour to that depth."""
    return tuple(Color.parse(color).downgrade(SYSTEMS[depth]).get_ansi_codes()) if color else ()


@pytest.mark.parametrize("depth", COLOURED)
@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_level_is_distinct_after_the_reduction_to_its_depth(
    depth: Depth, dark: bool, kind: RampKind
) -> None:
    ramp = Palette(depth, dark).ramp(kind)
    seen = [(s.glyph, downgraded(s.color, depth), downgraded(s.background, depth)) for s in ramp]
    assert len(set(seen)) == len(ramp)


@pytest.mark.parametrize("depth", ["256", "16"])
@pytest.mark.parametrize("dark", [True, False])
def test_colours_come_through_the_reduction_unchanged(depth: Depth, dark: bool) -> None:
    palette = Palette(depth, dark)
    colors = {c for kind in KINDS for s in palette.ramp(kind) for c in (s.color, s.background) if c}
    colors |= {color for pair in palette.hues for color in pair}
    for color in colors:
        reduced = Color.parse(color).downgrade(SYSTEMS[depth])
        table = STANDARD_PALETTE if depth == "16" else EIGHT_BIT_PALETTE
        assert reduced.number is not None
        assert table[reduced.number] == Color.parse(color).get_truecolor()


@pytest.mark.parametrize("depth", COLOURED)
def test_the_sequential_ramp_rises_evenly_from_dark_to_light(depth: Depth) -> None:
    levels = np.array([shade_lightness(shade) for shade in Palette(depth).ramp("sequential")])
    steps = np.diff(levels)
    assert levels[0] < 10
    assert levels[-1] > 90
    assert steps.min() > 0
    # No step is more than 2.2 times an even one, where the depth has few colours to choose from.
    assert steps.max() < (1.2 if depth == "truecolor" else 2.2) * steps.mean()


@pytest.mark.parametrize("depth", COLOURED)
@pytest.mark.parametrize("dark", [True, False])
def test_the_diverging_ramp_has_a_neutral_middle_and_equal_arms(depth: Depth, dark: bool) -> None:
    ramp = Palette(depth, dark).ramp("diverging")
    middle = len(ramp) // 2
    assert len(ramp) % 2 == 1
    red, green, blue = Color.parse(ramp[middle].background).get_truecolor()
    assert max(red, green, blue) - min(red, green, blue) <= 1
    levels = np.array([shade_lightness(shade) for shade in ramp])
    below, above = levels[middle::-1], levels[middle:]
    sign = 1 if dark else -1
    assert (np.diff(below) * sign > 0).all()
    assert (np.diff(above) * sign > 0).all()
    # Of 16 colours no two are equally light.
    assert np.abs(below - above).max() < (20 if depth == "16" else 10)


@pytest.mark.parametrize("kind", KINDS)
def test_without_colour_levels_are_distinct_glyphs_without_colour(kind: RampKind) -> None:
    ramp = Palette("mono").ramp(kind)
    assert len({shade.glyph for shade in ramp}) == len(ramp)
    assert not any(shade.color or shade.background for shade in ramp)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_hues_can_be_told_apart_by_colour_blind_people(dark: bool, blindness: str | None) -> None:
    colours = []
    for plain, _ in Palette("truecolor", dark).hues:
        rgb = linear(plain)
        colours.append(oklab(np.clip(BLINDNESS[blindness] @ rgb, 0, 1) if blindness else rgb))
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(colours, 2))
    assert nearest > 0.06


@pytest.mark.parametrize(("dark", "behind"), [(True, "#1e1e1e"), (False, "#e0e0e0")])
def test_lines_stand_out_from_the_theme_and_faint_ones_less(dark: bool, behind: str) -> None:
    def contrast(color: str) -> float:
        bright, dim = sorted((luminance(color), luminance(behind)), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    for plain, faint in Palette("256", dark).hues:
        assert contrast(plain) > 2.8
        assert 1.4 < contrast(faint) < contrast(plain)


@pytest.mark.parametrize("depth", [*COLOURED, "mono"])
def test_roles_differ_in_more_than_colour_or_are_paler(depth: Depth) -> None:
    palette = Palette(depth)
    plain, bold, faint = (palette.line(0, role) for role in ("plain", "bold", "faint"))
    assert bold.bold
    assert not plain.bold
    assert faint.dim if depth == "mono" else faint.color != plain.color
    assert palette.line(len(palette.hues), "plain") == palette.line(0, "plain")


def test_marks_are_of_the_charset() -> None:
    assert all(Palette(charset="ascii").mark(index).isascii() for index in range(7))
    assert Palette().mark(0) != Palette().mark(1)


@pytest.mark.parametrize(
    ("system", "depth"), [("truecolor", "truecolor"), ("256", "256"), ("standard", "16"), (None, "mono")]
)
def test_detect_reads_the_console(system: str | None, depth: Depth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    app: App[None] = App()
    monkeypatch.setattr(type(app.console), "color_system", property(lambda _: system))
    assert Palette.detect(app).depth == depth


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert Palette.detect(App()).depth == "mono"


def test_detect_follows_the_theme() -> None:
    app: App[None] = App()
    app.theme = "textual-light"
    assert Palette.detect(app).dark is False
    assert Palette.detect(app, "block").charset == "block"
    assert Palette.detect(LabApp(settings=Settings(charset="block"))).charset == "block"


def test_the_linux_console_has_no_braille(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    assert detect_charset() == "ascii"
