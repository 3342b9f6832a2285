"""Calm themes with one accent. Every colour is one of the 256 of xterm, so that SSH sessions see the same."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="seqlab-dark",
    primary="#5fafff",
    accent="#5fafff",
    secondary="#5fafff",
    foreground="#dadada",
    background="#121212",
    surface="#121212",
    panel="#262626",
    boost="#262626",
    error="#ff8787",
    warning="#ffaf5f",
    success="#87d787",
    variables={
        "muted": "#8a8a8a",
        "line": "#444444",
        "line-focus": "#767676",
        "field": "#1c1c1c",
        "field-focus": "#303030",
        "footer-background": "#121212",
        "input-selection-background": "#005f87",
        "block-cursor-background": "#303030",
        "block-cursor-foreground": "#dadada",
        "block-cursor-text-style": "none",
    },
)
LIGHT = Theme(
    name="seqlab-light",
    dark=False,
    primary="#005faf",
    accent="#005faf",
    secondary="#005faf",
    foreground="#262626",
    background="#ffffff",
    surface="#ffffff",
    panel="#eeeeee",
    boost="#eeeeee",
    error="#d70000",
    warning="#af5f00",
    success="#008700",
    variables={
        "muted": "#767676",
        "line": "#c6c6c6",
        "line-focus": "#8a8a8a",
        "field": "#f5f5f5",
        "field-focus": "#dadada",
        "footer-background": "#ffffff",
        "input-selection-background": "#afd7ff",
        "block-cursor-background": "#dadada",
        "block-cursor-foreground": "#262626",
        "block-cursor-text-style": "none",
    },
)
OTHERS = {
    "muted": "ansi_default",
    "line": "ansi_bright_black",
    "line-focus": "ansi_default",
    "field": "ansi_default",
    "field-focus": "ansi_default",
}
"""What our variables are in themes that do not know them: plain terminal colours."""
