from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tui.palette import Charset, Palette
from seqlab.tui.widgets.axes import sequence_ticks
from seqlab.tui.widgets.lineplot import Level, LinePlot, Mark, PlotData, Series, Span, Wall
from seqlab.tui.widgets.plotarea import area_of
from seqlab.tui.widgets.uprights import NEAR, merged
from tests.tui.harness import lines, refreshed_rows, shown, style_at

BRAILLE = re.compile("[\u2801-\u28ff]")
PALETTE = Palette("truecolor")


def loss(steps: int = 400) -> PlotData:
    x = np.arange(steps)
    return PlotData(
        (
            Series(x, 0.2 * np.exp(-x / 100), "train", "faint"),
            Series(x[::50], 0.2 * np.exp(-x[::50] / 100), "eval"),
        ),
        levels=(Level(1 / 6, "constant"), Level(1 / 12, "one marker")),
    )


async def test_a_plot_has_curves_levels_in_words_and_ticks() -> None:
    async with shown(LinePlot(loss(), palette=PALETTE)) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    whole = "\n".join(drawn)
    assert BRAILLE.search(whole)
    assert "┄ constant 0.1667 ┄" in whole
    assert "┄ one marker 0.08333 ┄" in whole
    assert drawn[-1].split() == ["0", "100", "200", "300"]
    assert [row.split()[0] for row in drawn[:-1] if row[:4].strip()] == [
        "0.20",
        "0.15",
        "0.10",
        "0.05",
        "0.00",
    ]


async def test_the_app_takes_a_screenshot_of_it() -> None:
    async with shown(LinePlot(loss())) as pilot:
        assert "constant" in pilot.app.export_screenshot()


async def test_before_anything_was_measured_it_says_what_it_waits_for() -> None:
    async with shown(LinePlot(PlotData((Series((), ()),), empty="the first step has not ended"))) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    assert [row.strip() for row in drawn if row.strip()] == ["the first step has not ended"]


@pytest.mark.parametrize("spike", [0, 777, 4_321, 9_999])
async def test_a_spike_of_one_sample_is_seen_among_ten_thousand(spike: int) -> None:
    y = np.zeros(10_000)
    y[spike] = 1
    async with shown(LinePlot(PlotData((Series(np.arange(10_000), y),)), palette=PALETTE)) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    assert len(BRAILLE.findall(drawn[0])) in (1, 2)
    # On the bottom row the curve fills the whole width.
    assert len(BRAILLE.findall(drawn[-2])) == 55


async def test_decades_stand_at_equal_distances_and_samples_on_them() -> None:
    x = np.arange(7)
    plot = LinePlot(PlotData((Series(x, 10.0**-x),), log=True), palette=PALETTE)
    async with shown(plot, 60, 14):
        drawn = lines(plot)
    rows = {row.split()[0]: number for number, row in enumerate(drawn[:-1]) if row[:4].strip()}
    assert rows == {"1e0": 0, "1e-2": 4, "1e-4": 8, "1e-6": 12}
    assert BRAILLE.search(drawn[0][5:7]) and BRAILLE.search(drawn[12][-1])  # noqa: PT018


async def test_zero_on_a_log_axis_lies_on_the_floor_and_is_said() -> None:
    plot = LinePlot(PlotData((Series(np.arange(4), [1e-3, 0, 0, 1e-1]),), log=True), palette=PALETTE)
    async with shown(plot):
        drawn = lines(plot)
    assert drawn[-1][:5].strip() == "≤0"
    assert drawn[-2].count("▁") == 2


async def test_only_zeros_on_a_log_axis_are_said_to_have_no_place() -> None:
    plot = LinePlot(PlotData((Series(np.arange(4), np.zeros(4)),), log=True))
    async with shown(plot):
        assert "every value is ≤ 0" in "".join(lines(plot))


