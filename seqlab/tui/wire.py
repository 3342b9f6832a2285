"""What goes over the wire: of each picture only the cells that differ from the one before.

Textual knows which rectangles of the screen changed, and sends them whole, with every style written out and
taken back. `Wire` reads what it sends as a terminal would, keeps the picture that is wanted and the one that
is shown, and writes the way from one to the other: cells that are different, the few colours that change
between neighbours, the shortest move of the cursor. Over a slow link that is a quarter of the bytes. And as
long as the link is stuck nothing needs to be sent at all: pictures that were never shown are never missed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import repeat

from rich.cells import cell_len

from seqlab.tui.plain import as_ascii

Cell = tuple[str, str]
"""What stands in a cell (nothing in the right half of a wide character), and its style as written."""

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f]+)"
    r"|\x1b\[(?P<style>[\d;:]*)m"
    r"|\x1b\[(?P<row>\d+);(?P<column>\d+)H"
    r"|(?P<csi>\x1b\[[0-?]*[ -/]*[@-~])"
    r"|(?P<other>\x1b[\]PX^_].*?(?:\x1b\\|\x07)|\x1b[ -/]*[0-Z\\^_`a-~]|.)",
    re.DOTALL,
)
_NARROW = re.compile("[ -~\u2500-\u25fc\u2800-\u28ff]*").fullmatch
"""Text of characters that take a cell each: letters, lines and blocks, dots of braille."""
_OBEYED = dict.fromkeys(
    [*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"
)
"""What a terminal would obey in a text, controls of one character and turns of the reading direction."""
_SYNCHRONISED = ("\x1b[?2026h", "\x1b[?2026l")
_PICTURE = re.compile(r"\x1b\[(\?(47|1047|1049)[hl]|[\d;]*[@A-HJ-MPSTXZ`adefr])|\x1bc")
"""Sequences after which nothing is known of what the terminal shows."""
_WORTH_SYNCHRONISING = 1_000
"""Characters of a frame that might be seen half drawn."""


class Wire:
    """A terminal's picture, as it is and as it should be.

    Args:
        width: in cells.
        height: in cells.
        plain: the terminal shows ASCII and nothing else.
    """

    def __init__(self, width: int = 80, height: int = 24, plain: bool = False) -> None:
        self.plain = plain
        self._controls: list[str] = []
        self._synchronised = False
        self.resize(width, height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in cells."""
        return self._width, self._height

    def resize(self, width: int, height: int) -> None:
        """The terminal has another size; of what it shows nothing is known."""
        self._width, self._height = width, height
        self._wanted: list[list[Cell | None]] = [[None] * width for _ in range(height)]
        self._wide = [False] * height  # whether a row has, or once had, characters that are not one cell wide
        self._column = self._row = 0
        self._style = ""
        self.forget()

    def forget(self) -> None:
        """Of what the terminal shows nothing is known: send everything again."""
        self._shown: list[list[Cell | None]] = [[None] * self._width for _ in range(self._height)]
        self._changed = set(range(self._height))
        self._at: tuple[int, int] | None = None
        self._worn: str | None = None

    def take(self, data: str) -> None:
        """Read what is meant for the terminal."""
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind == "text":
                self._write(token["text"])
            elif kind == "style":
                codes = token["style"]
                self._style = "" if codes in ("", "0") else codes
            elif kind == "column":
                self._row = min(max(int(token["row"]), 1), self._height) - 1
                self._column = min(max(int(token["column"]), 1), self._width) - 1
            else:
                self._control(token[0])

    def difference(self) -> str:
        """What makes the terminal show what it should; "" if it does."""
        controls = "".join(self._controls)
        self._controls.clear()
        sent: list[str] = []
        for row in sorted(self._changed):
            self._send_row(row, sent)
        self._changed.clear()
        if sent or controls:
            self._move(self._column, self._row, sent)
        cells = "".join(sent)
        if self._synchronised and len(cells) > _WORTH_SYNCHRONISING:
            cells = _SYNCHRONISED[0] + cells + _SYNCHRONISED[1]
        return controls + cells

    def _write(self, text: str) -> None:
        if self._row >= self._height:
            return
        if self.plain:
            text = as_ascii(text)
        row, style, column = self._wanted[self._row], self._style, self._column
        if column + len(text) <= self._width and _NARROW(text):
            row[column : column + len(text)] = zip(text, repeat(style))
            column += len(text)
            text = ""
        for character in text.translate(_OBEYED):
            cells = _cells(character)
            self._wide[self._row] |= cells != 1
            if not cells:  # it belongs to the one before
                before = row[column - 1] if column else None
                if before is not None:
                    row[column - 1] = (before[0] + character, before[1])
                continue
            column = max(0, min(column, self._width - cells))  # lines do not wrap
            row[column] = (character, style)
            if cells == 2:
                row[column + 1] = ("", style)
            column += cells
        self._column = min(column, self._width - 1)
        self._changed.add(self._row)

    def _control(self, sequence: str) -> None:
        if sequence == "\r":
            self._column = 0
        elif sequence == "\n":  # as Textual means it; a real one would scroll on the last line
            self._row = min(self._row + 1, self._height - 1)
        elif sequence in _SYNCHRONISED:
            self._synchronised = True
        else:
            self._controls.append(sequence)
            if _PICTURE.fullmatch(sequence):
                self.resize(*self.size)

    def _send_row(self, y: int, sent: list[str]) -> None:
        wanted, shown = self._wanted[y], self._shown[y]
        if wanted == shown:
            return
        # Halves of wide characters cannot be sent alone: then the whole row goes.
        whole = self._wide[y]
        for x, cell in enumerate(wanted):
            if cell is None or (cell == shown[x] and not whole):
                continue
            character, style = cell
            if not character:
                if x and (wanted[x - 1] or ("", ""))[0] and _cells(wanted[x - 1][0][0]) == 2:  # type: ignore[index]
                    continue
                character = " "
            if self._at != (x, y):
                self._skip(x, y, sent)
            if not _fits(self._worn, style, character):
                style = _visible(style, character)
                sent.append(_change(self._worn, style))
                self._worn = style
            sent.append(character)
            after = x + cell_len(character)
            # At the right edge terminals differ about where the cursor is.
            self._at = (after, y) if after < self._width else None
        self._shown[y] = list(wanted)

    def _skip(self, x: int, y: int, sent: list[str]) -> None:
        """Bring the cursor to a cell, over cells that are right already if that is shortest."""
        if self._at is not None and self._at[1] == y and self._at[0] < x:
            between = self._wanted[y][self._at[0] : x]
            if len(between) <= 4 and all(
                cell is not None
                and len(cell[0]) == 1
                and cell[0].isascii()
                and _fits(self._worn, cell[1], cell[0])
                for cell in between
            ):
                sent.extend(cell[0] for cell in between if cell is not None)
                self._at = (x, y)
                return
        self._move(x, y, sent)

    def _move(self, x: int, y: int, sent: list[str]) -> None:
        if self._at == (x, y):
            return
        if self._at is not None and self._at[1] == y and self._at[0] < x:
            by = x - self._at[0]
            sent.append("\x1b[C" if by == 1 else f"\x1b[{by}C")
        else:
            sent.append(f"\x1b[{y + 1};{x + 1}H")
        self._at = (x, y)


