"""Killed at any moment, a run loses no row that was acknowledged, opens, and ends as if nothing had been.

The processes that are killed are forked from one that has imported and compiled everything, so that a hundred
of them cost little more than one.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqlab.runs import layout, liveness
from seqlab.runs.fork import create_fork
from seqlab.runs.launch import environment_for
from seqlab.runs.record import encode_changes
from seqlab.runs.run import Run, open_run
from seqlab.spec.steerable import Change
from tests.conftest import small
from tests.runs.conftest import Process, python, until
from tests.worker.conftest import assert_same_run, rows, train_here

NURSERY = """
import os, signal, sys, traceback
from pathlib import Path
from seqlab.spec import load_spec
from seqlab.worker.job import Job
from seqlab.worker.warmth import Warmth

warmth = Warmth(say=lambda **said: None, interrupted=lambda: False)
spec = load_spec(Path(sys.argv[1]))
warmth.load(spec)
warmth.compile(spec)
child = 0
for line in sys.stdin:
    what, _, folder = line.strip().partition(" ")
    if what == "train":
        child = os.fork()
        if not child:
            try:
                os._exit(Job(Path(folder), warmth).run())
            except BaseException:
                traceback.print_exc()
                os._exit(99)
    if what == "kill":
        os.kill(child, signal.SIGKILL)
    if what in ("kill", "await"):
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

SPEC = {"log_every": 1, "eval_every": 40, "frame_every": 10, "checkpoint_every": 15, "eval_sequences": 16}
CHANGES = [
    Change(60, "training.truncation", 4),
    Change(111, "training.optimizer.lr", 0.02),
    Change(180, "training.eval_sequences", 9),
    Change(200, "training.clip.limit", 0.05),
]


def steered(place: Path) -> Path:
    """A run in which everything is changed on the way."""
    more = {layout.EVENTS: encode_changes(CHANGES, 0.0)}
    return layout.create_run(small(steps=300, **SPEC), place, more=more)


def forked(place: Path) -> Path:
    """A fork that has to go 200 steps with another run, to where that was steered, before its own begin."""
    origin = place / "origin"
    if not origin.is_dir():
        more = {layout.EVENTS: encode_changes(CHANGES, 0.0)}
        run = layout.create_run(small(steps=250, **{**SPEC, "checkpoint_every": 10**6}), origin, more=more)
        train_here(run)
    (run,) = origin.iterdir()
    (run / layout.CHECKPOINTS / layout.numbered(250)).unlink(missing_ok=True)
    what = ["training.truncation=0", "training.steps=400", "training.checkpoint_every=15"]
    return create_fork(run, 201, what, place)


def stopping(place: Path) -> Path:
    """A run that is stopped early."""
    stop = {"metric": "eval/loss", "patience": 4, "min_delta": 1e-4}
    spec = small(steps=10**6, optimizer={"lr": 0.05}, seed=5, stop=stop, **{**SPEC, "eval_every": 15})
    return layout.create_run(spec, place)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A process that trains runs in children of its own, and kills them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_for(1).items():
            patch.setenv(name, value)
        process = python(NURSERY, steered(tmp_path_factory.mktemp("warm")))
    with process:
        yield process


def tell(nursery: Process, what: str, *folder: Path) -> None:
    assert nursery.stdin is not None
    nursery.stdin.write(" ".join([what, *map(str, folder)]) + "\n")
    nursery.stdin.flush()


def end_of(nursery: Process) -> int:
    assert nursery.stdout is not None
    return int(nursery.stdout.readline())


def size(run: Run) -> int:
    """Bytes that a run has written of its metrics and events."""
    there = [run.path / name for name in (layout.METRICS, layout.EVENTS)]
    return sum(path.stat().st_size for path in there if path.exists())


def await_a_moment(run: Run, random: random.Random) -> None:
    """Wait until the run has written so much more, and a little; or is over."""
    enough = size(run) + random.choice([0, random.randrange(2_000), random.randrange(20_000)])
    until(lambda: size(run) >= enough or liveness.read_status(run.path).state in layout.FINAL_STATES)
    for _ in range(random.randrange(300)):
        size(run)


def acknowledged(run: Run) -> bytes:
    """What stands in metrics.jsonl up to its last newline."""
    path = run.path / layout.METRICS
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def assert_nothing_is_lost(run: Run, seen: bytes, straight: dict[int, dict[str, Any]]) -> None:
    assert acknowledged(run).startswith(seen)
    assert all(straight[row["step"]] == row for row in rows(run))
    found = open_run(run.path).snapshot()
    assert found.state in {"lost", "starting"} | layout.FINAL_STATES
    assert not found.problems
    for step in run.checkpoints:
        assert run.checkpoint(step).step == step
    for step in run.frames:
        assert run.frame(step).step == step


@pytest.mark.parametrize(
    "times", [pytest.param(10, id="10 times"), pytest.param(100, id="100 times", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("make", [steered, forked, stopping])
def test_a_run_killed_at_random_moments_ends_like_one_never_killed(
    make: Callable[[Path], Path], times: int, tmp_path: Path, nursery: Process
):
    straight = train_here(make(tmp_path))
    by_step = {row["step"]: row for row in rows(straight)}
    moments = random.Random(times)
    kills = 0
    while kills < times:  # a run that is over before that gives way to another one
        run = Run(make(tmp_path))
        while kills < times and run.status.state not in layout.FINAL_STATES:
            tell(nursery, "train", run.path)
            await_a_moment(run, moments)
            seen = acknowledged(run)
            tell(nursery, "kill")
            kills += end_of(nursery) == -signal.SIGKILL
            assert_nothing_is_lost(run, seen, by_step)
        if run.status.state not in layout.FINAL_STATES:
            tell(nursery, "train", run.path)
            tell(nursery, "await")
            assert end_of(nursery) == 0
        assert_same_run(run, straight)
        assert run.checkpoints == straight.checkpoints
        assert run.frames == straight.frames
        assert run.events[-1].get("best") == straight.events[-1].get("best")
