from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.runs.harmless import harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("adding-lstm", "adding-lstm"),
        ("ein Läufer, 長い", "ein Läufer, 長い"),
        ("two\n lines\t", "two lines"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b2J", r"\x9b2J"),
        ("read \u202ebackwards", r"read \u202ebackwards"),
        (os.fsdecode(b"r\xffn"), r"r\udcffn"),
    ],
)
def test_what_is_not_plain_to_see_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_long_texts_are_cut() -> None:
    assert harmless("x" * 1000, 10) == "xxxxxxxxx…"


@given(st.text())
def test_whatever_it_is_a_terminal_can_show_it(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
