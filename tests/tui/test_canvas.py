from __future__ import annotations

from rich.style import Style
from textual.screen import Screen

from seqlab.tui.widgets.canvas import Canvas, CanvasWidget, shorten
from tests.tui.harness import lines, refreshed_rows, shown, style_at


class Letters(CanvasWidget):
    """Writes its words, one a row, the second in bold."""

    words: tuple[str, ...] = ("one", "two", "three")

    def paint(self, canvas: Canvas) -> None:
        for row, word in enumerate(self.words):
            canvas.write(0, row, word, self.ink(Style(bold=True)) if row == 1 else 0)


def text(canvas: Canvas) -> list[str]:
    return ["".join(map(chr, row)) for row in canvas.glyphs]


def test_what_lies_outside_is_cut_off() -> None:
    canvas = Canvas(4, 2)
    canvas.write(-2, 0, "abcdefgh", 7)
    canvas.write(3, 1, "xyz", 7)
    canvas.write(0, 2, "below")
    canvas.write(9, 0, "right")
    assert text(canvas) == ["cdef", "   x"]
    assert canvas.inks.tolist() == [[7] * 4, [0, 0, 0, 7]]


def test_long_text_is_shortened_from_the_right() -> None:
    assert [shorten("abcdef", width) for width in (6, 3, 1, 0)] == ["abcdef", "ab…", "…", ""]
    canvas = Canvas(3, 1)
    canvas.centre(0, "abcdef")
    assert text(canvas) == ["ab…"]


async def test_rows_and_styles_reach_the_screen() -> None:
    widget = Letters()
    async with shown(widget, 6, 4):
        assert lines(widget) == ["one   ", "two   ", "three ", "      "]
        assert style_at(widget, 0, 1).bold
        assert not style_at(widget, 3, 1).bold


async def test_a_redraw_sends_the_rows_that_changed_below_border_and_padding() -> None:
    widget = Letters()
    async with shown(widget, 20, 12) as pilot:
        widget.styles.border = ("round", "white")
        widget.styles.padding = 1
        await pilot.pause()
        widget.words = ("one", "2", "three")
        widget.redraw()
        assert refreshed_rows(widget) == {3}


async def test_behind_another_screen_nothing_is_painted_until_it_returns() -> None:
    widget = Letters()
    async with shown(widget, 20, 5) as pilot:
        await pilot.app.push_screen(Screen())
        widget.words = ("new",)
        widget.redraw()
        await pilot.pause()
        await pilot.app.pop_screen()
        await pilot.pause()
        assert lines(widget)[0].strip() == "new"
