"""A team hands out each item once, in any number of threads, and its threads come to an end."""

from __future__ import annotations

import gc
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.training.team import Team


def alive() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("slice_")}


@given(st.integers(1, 4), st.integers(0, 9))
def test_each_item_is_done_once_and_results_come_in_order(threads: int, items: int) -> None:
    done: Counter[int] = Counter()
    team = Team(threads)

    def square(number: int) -> int:
        done[number] += 1
        return number**2

    for _ in range(3):
        assert team.map(square, range(items)) == [number**2 for number in range(items)]
    assert all(done[number] == 3 for number in range(items))
    team.close()


def test_the_callers_thread_and_the_others_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=300)
    team = Team(3)
    assert len(set(team.map(lambda _: (meeting.wait(), threading.get_ident())[1], range(3)))) == 3
    team.close()


@pytest.mark.parametrize("where", ["the caller's thread", "another thread"])
def test_what_a_thread_raises_is_raised_by_map_and_the_team_goes_on(where: str) -> None:
    meeting = threading.Barrier(2, timeout=300)
    home = threading.get_ident()

    def fail(_: int) -> None:
        meeting.wait()
        if (threading.get_ident() == home) == (where == "the caller's thread"):
            raise ZeroDivisionError(where)

    team = Team(2)
    with pytest.raises(ZeroDivisionError, match=where):
        team.map(fail, range(2))
    assert team.map(abs, [-1, -2]) == [1, 2]
    team.close()


@pytest.mark.parametrize("how", ["close", "forget"])
def test_the_threads_end_when_the_team_is_closed_or_forgotten(how: str) -> None:
    before = alive()
    team = Team(3)
    team.map(abs, range(5))
    others = alive() - before
    assert len(others) == 2
    if how == "close":
        team.close()
    else:
        del team
        gc.collect()
    for thread in others:
        thread.join(300)
        assert not thread.is_alive()
