"""Text that strangers wrote, made fit for a terminal.

Names of files, titles and messages may hold anything: escape sequences that move the cursor, marks that turn
the reading direction, bytes that are no text at all. Shown on a screen they could say what nobody wrote.
"""

from __future__ import annotations

import re

MOST = 300
"""Characters that are looked at; nobody reads more than that in a line."""


def harmless(text: str, most: int = MOST) -> str:
    r"""The text in one line, with everything that is not plain to see written out, such as `\x1b`.

    Args:
        text: whatever it is; `os.fsdecode` may have left surrogates in it.
        most: characters, before anything is written out; an ellipsis stands for the rest.
    """
    if len(text) > most:
        text = text[: most - 1] + "…"
    return _written_out(" ".join(text.split()))


def harmless_lines(text: str) -> str:
    r"""The text with its lines and their indents, but for those all that is not plain to see written out."""
    return "\n".join(_written_out(_OTHER_SPACE.sub(" ", line)) for line in text.split("\n"))


_OTHER_SPACE = re.compile(r"[^\S ]")


def _written_out(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )
