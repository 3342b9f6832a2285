from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tui.palette import Depth, Palette
from seqlab.tui.widgets.heatmap import Cover, Heatmap
from seqlab.tui.widgets.scale import Scale, colour_bar, quantise
from tests.tui.harness import lines, refreshed_rows, shown, style_at

PALETTE = Palette("truecolor")
GATES = Scale(0, 1)
STATES = Scale(-1, 1, "diverging")


class Recorder(Heatmap):
    """A heatmap that keeps what it says."""

    def __init__(self, palette: Palette = PALETTE) -> None:
        super().__init__(palette=palette)
        self.moves: list[tuple[int, int, float]] = []

    def on_heatmap_cursor_moved(self, message: Heatmap.CursorMoved) -> None:
        assert message.control is self
        self.moves.append((message.unit, message.timestep, message.value))


def background(heatmap: Heatmap, x: int, y: int) -> str:
    color = style_at(heatmap, x, y).bgcolor
    assert color is not None
    return color.get_truecolor().hex


@given(st.floats(), st.integers(1, 40))
def test_levels_share_the_scale_equally(value: float, levels: int) -> None:
    level = int(quantise([value], GATES, levels)[0])
    if np.isnan(value):
        assert level == levels + 2
    elif value < 0:
        assert level == levels
    elif value > 1:
        assert level == levels + 1
    else:
        assert level / levels - 1e-9 <= value <= (level + 1) / levels + 1e-9


def test_the_middle_of_a_diverging_scale_is_its_neutral_level() -> None:
    assert quantise([-1, 0, 1], STATES, 31).tolist() == [0, 15, 30]


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (float("nan"), 1), (0, float("inf"))])
def test_a_scale_without_an_extent_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low must be below high"):
        Scale(low, high)


async def test_time_runs_along_and_units_down() -> None:
    values = np.array([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]])
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 3, 2):
        heatmap.show(values, GATES)
        ramp = [shade.background for shade in PALETTE.ramp("sequential")]
        drawn = [[background(heatmap, x, y) for x in range(3)] for y in range(2)]
    assert drawn == [[ramp[0], ramp[16], ramp[31]], [ramp[31], ramp[16], ramp[0]]]


async def test_more_units_than_rows_share_cells_as_halves() -> None:
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 2, 2):
        heatmap.show([[0, 1], [1, 1], [0, 0], [0, 1]], GATES)
        assert lines(heatmap) == ["▀ ", " ▀"]
        assert heatmap.cover == Cover(1, 1)
        low, high = (PALETTE.ramp("sequential")[at].background for at in (0, -1))
        style = style_at(heatmap, 0, 0)
        assert style.color is not None
        assert (style.color.get_truecolor().hex, background(heatmap, 0, 0)) == (low, high)


async def test_saturation_is_never_averaged_out_and_the_cover_is_known() -> None:
    values = np.full((64, 1_000), 0.5)
    values[13, 777] = 1.0
    values[40, 3] = 0.0
    palette = Palette("256")
    heatmap = Heatmap(palette=palette)
    async with shown(heatmap, 50, 8):
        heatmap.show(values, GATES)
        assert heatmap.cover == Cover(4, 20)
        styles = [segment.style for strip in heatmap.render_lines(heatmap.size.region) for segment in strip]
    seen = {
        color.get_truecolor().hex
        for style in styles
        if style
        for color in (style.color, style.bgcolor)
        if color
    }
    ramp = palette.ramp("sequential")
    assert {ramp[0].background, ramp[-1].background} <= seen


async def test_what_is_out_of_scale_or_not_a_number_is_marked() -> None:
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 5, 1):
        heatmap.show([[-2, -1, np.nan, 1, 2]], STATES)
        assert lines(heatmap) == ["▼ ╱ ▲"]
        heatmap.show([[-np.inf, 0, 0, 0, np.inf]], STATES)
        assert lines(heatmap) == ["▼   ▲"]


async def test_marks_show_in_halves_too() -> None:
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 3, 1):
        heatmap.show([[2, 0, np.nan], [0, -2, 0]], STATES)
        assert lines(heatmap) == ["▲▼╱"]


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "mono"])
async def test_each_level_looks_different_at_each_depth(depth: Depth) -> None:
    palette = Palette(depth)
    count = len(palette.ramp("sequential"))
    heatmap = Heatmap(palette=palette)
    async with shown(heatmap, count, 1):
        heatmap.show([(np.arange(count) + 0.5) / count], GATES)
        [strip] = heatmap.render_lines(heatmap.size.region)
        cells = {(s.text, s.style) for x in range(count) for s in strip.crop(x, x + 1)}
    assert len(cells) == count


async def test_only_rows_that_changed_are_sent() -> None:
    values = np.tile(np.linspace(0, 1, 20), (6, 1))
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 20, 6) as pilot:
        heatmap.show(values, GATES)
        await pilot.pause()
        heatmap.show(values.copy(), GATES)
        assert refreshed_rows(heatmap) == set()
        values[4, 7] = 0.9
        heatmap.show(values, GATES)
        assert refreshed_rows(heatmap) == {4}


