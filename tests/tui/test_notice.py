"""What a terminal is sent when a run is over."""

from __future__ import annotations

import pytest

from seqlab.tui.notice import notice


@pytest.fixture(autouse=True)
def outside_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)


def test_nothing_is_sent_unless_it_was_asked_for() -> None:
    assert notice("over", ()) == ""


def test_the_bell_and_the_words() -> None:
    assert notice("over", ("bell",)) == "\a"
    assert notice("over", ("desktop",)) == "\x1b]9;over\x1b\\"
    assert notice("over", ("desktop", "bell")) == "\a\x1b]9;over\x1b\\"


def test_words_cannot_end_the_sequence() -> None:
    sent = notice("a\x1b\\\x07b", ("desktop",))
    assert sent.count("\x1b") == 2
    assert "\x07" not in sent


def test_tmux_hands_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    assert notice("over", ("desktop",)) == "\x1bPtmux;\x1b\x1b]9;over\x1b\x1b\\\x1b\\"
