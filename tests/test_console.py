"""What the commands print of runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from seqlab.console import run_line
from seqlab.runs.listing_row import Row
from seqlab.runs.status import Status

NOW = 1_000_000.0


def row(state: str = "finished", name: str = "a", **status: object) -> Row:
    found = Status(state, 1240, 4000, heartbeat=NOW - 120, **status)  # type: ignore[arg-type]
    return Row(Path("/runs/a"), name, state, NOW, found)


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ({"train/loss": 0.5, "eval/loss": 0.0123456}, "eval 0.01235"),
        ({"train/loss": 0.5}, "loss 0.5"),
        ({"eval/loss": math.nan}, ""),
        ({}, ""),
    ],
)
def test_a_run_is_a_line_with_its_loss(metrics: dict[str, float], shown: str) -> None:
    words = run_line(row(metrics=metrics), NOW).split()
    assert " ".join(words) == " ".join(f"a finished 1,240 of 4,000 {shown} 2 min ago".split())


def test_a_folder_that_is_ill_says_what_is_wrong() -> None:
    newer = Row(Path("/runs/a"), "a", "newer", NOW, message="status.json has format 2")
    assert run_line(newer, NOW).split(maxsplit=1)[1] == "newer format: status.json has format 2"
