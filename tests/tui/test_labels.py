from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.tui.widgets.labels import LabelSpace, Spot, Wanted


def empty(rows: int = 3, columns: int = 20) -> np.ndarray:
    return np.zeros((rows, columns), bool)


def test_a_label_stands_where_it_is_wanted() -> None:
    assert LabelSpace(empty()).place("abcd", [1], 10) == Spot(1, 8, "abcd")


def test_a_label_avoids_what_is_drawn() -> None:
    drawn = empty()
    drawn[1, 5:] = True
    assert LabelSpace(drawn).place("abcd", [1], 10) == Spot(1, 1, "abcd")


def test_a_label_goes_to_the_next_row_rather_than_cover_a_curve() -> None:
    drawn = empty()
    drawn[1] = True
    assert LabelSpace(drawn).place("abcd", [1, 0], 10) == Spot(0, 8, "abcd")


def test_a_label_covers_a_curve_rather_than_vanish() -> None:
    assert LabelSpace(~empty()).place("abcd", [1, 0], 10) == Spot(1, 8, "abcd")


def test_a_label_never_covers_another() -> None:
    space = LabelSpace(empty(1, 6))
    assert space.place("abcd", [0], 0) is not None
    assert space.place("efgh", [0], 0) is None


def test_a_label_stays_where_it_stood_while_that_is_clear() -> None:
    remembered: dict[str, tuple[int, int]] = {}
    drawn = empty()
    drawn[1, 8:13] = True
    first = LabelSpace(drawn, remembered).place("abcd", [1], 10, "abcd")
    again = LabelSpace(empty(), remembered).place("abcd", [1], 10, "abcd")
    assert first == again != LabelSpace(empty()).place("abcd", [1], 10)


def test_cells_are_taken_once_and_only_inside() -> None:
    space = LabelSpace(empty())
    space.block(2, slice(0, 3))
    assert space.take(0, 16, 4)
    assert not space.take(0, 16, 4)
    assert not space.take(0, 17, 4)
    assert not space.take(0, -1, 4)
    assert not space.take(2, 2, 2)


@settings(max_examples=60)
@given(st.lists(st.text("xyz", min_size=1, max_size=9), max_size=12), st.floats(0, 20), st.integers(1, 20))
def test_no_two_labels_overlap(texts: list[str], goal: float, columns: int) -> None:
    space = LabelSpace(empty(3, columns))
    seen = np.zeros((3, columns), int)
    for text in texts:
        spot = space.place(text, [1, 0, 2], goal)
        if spot is not None:
            assert 0 <= spot.column <= columns - len(spot.text)
            seen[spot.row, spot.column : spot.column + len(spot.text)] += 1
    assert seen.max() <= 1


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=4).map(sorted),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 59)), max_size=120),
    st.integers(7, 12),
    st.sampled_from([0.62, 1.0]),
)
def test_stacked_labels_are_read_in_order_and_none_is_lost(
    rows: list[int], drawn: list[tuple[int, int]], height: int, goal: float
) -> None:
    picture = empty(height, 60)
    for row, column in drawn:
        picture[row, column] = True
    names = [f"label {number}" for number in range(len(rows))]
    wanted = [Wanted(row, name, goal * 60) for row, name in zip(rows, names, strict=True)]
    spots = LabelSpace(picture).stack(wanted)
    assert spots == sorted(spots)
    assert [name for spot in spots for name in spot.text.strip().split(", ")] == names
    assert all(a.row < b.row or a.column + len(a.text) <= b.column for a, b in itertools.pairwise(spots))


def test_labels_without_room_for_two_become_one() -> None:
    spots = LabelSpace(empty(1, 13)).stack([Wanted(0, "abcd", 6), Wanted(0, "efgh", 6)])
    assert spots == [Spot(0, 0, " abcd, efgh ")]


def test_a_label_that_speaks_of_columns_touches_them_or_is_left_out() -> None:
    drawn = np.zeros((2, 40), bool)
    drawn[:, :20] = True
    assert LabelSpace(drawn).place(" words ", [1, 0], 4) == Spot(1, 20, " words ")
    assert LabelSpace(drawn).place(" words ", [1, 0], 4, touching=(2, 20)) == Spot(1, 20, " words ")
    drawn[0, :12] = False
    assert LabelSpace(drawn).place(" words ", [1, 0], 4, touching=(2, 6)) == Spot(0, 0, " words ")
    taken = LabelSpace(np.zeros((1, 40), bool))
    taken.block(0, slice(0, 20))
    assert taken.place(" words ", [0], 4, touching=(2, 19)) is None
