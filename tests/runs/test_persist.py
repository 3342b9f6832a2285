from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import layout
from seqlab.runs.checkpoint import load_checkpoint
from seqlab.runs.frames import read_frame
from seqlab.runs.layout import RunError
from seqlab.runs.persist import Persister
from seqlab.runs.writer import RunWriter

from .conftest import output


def test_what_is_drained_is_on_disk_and_announced(folder: Path) -> None:
    with RunWriter(folder) as writer, Persister(writer, 10, 20) as persister:
        weights = np.zeros(4, np.float32)
        for step in range(41):
            weights[:] = step  # the caller goes on with its own arrays
            if persister.frames.due(step):
                persister.frame(step, {"outputs": weights}, {"truncation": 0})
            if persister.checkpoints.due(step):
                persister.checkpoint(step, {"model.w": weights})
        persister.drain()
        assert persister.frames.steps() == [0, 10, 20, 30, 40]
        assert persister.checkpoints.steps() == [0, 20, 40]
        assert read_frame(persister.frames.path(30)).tensors["outputs"].tolist() == [30] * 4
        assert load_checkpoint(folder, 20).tensors["model.w"].tolist() == [20] * 4
        assert load_checkpoint(folder).step == 40
    events = [json.loads(line) for line in (folder / layout.EVENTS).read_text().splitlines()]
    assert [(event["event"], event["step"]) for event in events][-2:] == [("frame", 40), ("checkpoint", 40)]
    for event in events:
        content = (folder / event["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (event["size"], event["sha256"])


def test_the_best_checkpoint_outlives_the_limit_on_bytes(folder: Path) -> None:
    with RunWriter(folder) as writer, Persister(writer, 1, 1) as persister:
        persister.checkpoints.most_bytes = 10_000
        for step in range(12):
            writer.rows({"step": step, "eval/loss": abs(step - 5.0)})
            persister.checkpoint(step, {"model.w": np.zeros(600)})
        persister.drain()
        assert persister.checkpoints.steps() == [5, 10, 11]


def test_what_is_named_the_best_stays_instead_of_the_lowest_loss(folder: Path) -> None:
    with RunWriter(folder) as writer, Persister(writer, 1, 4) as persister:
        persister.checkpoints.most_files = 2
        for step in range(12):
            writer.rows({"step": step, "eval/loss": abs(step - 4.0)})
            if step in (0, 3, 4, 8):
                persister.checkpoint(step, {"model.w": np.zeros(4)}, None, 3 if step >= 3 else None)
        persister.drain()
        assert persister.checkpoints.steps() == [0, 3, 8]


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from seqlab.runs.persist import Persister
from seqlab.runs.writer import RunWriter
from seqlab.runs.layout import RunError
folder = Path(sys.argv[1])
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
writer = RunWriter(folder)
persister = Persister(writer, 1, 1)
def save(step):
    persister.frame(step, {"outputs": np.zeros(9)})
    persister.checkpoint(step, {"model.w": np.zeros(900)})
writer.set_status(state="training")
save(0)
persister.drain()
limit(5000)
save(1)
save(2)
try:
    persister.drain()
except RunError as error:
    print(error)
writer.set_status(state="paused")
print(writer.status.message)
limit(resource.RLIM_INFINITY)
persister.drain()
writer.set_status(state="finished")
print(writer.status.message)
print(persister.frames.steps(), persister.checkpoints.steps())
persister.close()
writer.close()
"""


def test_a_full_disk_costs_a_checkpoint_but_neither_the_earlier_nor_the_last(folder: Path) -> None:
    refusal, message, after, steps = output(FULL, folder).splitlines()
    assert refusal.endswith("checkpoints/000000002.safetensors: cannot be written: File too large")
    assert message == "checkpoint 2 could not be written: File too large"
    assert after == ""
    assert steps == "[0, 1, 2] [0, 2]"
    assert load_checkpoint(folder).step == 2
    assert not list((folder / layout.CHECKPOINTS).glob(".*"))


def test_what_goes_wrong_in_the_thread_is_said_to_the_caller(folder: Path) -> None:
    with RunWriter(folder) as writer:
        persister = Persister(writer, 1, 1)
        writer._events.close()
        persister.frame(0, {"outputs": np.zeros(9)})
        with pytest.raises(RunError, match=r"frames and checkpoints: .*events\.jsonl: is closed"):
            persister.close()