async def test_values_that_are_not_finite_are_gaps_marked_on_top() -> None:
    y = np.ones(55)
    y[20], y[30] = np.nan, np.inf
    plot = LinePlot(PlotData((Series(np.arange(55), y),), y_limits=(0, 2)), palette=PALETTE)
    async with shown(plot):
        drawn = lines(plot)
    assert [at for at, glyph in enumerate(drawn[0]) if glyph == "×"] == [25, 35]
    assert sum(row[25] != " " for row in drawn[1:-1]) == 0


async def test_a_diverged_curve_without_a_finite_value_is_all_marks() -> None:
    plot = LinePlot(PlotData((Series(np.arange(3), [np.nan] * 3),)))
    async with shown(plot):
        assert lines(plot)[0].count("×") == 3


async def test_a_single_point_is_seen() -> None:
    plot = LinePlot(PlotData((Series([5], [0.5], mark="●"),)), palette=PALETTE)
    async with shown(plot):
        assert "".join(lines(plot)).count("●") == 1


@pytest.mark.parametrize("values", [(0.5, 0.5001), (0.5, 0.51, 0.505, 0.49), (0.0, 1.0)])
async def test_no_label_is_hidden_or_covered_by_another(values: tuple[float, ...]) -> None:
    names = ("constant", "one marker", "solved", "repeat")
    levels = tuple(Level(value, name) for value, name in zip(values, names, strict=False))
    x = np.arange(300)
    data = PlotData((Series(x, 0.5 + 0.5 * np.sin(x / 3)),), levels=levels)
    async with shown(LinePlot(data)) as pilot:
        whole = "\n".join(lines(pilot.app.query_one(LinePlot)))
    for level in levels:
        assert f" {level.label} {level.value:g} " in whole


async def test_a_level_beyond_given_limits_is_named_at_the_edge() -> None:
    data = PlotData(
        (Series([0, 1], [0.1, 0.2]),), levels=(Level(5, "far"), Level(-5, "low")), y_limits=(0, 1)
    )
    async with shown(LinePlot(data)) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    assert drawn[0].rstrip().endswith("↑ far 5")
    assert drawn[-2].rstrip().endswith("↓ low -5")


async def test_a_span_carries_its_words_and_a_wall_its_label() -> None:
    t = np.arange(1, 101)
    data = PlotData(
        (Series(t, np.where(t > 75, 10.0 ** ((t - 100) / 8), 0)),),
        walls=(Wall(25), Wall(50), Wall(75, "wall 75")),
        spans=(Span(1, 75, "no gradient"),),
        x_ticks=sequence_ticks(100),
        y_limits=(1e-8, 1),
        log=True,
    )
    async with shown(LinePlot(data), 60, 10) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    assert re.search("░ no gradient ░+ wall 75", drawn[-2])
    assert all(row.count("┊") == 3 for row in drawn[1:-2] if not BRAILLE.search(row))
    assert drawn[-1].split() == ["≤0", "1", "25", "50", "75", "100"]
    wall = drawn[2].rindex("┊")
    assert drawn[-2][wall + 1 :].startswith(" wall 75")


async def test_more_walls_than_columns_are_counted() -> None:
    data = PlotData(
        (Series(np.arange(1_000), np.arange(1_000)),), walls=tuple(Wall(x) for x in range(0, 1_000, 5))
    )
    async with shown(LinePlot(data)) as pilot:
        drawn = lines(pilot.app.query_one(LinePlot))
    assert "200 walls" in drawn[-2]
    assert "┊" not in "".join(drawn)


async def test_only_rows_that_changed_are_sent() -> None:
    data = loss()
    plot = LinePlot(data, palette=PALETTE)
    async with shown(plot) as pilot:
        before = lines(plot)
        plot.show(data)
        assert refreshed_rows(plot) == set()
        longer = dataclasses.replace(
            data.series[0], y=np.asarray(data.series[0].y) + (np.arange(400) == 399) * 0.03
        )
        plot.show(dataclasses.replace(data, series=(longer, data.series[1])))
        rows = refreshed_rows(plot)
        changed = {y for y, (a, b) in enumerate(zip(before, lines(plot), strict=True)) if a != b}
        assert rows == changed
        assert 0 < len(rows) < 6
        await pilot.pause()


