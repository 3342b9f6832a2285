from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.layout import RunError
from seqlab.runs.persist import Persister
from seqlab.runs.run import open_run
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec


@pytest.fixture
def trained(folder: Path) -> Path:
    rungs = [
        {"name": "constant", "label": "constant", "metric": "eval/loss", "value": 1 / 6, "measured": 0.17}
    ]
    with RunWriter(folder) as writer, Persister(writer, 10, 20) as persister:
        writer.write_env({"threads": 2})
        writer.write_probe({name: np.zeros((5, 8, 1)) for name in ("inputs", "targets", "mask")})
        writer.set_status(state="training")
        writer.event("rungs", rungs=rungs)
        for step in range(1, 41):
            writer.rows({"step": step, "wall": step / 10, "sequences": 4 * step, "eval/loss": 1.0 / step})
            if step % 10 == 0:
                persister.frame(step, {"outputs": np.full((5, 1), step)})
            if step % 20 == 0:
                persister.checkpoint(step, {"model.w": np.full(3, step)})
        persister.drain()
        writer.set_status(state="finished")
    return folder


def test_a_run_opens_by_the_start_of_its_name_and_shows_everything(trained: Path, spec: Spec) -> None:
    run = open_run(trained.name[:12], trained.parent)
    assert (run.path, run.name, run.spec, run.state) == (trained, trained.name, spec, "finished")
    assert (run.status.step, run.rows, run.env) == (40, 40, {"threads": 2})
    assert run.metrics["eval/loss"].last == 1 / 40
    assert run.metrics["sequences"].values[-1] == 160
    assert [event["event"] for event in run.events].count("frame") == 4
    assert run.rungs[0].name == "constant"
    assert run.probe is not None
    assert (run.frames, run.checkpoints) == ([10, 20, 30, 40], [20, 40])
    assert [run.frame(step).step for step in (-1, -2, 10)] == [40, 30, 10]
    assert [run.checkpoint(step).step for step in (None, 20)] == [40, 20]
    assert repr(run) == f"Run({trained.name}: finished, step 40 of 100)"


def test_what_a_run_does_not_have_is_said(trained: Path) -> None:
    run = open_run(trained)
    for step in (7, -5):
        with pytest.raises(RunError, match=f"has no frame of step {step}; there are: 10, 20, 30, 40"):
            run.frame(step)
    (trained / layout.FRAMES / layout.numbered(40)).write_bytes(b"torn")
    with pytest.raises(RunError, match=r"000000040\.safetensors: cannot be read: not a whole"):
        run.frame()
    (trained / layout.ENV).write_bytes(b"{")
    with pytest.raises(RunError, match=r"env\.json: cannot be read"):
        _ = run.env
    (trained / layout.ENV).unlink()
    assert run.env == {}


def test_waiting_ends_when_the_run_is_over_or_the_time_is(folder: Path) -> None:
    run = open_run(folder)
    assert run.wait(timeout=0) == "starting"
    with RunWriter(folder) as writer:
        writer.set_status(state="training")
        found: list[str] = []
        waiting = threading.Thread(target=lambda: found.append(run.wait()))
        waiting.start()
        writer.set_status(state="stopped")
        waiting.join(300)
    assert found == ["stopped"]
