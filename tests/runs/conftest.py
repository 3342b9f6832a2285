"""A real run folder, and ways to wait and to run code in another process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import seqlab
from seqlab.runs import layout
from seqlab.spec import Spec, load_spec

SOURCE = {
    "title": "a small one",
    "task": {"name": "adding", "length": 10},
    "model": {"cell": "rnn", "hidden": 4},
    "training": {"steps": 100, "batch_size": 4, "eval_sequences": 8},
}


@pytest.fixture
def spec() -> Spec:
    return load_spec(SOURCE)


@pytest.fixture
def folder(tmp_path: Path, spec: Spec) -> Path:
    return layout.create_run(spec, tmp_path / "runs")


def until(condition: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait for `condition`, and fail if it does not come."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.005)


class Process(subprocess.Popen[str]):
    """A process that does not outlive its `with` block."""

    def __exit__(self, *error: object) -> None:
        self.kill()
        super().__exit__(*error)  # type: ignore[arg-type]


def python(code: str, *arguments: object) -> Process:
    """Start Python on `code`; `sys.argv[1:]` are the arguments, stdin and stdout are pipes."""
    return Process(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(seqlab.__path__[0]).parent,
    )


def output(code: str, *arguments: object) -> str:
    """What Python prints on `code`, which must succeed."""
    with python(code, *arguments) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return said
