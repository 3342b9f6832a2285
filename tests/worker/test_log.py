"""worker.log takes what a worker says, and leads nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqlab.runs import layout
from tests.runs.conftest import output

LET_GO = """
import os, sys
from pathlib import Path
from seqlab.runs.layout import RunError
from seqlab.worker.__main__ import _detach

try:
    _detach(Path(sys.argv[1]))
except RunError as refused:
    print(refused)
else:
    print("said to the log", flush=True)
"""


def test_what_a_worker_says_goes_to_its_log(tmp_path: Path) -> None:
    (tmp_path / layout.LOG).write_text("before\n")
    assert output(LET_GO, tmp_path) == ""
    assert (tmp_path / layout.LOG).read_text() == "before\nsaid to the log\n"


@pytest.mark.parametrize("make", [lambda path: os.symlink("precious", path), os.mkfifo, os.mkdir])
def test_a_log_that_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "precious").write_text("mine")
    make(tmp_path / layout.LOG)
    said = output(LET_GO, tmp_path)
    assert said.startswith(f"{tmp_path / layout.LOG}: cannot be written: ")
    assert (tmp_path / "precious").read_text() == "mine"
