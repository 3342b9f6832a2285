"""What goes over the wire makes a terminal show what Textual's own output would have made it show."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.tui.plain import as_ascii
from seqlab.tui.wire import Wire

WIDTH, HEIGHT = 12, 4
#: A real terminal in the state in which the lab has it: lines do not wrap.
NO_WRAP = "\x1b[?7l"

moves = st.builds("\x1b[{};{}H".format, st.integers(1, HEIGHT), st.integers(1, WIDTH))
colours = st.sampled_from(["38;5;17", "38;5;252", "38;2;1;2;3", "31", "97", "39"])
grounds = st.sampled_from(["48;5;233", "48;2;9;8;7", "41", "49"])
looks = st.sampled_from(["1", "4", "7", "3"])
styles = st.lists(st.one_of(looks, colours, grounds), max_size=3).map(
    lambda codes: f"\x1b[0;{';'.join(codes)}m"
)
texts = st.text("ab  ⣀⡠▀┄", min_size=1, max_size=6)
pieces = st.one_of(moves, texts, st.builds("{}{}\x1b[0m".format, styles, texts))
frames = st.lists(st.lists(pieces, max_size=8).map("".join), max_size=6)


def terminal() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(screen)
    stream.feed(NO_WRAP)
    return screen, stream


def seen(screen: pyte.Screen) -> list[list[object]]:
    """What a person sees in each cell: of a space only what lies behind it."""
    picture = []
    for y in range(HEIGHT):
        row: list[object] = []
        for x in range(WIDTH):
            cell = screen.buffer[y][x]
            blank = cell.data == " " and not (cell.underscore or cell.reverse)
            row.append((" ", cell.bg) if blank else cell)
        picture.append(row)
    return picture


def painted(wire: Wire) -> None:
    """Begin as the lab does, with a picture that covers the screen."""
    wire.take("".join(f"\x1b[{y};1H{' ' * WIDTH}" for y in range(1, HEIGHT + 1)) + "\x1b[1;1H")


@given(frames, st.sets(st.integers(0, 5)))
def test_a_terminal_shows_the_same_however_many_pictures_were_left_out(
    frames: list[str], left_out: set[int]
) -> None:
    (whole, to_whole), (spared, to_spared) = terminal(), terminal()
    wire = Wire(WIDTH, HEIGHT)
    painted(wire)
    for number, frame in enumerate(frames):
        to_whole.feed(frame)
        wire.take(frame)
        if number not in left_out:
            to_spared.feed(wire.difference())
    to_spared.feed(wire.difference())
    assert seen(spared) == seen(whole)


@given(frames)
def test_what_is_shown_already_is_not_sent_again(frames: list[str]) -> None:
    wire = Wire(WIDTH, HEIGHT)
    painted(wire)
    for frame in frames:
        wire.take("\x1b[1;1H" + frame)
    wire.difference()
    assert wire.difference() == ""
    wire.take("\x1b[1;1H\x1b[31mlast\x1b[0m")
    wire.difference()
    wire.take("\x1b[1;1H\x1b[31mlast\x1b[0m")
    assert wire.difference() == ""


def sent(*frames: str) -> str:
    """What goes out for the last of some frames."""
    wire = Wire(WIDTH, HEIGHT)
    for frame in frames[:-1]:
        wire.take(frame)
    wire.difference()
    wire.take(frames[-1])
    return wire.difference()


def test_only_cells_that_changed_are_sent() -> None:
    assert sent("\x1b[2;1Habcdefgh", "\x1b[2;1HabcdeXgh") == "\x1b[2;6HX\x1b[2C"


def test_neighbours_of_one_style_share_it_and_others_say_what_changes() -> None:
    cells = "\x1b[38;5;17;48;5;20m▀\x1b[0m\x1b[38;5;17;48;5;20m▀\x1b[0m\x1b[38;5;18;48;5;20m▀\x1b[0m"
    assert sent("", f"\x1b[1;1H{cells}") == "\x1b[1;1H\x1b[0;38;5;17;48;5;20m▀▀\x1b[38;5;18m▀"


def test_the_colour_of_a_space_is_not_worth_a_word() -> None:
    assert "38;5;252" not in sent("", "\x1b[1;1H\x1b[38;5;252;48;5;233m   \x1b[0m")


def test_wide_characters_are_never_cut_in_half() -> None:
    (whole, to_whole), (spared, to_spared) = terminal(), terminal()
    wire = Wire(WIDTH, HEIGHT)
    painted(wire)
    for frame in ("\x1b[1;1Hab漢字cd", "\x1b[1;3H漢X字", "\x1b[1;1Habéé"):
        to_whole.feed(frame)
        wire.take(frame)
        to_spared.feed(wire.difference())
        assert spared.display == whole.display


def test_after_another_picture_everything_is_sent() -> None:
    frame = "\x1b[1;1Habc"
    assert "abc" not in sent(frame, frame)
    assert "abc" in sent(frame, "\x1b[?1049h" + frame)


def test_what_is_not_a_picture_goes_through_and_first() -> None:
    assert sent("", "\x1b[1;1Ha\x1b]52;c;YWJj\x07\x1b[?1000h\x07").startswith(
        "\x1b]52;c;YWJj\x07\x1b[?1000h\x07"
    )


def test_a_large_picture_is_shown_at_once_where_the_terminal_can() -> None:
    wire = Wire(100, 40)
    wire.take("\x1b[?2026h" + "".join(f"\x1b[{y};1H{'ab' * 50}" for y in range(1, 41)) + "\x1b[?2026l")
    data = wire.difference()
    assert data.startswith("\x1b[?2026h")
    assert data.endswith("\x1b[?2026l")


def test_a_terminal_of_another_size_is_sent_everything() -> None:
    wire = Wire(WIDTH, HEIGHT)
    wire.take("\x1b[1;1Habc")
    wire.difference()
    wire.resize(WIDTH + 1, HEIGHT)
    wire.take("\x1b[1;1Habc")
    assert "abc" in wire.difference()


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=10))
def test_plain_text_takes_as_many_cells_as_the_text_that_it_stands_for(text: str) -> None:
    assert as_ascii(text).isascii()
    assert len(as_ascii(text)) == sum(map(cell_len, text))


def test_a_plain_terminal_is_sent_nothing_but_ascii() -> None:
    wire = Wire(WIDTH, HEIGHT, plain=True)
    painted(wire)
    wire.take("\x1b[1;1H╭─ “é” ─╮\x1b[2;1H│ 字 …\x1b[3;1H⣀ ● ‖")
    sent = wire.difference()
    assert sent.isascii()
    screen, stream = terminal()
    stream.feed(sent)
    assert [line.rstrip() for line in screen.display[:3]] == ['+- "e" -+', "| ?? ~", "? * |"]


@pytest.mark.parametrize("obeyed", ["\x9b2J", "\u202e", "\u2066"])
def test_what_a_terminal_would_obey_in_a_text_is_not_sent(obeyed: str) -> None:
    wire = Wire(WIDTH, HEIGHT)
    painted(wire)
    wire.take(f"\x1b[1;1Ha{obeyed}b")
    assert obeyed[0] not in wire.difference()
