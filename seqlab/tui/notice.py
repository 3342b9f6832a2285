"""Telling somebody who looks elsewhere that a run is over: the bell, and a notice of the desktop.

The notice is OSC 9, which iTerm2, kitty, WezTerm, Windows Terminal and others show; the rest take no heed of
it. Inside tmux it is wrapped so that tmux hands it on (which `allow-passthrough` must allow).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from seqlab.runs.harmless import harmless

BELL = "\a"


def notice(words: str, how: Sequence[str]) -> str:
    """What to write to the terminal.

    Args:
        words: what happened; control characters are taken out.
        how: "bell", "desktop", or both.
    """
    sent = BELL if "bell" in how else ""
    if "desktop" in how:
        said = f"\x1b]9;{harmless(words)}\x1b\\"
        sent += f"\x1bPtmux;{said.replace(chr(27), chr(27) * 2)}\x1b\\" if os.environ.get("TMUX") else said
    return sent
