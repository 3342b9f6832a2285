"""A profile counts every call, once, in its own thread, and leaves what it watched as it was."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from seqlab.training.profile import BESIDE, Profile
from seqlab.training.trainer import Trainer
from tests.conftest import small


class Outer:
    def outer(self, times: int) -> int:
        return sum(self.inner(1) for _ in range(times))

    def inner(self, value: int) -> int:
        return value


def test_a_profile_counts_every_call_and_leaves_no_trace():
    target = Outer()
    with Profile([(target, "outer", "out"), (target, "inner", "in")]) as profile:
        assert target.outer(3) == 3
    assert [part for part, _ in profile.times] == ["in", "in", "in", "out"]
    assert not vars(target)
    assert target.outer(2) == 2
    assert len(profile.times) == 4


def test_a_profile_takes_the_time_of_inner_calls_off(monkeypatch):
    ticks = iter([0.0, 10.0, 13.0, 20.0])
    monkeypatch.setattr("seqlab.training.profile.time.perf_counter", lambda: next(ticks))
    target = Outer()
    with Profile([(target, "outer", "out"), (target, "inner", "in")]) as profile:
        target.outer(1)
    assert profile.totals() == {"in": 3.0, "out": 17.0}


def test_a_profile_tells_other_threads_apart_and_survives_an_error():
    target = Outer()
    with Profile([(target, "outer", "out")]) as profile, ThreadPoolExecutor(1) as pool:
        pool.submit(target.outer, 1).result()
        with pytest.raises(TypeError):
            target.outer("many")  # type: ignore[arg-type]
    assert [part for part, _ in profile.times] == ["out" + BESIDE, "out"]
    assert not vars(target)


def test_measuring_changes_nothing_about_training():
    one, other = Trainer(small()), Trainer(small())
    with Profile([(one, "draw", "data"), (one, "apply", "update"), (one.passes[0], "forward", "forward")]):
        measured = [one.advance() for _ in range(3)]
    assert measured == [other.advance() for _ in range(3)]
