"""Cold starts: a second process compiles the other half, and workers do not get in each other's way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.kernels import jit
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


def test_the_second_process_goes_through_a_step_from_its_end(cold: Path) -> None:
    command = [sys.executable, "-P", "-m", "seqlab.worker.ahead"]
    subprocess.run(command, input=SPEC.model_dump_json().encode(), check=True, timeout=300)
    found = kernels(cold)
    assert {"rnn.backward", "readout.backward", "optimizers.adam", "linear.add_gradients"} <= found
    assert not {"rnn.forward", "readout.forward", "losses.mse"} & found


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
    monkeypatch.setattr(jit, "is_compiled", lambda module: True)
    assert ahead.start(SPEC) is None


def test_on_one_processor_there_is_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "is_compiled", lambda module: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert ahead.start(SPEC) is None


def test_a_second_process_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "is_compiled", lambda module: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process = ahead.start(SPEC)
    assert process is not None
    ahead.wait(process)
    assert process.returncode == 1
    monkeypatch.setattr(sys, "executable", "/no/such/file")
    assert ahead.start(SPEC) is None