async def test_nothing_is_painted_while_it_is_out_of_sight() -> None:
    painted = 0

    class Counting(LinePlot):
        def paint(self, canvas: object) -> None:
            nonlocal painted
            painted += 1
            super().paint(canvas)  # type: ignore[arg-type]

    plot = Counting(loss())
    async with shown(plot) as pilot:
        plot.display = False
        await pilot.pause()
        count = painted
        for _ in range(5):
            plot.show(loss(200))
        await pilot.pause()
        assert painted == count
        plot.display = True
        await pilot.pause()
        assert lines(plot)[-1].split() == ["0", "50", "100", "150"]
        count = painted
        lines(plot)
        assert painted == count


async def test_the_cursor_is_a_vertical_line_and_the_legend_gives_the_values_there() -> None:
    x = np.arange(11)
    series = (Series(x, x / 2, "train"), Series(x[::4], x[::4] / 4, "eval"), Series([9], [1.0], "late"))
    plot = LinePlot(PlotData(series, cursor=5), palette=PALETTE)
    async with shown(plot):
        assert {row.find("│") for row in lines(plot)[:3]} == {32}
        assert plot.values_at(5.2) == (("train", 5.0, 2.5), ("eval", 4.0, 1.0))
        assert plot.legend().plain == "train 2.5 · eval 1 at 4 · late"
        plot.show(PlotData(series))
        assert "│" not in "".join(lines(plot))
        assert plot.legend().plain == "train · eval · late"


async def test_a_mark_is_a_line_from_top_to_bottom_with_its_words_at_its_head() -> None:
    data = PlotData((Series([0, 100], [0.0, 0.0]),), marks=(Mark(20, "lr", "0.002"), Mark(96, "clip", "0.5")))
    plot = LinePlot(data, palette=PALETTE)
    async with shown(plot):
        drawn = lines(plot)
    first, second = (drawn[0].index(words) for words in ("╎ lr 0.002 ", " clip 0.5 ╎"))
    assert all(row[first] == row[second + 10] == "╎" for row in drawn[:-2])


async def test_marks_near_one_another_become_one() -> None:
    lr, clip = Mark(20, "lr", "0.002"), Mark(21, "clip", "0.5")
    for marks, words in (
        ((lr, clip, Mark(22, "lr", "0.004")), "3 changes"),
        ((Mark(22, "lr", "0.004"), lr), "lr 0.004"),
        ((lr, Mark(20, "resumed"), Mark(500, "lr", "1")), "2 changes"),
    ):
        plot = LinePlot(PlotData((Series([0, 100], [0.0, 0.0]),), marks=marks), palette=PALETTE)
        async with shown(plot):
            drawn = lines(plot)
        assert f"╎ {words} " in drawn[0]
        assert drawn[0].count("╎") == 1


@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(20, 100))
def test_marks_in_sight_keep_their_distance_and_none_is_lost(steps: list[int], width: int) -> None:
    x = np.arange(101)
    data = PlotData((Series(x, x * 1.0),), marks=tuple(Mark(step, "lr", str(step)) for step in steps))
    area = area_of(data, [(x * 1.0, x * 1.0)], width, 10, "braille")
    columns = [column for column, _ in merged(data.marks, area)]
    assert all(after - before >= NEAR for before, after in pairwise(columns))
    seen = [step for step in steps if step <= 100]
    assert bool(columns) == bool(seen)
    assert not seen or columns[-1] == area.column(max(seen))


async def test_series_differ_in_colour_mark_and_weight() -> None:
    x = np.arange(100)
    series = tuple(
        Series(x, np.full(100, float(hue)), f"layer {hue + 1}", hue=hue, mark=PALETTE.mark(hue))
        for hue in range(3)
    )
    plot = LinePlot(PlotData((*series, Series(x, np.full(100, 3.0), "all", "bold"))), palette=PALETTE)
    async with shown(plot):
        drawn = lines(plot)
        assert all(PALETTE.mark(hue) in "".join(drawn) for hue in range(3))
        row = next(y for y, text in enumerate(drawn) if "▲" in text)
        assert style_at(plot, drawn[row].index("▲"), row).color == PALETTE.line(1).color
        assert style_at(plot, 30, 0).bold
        assert plot.legend().plain == "● layer 1 · ▲ layer 2 · ■ layer 3 · all"


