"""Text for terminals that show ASCII and nothing else: each cell keeps its place, with what is nearest to it.

Panels choose other glyphs by themselves where curves and maps are concerned (see `palette`). This is for all
the rest that comes from elsewhere: borders, arrows, dots, quotes, names of people's own.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len

_ALIKE = {
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼╋┏┓┗┛",
    "-": "─━┄┅╌╍–—−‐‑",
    "|": "│┃┆┊╎▏▎▌▐‖║",
    "=": "═",
    "~": "…≈∞",
    ".": "·•∙",
    "*": "●✱",
    "o": "○",
    "v": "✓▼▾↓",
    "x": "✗×✕",
    "^": "▲▴↑▀▔",
    ">": "▸▶→›≥",
    "<": "◀←‹≤⏎",
    '"': "“”„",
    "'": "‘’′",
    "#": "■█▓▇▆",
    ":": "▒▅",
    "_": "▁▂▃▄",
    "d": "∂δ",
    "u": "µμ",
    "s": "σ",
    "t": "τ",
}
_TABLE = {other: character for character, others in _ALIKE.items() for other in others}


def as_ascii(text: str) -> str:
    """The text in ASCII, in as many cells."""
    return text if text.isascii() else "".join(map(_plain, text))


@lru_cache(4096)
def _plain(character: str) -> str:
    if character.isascii():
        return character
    cells = cell_len(character)
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _TABLE.get(character) or (letters if letters and len(letters) == cells else "?" * cells)
