"""What a state looks like wherever a run is named: a glyph, in characters of ASCII too, and a tone."""

from __future__ import annotations

from typing import Literal, NamedTuple

from seqlab.tui.palette import Charset

Tone = Literal["accent", "good", "warning", "bad"]
_STYLES: dict[Tone, str] = {"accent": "$accent", "good": "$success", "warning": "$warning", "bad": "$error"}


class Look(NamedTuple):
    """How a state is shown.

    Attributes:
        mark: a glyph.
        plain: the same where there is ASCII alone.
        tone: what it means for the person.
    """

    mark: str
    plain: str
    tone: Tone

    @property
    def style(self) -> str:
        """The tone as a style of the theme."""
        return _STYLES[self.tone]

    def glyph(self, charset: Charset = "braille") -> str:
        """The glyph in the characters that there are."""
        return self.plain if charset == "ascii" else self.mark


_BEFORE = Look("○", "o", "accent")
_LOOKS = {
    "starting": _BEFORE,
    "importing": _BEFORE,
    "compiling": _BEFORE,
    "training": Look("●", "*", "accent"),
    "paused": Look("‖", "=", "warning"),
    "finished": Look("✓", "+", "good"),
    "stopped": Look("■", "#", "warning"),
    "diverged": Look("✗", "x", "bad"),
    "failed": Look("✗", "x", "bad"),
    "lost": Look("?", "?", "bad"),
}
_ILL = Look("!", "!", "bad")


def look_of(state: str) -> Look:
    """The look of a state; any other word than those of the run folder stands for a folder that is ill."""
    return _LOOKS.get(state, _ILL)