async def test_arrows_move_the_cursor_over_the_values() -> None:
    values = np.arange(12.0).reshape(3, 4) / 12
    heatmap = Recorder()
    async with shown(heatmap, 20, 6) as pilot:
        heatmap.show(values, GATES)
        heatmap.focus()
        await pilot.pause()
        await pilot.press("right", "right", "down", "down", "down", "left", "end", "home", "up")
        assert [(unit, time) for unit, time, _ in heatmap.moves] == [
            (0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 3), (2, 0), (1, 0),
        ]  # fmt: skip
        assert all(value == values[unit, time] for unit, time, value in heatmap.moves)
        assert heatmap.cursor == (1, 0)
        assert heatmap.cursor_value == values[1, 0]


async def test_a_move_over_a_large_matrix_lands_on_the_value_that_the_place_shows() -> None:
    values = np.full((40, 1_000), 0.5)
    values[0, 33] = 0.9
    heatmap = Recorder()
    async with shown(heatmap, 50, 10) as pilot:
        heatmap.show(values, GATES)
        heatmap.focus()
        await pilot.press("right")
        assert heatmap.moves[-1] == (0, 33, 0.9)
        await pilot.press("shift+right")
        assert heatmap.moves[-1] == (0, 34, 0.5)
        await pilot.press("left", "left", "left")
        assert heatmap.cursor == (0, 0)
        await pilot.press("down")
        assert heatmap.cursor == (2, 0)


async def test_the_cursor_shows_with_the_focus_only() -> None:
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 6, 2) as pilot:
        heatmap.show(np.zeros((2, 6)), GATES)
        plain = background(heatmap, 3, 1)
        heatmap.focus()
        heatmap.move_cursor(1, 3)
        await pilot.pause()
        assert background(heatmap, 3, 1) == "#ffffff" != plain
        pilot.app.set_focus(None)
        await pilot.pause()
        assert background(heatmap, 3, 1) == plain


async def test_the_cursor_tells_its_half_of_a_cell() -> None:
    heatmap = Heatmap(palette=PALETTE)
    async with shown(heatmap, 4, 2) as pilot:
        heatmap.show(np.zeros((4, 4)), GATES)
        heatmap.focus()
        heatmap.move_cursor(2, 1)
        await pilot.pause()
        assert lines(heatmap)[1] == " ▀  "
        heatmap.move_cursor(3, 1)
        assert lines(heatmap)[1] == " ▄  "


async def test_values_that_come_while_it_has_the_focus_get_a_cursor() -> None:
    heatmap = Recorder()
    async with shown(heatmap, 8, 4) as pilot:
        heatmap.focus()
        await pilot.pause()
        heatmap.show(np.zeros((4, 8)), GATES)
        assert heatmap.cursor == (0, 0)


async def test_a_click_sets_the_cursor() -> None:
    heatmap = Recorder()
    async with shown(heatmap, 8, 4) as pilot:
        heatmap.show(np.arange(32.0).reshape(4, 8) / 32, GATES)
        await pilot.click(heatmap, offset=(5, 2))
        assert heatmap.moves[-1] == (2, 5, 21 / 32)


async def test_a_new_value_under_the_cursor_is_told() -> None:
    heatmap = Recorder()
    async with shown(heatmap, 8, 4) as pilot:
        heatmap.show(np.zeros((4, 8)), GATES)
        heatmap.move_cursor(9, 9)
        heatmap.show(np.ones((4, 8)), GATES)
        heatmap.show(np.ones((4, 8)), GATES)
        heatmap.show(np.ones((2, 3)), GATES)
        await pilot.pause()
        assert heatmap.moves == [(3, 7, 0.0), (3, 7, 1.0), (1, 2, 1.0)]


async def test_without_values_it_says_what_it_waits_for() -> None:
    heatmap = Heatmap(empty="no frame yet")
    async with shown(heatmap, 30, 5) as pilot:
        assert "no frame yet" in "".join(lines(heatmap))
        heatmap.focus()
        await pilot.press("right", "down", "end")
        assert heatmap.cursor is None
        assert heatmap.cursor_value is None
        heatmap.show(np.empty((0, 5)), GATES, "no units")
        assert "no units" in "".join(lines(heatmap))
        assert heatmap.cover == Cover(1, 1)
        with pytest.raises(ValueError, match=r"shape \(3,\)"):
            heatmap.show([1, 2, 3], GATES)


@pytest.mark.parametrize("width", range(0, 60, 7))
@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "mono"])
def test_the_colour_bar_fits_and_names_its_ends(width: int, depth: Depth) -> None:
    bar = colour_bar(STATES, Palette(depth), width)
    assert bar.cell_length <= width
    if width >= 7:
        assert bar.plain.startswith("-1 ")
        assert bar.plain.endswith(" 1")


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (3, 2), (200, 60)])
@pytest.mark.parametrize("depth", ["truecolor", "mono"])
async def test_every_size_is_drawn(size: tuple[int, int], depth: Depth) -> None:
    heatmap = Heatmap(palette=Palette(depth))
    async with shown(heatmap, *size) as pilot:
        heatmap.focus()
        for shape in ((1, 1), (1, 300), (300, 1), (3, 5), (65, 130)):
            heatmap.show(np.random.default_rng(0).uniform(-1.2, 1.2, shape), STATES)
            await pilot.press("right", "down", "left", "up")
            heatmap.move_cursor(10**6, 10**6)
            assert heatmap.cursor == (shape[0] - 1, shape[1] - 1)
            assert [len(row) for row in lines(heatmap)] == [size[0]] * size[1]
        await pilot.resize_terminal(7, 3)
        await pilot.pause()
        assert [len(row) for row in lines(heatmap)] == [7] * 3
