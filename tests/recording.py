"""The recorded run that pictures of the screens are made from: `python -m tests.recording` makes it anew.

It is a real run, 400 steps of a small LSTM, of which nothing says when, where or by whom it was made.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from seqlab.runs import layout
from seqlab.runs.follow import train
from seqlab.spec import load_spec

FOLDER = Path(__file__).parent / "recorded" / "20260101-120000-adding-lstm-recorded"
MADE = 1_767_268_800.0
"""When it says that it was made: noon of the first of January 2026, UTC."""
OVERRIDES = (
    "task.length=40",
    "model.hidden=8",
    "training.steps=400",
    "training.truncation=15",
    "training.seed=1",
    "training.log_every=4",
    "training.eval_every=40",
    "training.frame_every=100",
    "training.checkpoint_every=400",
)


def record() -> None:
    """Train the run and put it where the tests look for it."""
    with tempfile.TemporaryDirectory() as folder:
        made = train(load_spec("adding-lstm", OVERRIDES), Path(folder)).path
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(made, FOLDER, ignore=shutil.ignore_patterns("worker.*", "control", "checkpoints"))
    status = json.loads((FOLDER / layout.STATUS).read_text())
    status |= {"host": "recorded", "boot_id": "", "pid": None, "pid_started": None, "heartbeat": MADE}
    (FOLDER / layout.STATUS).write_text(json.dumps(status, indent=2))
    (FOLDER / layout.ENV).write_text("{}\n")
    lines = [json.loads(line) for line in (FOLDER / layout.EVENTS).read_text().splitlines()]
    kept = [line for line in lines if line["event"] not in ("started", "checkpoint")]
    told = "".join(json.dumps(line | {"time": MADE}) + "\n" for line in kept)
    (FOLDER / layout.EVENTS).write_text(told)


if __name__ == "__main__":
    record()
