"""A grid of characters, and the widget that shows one and sends only the rows that changed.

Textual writes whole rows of a widget's dirty region again, cell by cell, whether or not they changed. So a
`CanvasWidget` paints into a `Canvas` (two arrays: glyphs and style numbers), compares it with the last one,
builds strips for the rows that differ and marks just these as dirty. Nothing is drawn while it is out of
sight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from seqlab.tui.palette import Palette


class Canvas:
    """Cells of `height` rows by `width` columns: a glyph and a style number each.

    Attributes:
        glyphs: [height, width] uint32 code points.
        inks: [height, width] int32 style numbers, from `CanvasWidget.ink`; 0 is the widget's own style.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.glyphs: NDArray[np.uint32] = np.full((height, width), ord(" "), np.uint32)
        self.inks: NDArray[np.int32] = np.zeros((height, width), np.int32)

    def write(self, x: int, y: int, text: str, ink: int = 0) -> None:
        """Write text from cell (x, y) to the right; what lies outside is cut off.

        What cannot be printed is not: a terminal would obey it.
        """
        if not 0 <= y < self.height or x >= self.width:
            return
        if not text.isprintable():
            text = "".join(character if character.isprintable() else "\ufffd" for character in text)
        text = text[max(0, -x) : self.width - x]
        x = max(0, x)
        self.glyphs[y, x : x + len(text)] = [ord(character) for character in text]
        self.inks[y, x : x + len(text)] = ink

    def centre(self, y: int, text: str, ink: int = 0) -> None:
        """Write text in the middle of row y, shortened from the right where it does not fit."""
        text = shorten(text, self.width)
        self.write((self.width - len(text)) // 2, y, text, ink)


def shorten(text: str, width: int) -> str:
    """The text, or as much of it as fits before an ellipsis."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"[: max(0, width)]


class CanvasWidget(Widget):
    """Base of widgets that paint themselves cell by cell: implement `paint`, call `redraw` when data changed.

    Args:
        palette: colours to use; found from the app when left out.
    """

    ALLOW_SELECT = False

    def __init__(
        self,
        *,
        palette: Palette | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._given_palette = palette
        self._palette = palette
        self._canvas: Canvas | None = None
        self._strips: list[Strip] = []
        self._styles_by_ink: list[Style] = []
        self._inks: dict[Style, int] = {}
        self._component_inks: dict[str, int] = {}

    def paint(self, canvas: Canvas) -> None:
        """Paint the whole content into an empty canvas of the widget's size."""
        raise NotImplementedError

    @property
    def palette(self) -> Palette:
        """The palette in force."""
        if self._palette is None:
            self._palette = Palette.detect(self.app)
        return self._palette

    @palette.setter
    def palette(self, palette: Palette) -> None:
        self._given_palette = self._palette = palette
        self._forget()

    def ink(self, style: Style) -> int:
        """The number of a style, laid over the widget's own style."""
        number = self._inks.get(style)
        if number is None:
            number = self._inks[style] = len(self._styles_by_ink)
            self._styles_by_ink.append(self.rich_style + style)
        return number

    def component_ink(self, name: str) -> int:
        """The number of the style of one of the widget's COMPONENT_CLASSES. Textual works it out for long."""
        number = self._component_inks.get(name)
        if number is None:
            number = self._component_inks[name] = self.ink(self.get_component_rich_style(name))
        return number

    def redraw(self) -> None:
        """Paint again; rows that changed are sent, and nothing while the widget is out of sight."""
        if not self._in_sight:
            self._canvas = None
            self.refresh()
            return
        changed = self._paint_changed()
        if changed:
            self.refresh(*(Region(0, row, self.size.width, 1) for row in changed))

    def render_line(self, y: int) -> Strip:
        """The cached strip of a row; paints first if the size changed or the widget was out of sight."""
        canvas = self._canvas
        if canvas is None or (canvas.width, canvas.height) != tuple(self.size):
            self._paint_changed()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    @property
    def _in_sight(self) -> bool:
        return (
            self.is_mounted
            and bool(self.size)
            and self.screen.is_current
            and self.screen.can_view_partial(self)
        )

    def _paint_changed(self) -> list[int]:
        """Paint, build strips for the rows that differ from the last picture, and return their numbers."""
        if not self._styles_by_ink:
            self.ink(Style.null())
        old = self._canvas
        new = self._canvas = Canvas(*self.size)
        if self.size:
            self.paint(new)
        if old is None or old.glyphs.shape != new.glyphs.shape:
            changed = list(range(new.height))
            self._strips = [Strip([], 0)] * new.height
        else:
            differs = (old.glyphs != new.glyphs) | (old.inks != new.inks)
            changed = np.flatnonzero(differs.any(axis=1)).tolist()
        for row in changed:
            self._strips[row] = self._strip(new, row)
        return changed

    def _strip(self, canvas: Canvas, row: int) -> Strip:
        glyphs, inks = canvas.glyphs[row], canvas.inks[row]
        text = glyphs.astype("<u4").tobytes().decode("utf-32-le")
        starts = [0, *(np.flatnonzero(inks[1:] != inks[:-1]) + 1).tolist()]
        ends = [*starts[1:], canvas.width]
        styles = self._styles_by_ink
        segments = [
            Segment(text[start:end], styles[ink])
            for start, end, ink in zip(starts, ends, inks[starts].tolist(), strict=True)
        ]
        return Strip(segments, canvas.width)

    def notify_style_update(self) -> None:
        """Textual's word that colours may have changed: everything is painted anew."""
        super().notify_style_update()
        self._forget()

    def _forget(self) -> None:
        self._palette = self._given_palette
        self._canvas = None
        self._inks.clear()
        self._component_inks.clear()
        self._styles_by_ink.clear()
        self.refresh()