@lru_cache(4096)
def _cells(character: str) -> int:
    return cell_len(character)


@lru_cache(4096)
def _parts(style: str) -> tuple[frozenset[str], str, str]:
    """A style as its attributes, its colour, and the colour behind it."""
    attributes, front, behind = set(), "", ""
    codes = style.replace(":", ";").split(";") if style else []
    while codes:
        code = codes.pop(0).lstrip("0")
        number = int(code or 0)
        if number in (38, 48, 58):
            count = {"5": 2, "2": 4}.get(codes[0] if codes else "", 0)
            code = ";".join([code, *codes[:count]])
            del codes[:count]
        if number == 38 or 30 <= number <= 39 or 90 <= number <= 97:
            front = "" if number == 39 else code
        elif number == 48 or 40 <= number <= 49 or 100 <= number <= 107:
            behind = "" if number == 49 else code
        elif number:
            attributes.add(code)
        else:
            attributes, front, behind = set(), "", ""
    return frozenset(attributes), front, behind


_ON_SPACES = frozenset({"4", "7", "9", "21", "53", "58"})
"""Attributes that are seen where nothing is written: lines, and colours the other way round."""


@lru_cache(4096)
def _visible(style: str, character: str) -> str:
    """A style without what cannot be seen of it: a space shows the colour behind it alone."""
    if character != " ":
        return style
    attributes, _, behind = _parts(style)
    seen = {each.partition(";")[0] for each in attributes} & _ON_SPACES
    return style if seen else behind


@lru_cache(16384)
def _fits(worn: str | None, style: str, character: str) -> bool:
    """Whether a character in one style looks the same in another."""
    return worn is not None and _visible(worn, character) == _visible(style, character)


@lru_cache(16384)
def _change(before: str | None, style: str) -> str:
    """What makes one style of another."""
    if before is None:
        return f"\x1b[0;{style}m" if style else "\x1b[0m"
    attributes, front, behind = _parts(style)
    old_attributes, old_front, old_behind = _parts(before)
    new = f"\x1b[0;{style}m" if style else "\x1b[m"
    if not old_attributes <= attributes:
        return new
    codes = [*sorted(attributes - old_attributes)]
    codes += [front or "39"] if front != old_front else []
    codes += [behind or "49"] if behind != old_behind else []
    if not codes:
        return ""
    changed = f"\x1b[{';'.join(codes)}m"
    return changed if len(changed) <= len(new) else new