async def test_the_palette_follows_the_theme() -> None:
    plot = LinePlot(PlotData((Series(np.arange(10), np.zeros(10), mark="●"),)))
    async with shown(plot) as pilot:
        dark = plot.palette
        pilot.app.theme = "textual-light"
        await pilot.pause()
        assert dark.dark
        assert not plot.palette.dark
        row = next(y for y, text in enumerate(lines(plot)) if "●" in text)
        assert style_at(plot, lines(plot)[row].index("●"), row).color == plot.palette.line(0).color


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
async def test_levels_are_paler_than_their_labels_in_every_kind_of_theme(theme: str) -> None:
    plot = LinePlot(PlotData((Series([0, 1], [0.0, 0.1]),), levels=(Level(1, "one"),)))
    async with shown(plot) as pilot:
        pilot.app.theme = theme
        await pilot.pause()
        line, label = style_at(plot, 6, 0), style_at(plot, lines(plot)[0].index("one"), 0)
        assert line.dim if theme == "ansi-dark" else line.color != label.color
        assert not label.dim


@pytest.mark.parametrize("charset", ["braille", "block", "ascii"])
async def test_every_size_is_drawn(charset: Charset) -> None:
    data = dataclasses.replace(
        loss(),
        walls=(Wall(3, "w"), Wall(200, "wall")),
        marks=(Mark(0, "lr", "1"), Mark(260, "resumed"), Mark(10_000, "clip")),
        spans=(Span(-5, 100, "none"), Span(900, 950, "x")),
        cursor=50,
    )
    plot = LinePlot(data, palette=Palette(charset=charset))
    async with shown(plot, 1, 1) as pilot:
        for width, height in ((2, 1), (1, 5), (3, 3), (8, 2), (15, 4), (200, 60), (1, 1), (40, 10)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            for other in (PlotData(empty="nothing yet"), dataclasses.replace(data, log=True), data):
                plot.show(other)
                assert [len(row) for row in lines(plot)] == [width] * height
        assert bool(BRAILLE.search("".join(lines(plot)))) == (charset == "braille")


@pytest.mark.parametrize(
    "y",
    [[1.0] * 5, [-3.0, -2, -1, -2, -3], [0.0] * 5, [1e-300, 2e-300, 0, 1e-300, 0], [1e308, -1e308, 0, 1, 2],
     [np.nan, np.inf, -np.inf, 1, 2], [5e-324, 1e308, 1, 1, 1]],
)  # fmt: skip
@pytest.mark.parametrize("log", [False, True])
async def test_degenerate_values_are_drawn(y: list[float], log: bool) -> None:
    plot = LinePlot(PlotData((Series(np.arange(5), y),), levels=(Level(0, "zero"),), log=log))
    async with shown(plot):
        assert any(row.strip() for row in lines(plot))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("width", [44, 60, 100])
async def test_labels_stand_in_the_order_of_their_levels(width: int, log: bool) -> None:
    draw = np.random.default_rng(width)
    levels = (Level(0.0, "exact"), Level(1 / 6, "constant 1"), Level(1 / 12, "one marker"))
    x = np.arange(300)
    plot = LinePlot(palette=PALETTE)
    async with shown(plot, width, 21) as pilot:
        for height in range(21, 4, -1):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            for _ in range(6):
                fall = draw.uniform(0.05, 0.6) * np.exp(-x / draw.uniform(10, 2_000))
                noise = np.exp(draw.normal(0, draw.uniform(0, 1), x.size))
                plot.show(PlotData((Series(x, fall * noise),), levels=levels, log=log))
                whole = "\n".join(lines(plot))
                places = [whole.find(name) for name in ("constant 1", "one marker", "exact")]
                assert -1 < places[0] < places[1] < places[2], whole
