"""Cold starts: a second process compiles the other half, and workers do not get in each other's way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.kernels import cache as kept
from seqlab.worker import ahead
from tests.conftest import small
from tests.worker.conftest import Start, assert_same_run

SPEC = small(model={"cell": "rnn"}, steps=5)


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A compile cache with nothing in it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def code(cache: Path) -> set[tuple[str, int]]:
    """The pieces of machine code in a cache, and when they were written."""
    return {(path.name, path.stat().st_mtime_ns) for path in cache.rglob("*.nbc")}


def kernels(cache: Path) -> set[str]:
    return {".".join(path.name.split("-")[0].split(".")[-2:]) for path in cache.rglob("*.nbc")}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A compile cache that the second process was alone with, and the kernels it left there."""
    cache, claims = (tmp_path_factory.mktemp(name) for name in ("cache", "claims"))
    for number in range(4):
        (claims / str(number)).touch()
    command = [sys.executable, "-P", "-m", "seqlab.worker.ahead", str(claims)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    spec = SPEC.model_dump_json().encode()
    subprocess.run(command, input=spec, env=environment, check=True, timeout=300)
    return cache, kernels(cache)


def test_the_second_process_compiles_what_is_not_claimed_from_the_end_of_a_step(
    begun: tuple[Path, set[str]],
) -> None:
    _, found = begun
    assert {"rnn.backward", "readout.backward", "optimizers.adam", "linear.add_gradients"} <= found
    assert not {"rnn.forward", "readout.forward", "losses.mse"} & found


def test_a_worker_compiles_what_is_not_there_yet_and_the_next_one_nothing(
    begun: tuple[Path, set[str]], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, _ = begun
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    before = code(cache)
    first, worker = start(SPEC)
    assert worker.reap(300) == 0
    compiled = code(cache)
    assert before < compiled
    second, worker = start(SPEC)
    assert worker.reap(300) == 0
    assert_same_run(first, second)
    assert code(cache) == compiled


BY_ITSELF = """
import sys
from pathlib import Path
from seqlab.kernels import cache
from seqlab.spec import validate
from seqlab.worker.warmth import kernels_of, tiny_trainer
spec = validate(eval(sys.argv[1]))
trainer = tiny_trainer(spec)
code = lambda: sorted(path.name for path in cache.FOLDER.rglob("*.nbc"))
for call in kernels_of(spec, trainer):
    call()
    print(len(code()))
found = code()
trainer.advance()
print(sorted(set(code()) - set(found)))
"""


def test_the_calls_compile_something_each_and_leave_nothing_for_the_step(cold: Path) -> None:
    command = [sys.executable, "-c", BY_ITSELF, repr(SPEC.model_dump())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    *counts, left = done.stdout.splitlines()
    assert len(counts) == 8
    assert sorted(set(map(int, counts))) == list(map(int, counts))
    assert left == "[]"


def test_two_that_share_kernels_compile_each_once(tmp_path: Path) -> None:
    done: list[int] = []
    calls = [lambda number=number: done.append(number) for number in range(7)]
    # Where the one is at its first kernel, the other begins, and goes on to where they meet.
    calls[0] = lambda: (done.append(0), ahead.compile_unclaimed(calls, range(6, 3, -1), tmp_path))
    ahead.compile_unclaimed(calls, range(7), tmp_path)
    assert done == [0, 6, 5, 4, 1, 2, 3]


@pytest.mark.long
def test_workers_that_start_at_once_with_nothing_compiled_train_alike(cold: Path, start: Start) -> None:
    both = [start(SPEC) for _ in range(2)]
    for _, worker in both:
        assert worker.reap(300) == 0
    assert_same_run(both[0][0], both[1][0])
    compiled = code(cold)
    run, worker = start(SPEC)
    assert worker.reap(300) == 0
    assert_same_run(both[0][0], run)
    assert code(cold) == compiled


def test_where_everything_is_compiled_there_is_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "is_compiled", lambda module: True)
    assert ahead.start(SPEC) is None


def test_it_is_the_kernel_of_the_spec_that_must_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(kept, "is_compiled", lambda module: asked.append(module) is None)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert ahead.start(small(model={"cell": "gru", "reset": "before"})) is None
    assert asked == ["gru_before"]


def test_on_one_processor_there_is_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "is_compiled", lambda module: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert ahead.start(SPEC) is None


def test_a_second_process_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "is_compiled", lambda module: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    second = ahead.start(SPEC)
    assert second is not None
    done: list[int] = []
    second.share([lambda: done.append(0), lambda: done.append(1)])
    assert done == [0, 1]
    assert second.process.returncode == 1
    monkeypatch.setattr(sys, "executable", "/no/such/file")
    assert ahead.start(SPEC) is None
