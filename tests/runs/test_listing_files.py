"""What a list reads of files: the loss curve in a few points."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from seqlab.runs import files, layout
from seqlab.runs.listing_files import POINTS, read_curve


def written(path: Path, *rows: dict[str, object], header: bool = True) -> str:
    path.write_bytes(layout.METRICS_HEADER * header + b"".join(map(files.encode_row, rows)))
    return str(path)


def test_of_few_rows_every_loss_is_a_point(tmp_path: Path) -> None:
    rows = [{"step": step, "train/loss": step / 2} for step in (1, 2, 3)]
    assert read_curve(written(tmp_path / "m", *rows)) == (0.5, 1.0, 1.5)


@pytest.mark.parametrize("count", [100, 20_000])
def test_of_many_they_are_means_from_the_first_step_to_the_last(tmp_path: Path, count: int) -> None:
    rows = [{"step": step, "wall": step / 7, "train/loss": float(step)} for step in range(1, count + 1)]
    curve = read_curve(written(tmp_path / "m", *rows))
    assert len(curve) == POINTS
    assert list(curve) == sorted(curve)
    assert curve[0] < count * 0.05
    assert curve[-1] > count * 0.95
    assert curve[POINTS // 2] == pytest.approx(count / 2, rel=0.1)


def test_rows_that_a_resume_has_superseded_are_left_out(tmp_path: Path) -> None:
    steps = (1, 2, 3, 4, 3, 4, 5)
    rows: list[dict[str, object]] = [
        {"step": step, "train/loss": float(place)} for place, step in enumerate(steps)
    ]
    rows.insert(4, {"resumed": 2})
    assert read_curve(written(tmp_path / "m", *rows)) == (0, 1, 4, 5, 6)


def test_torn_and_strange_lines_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "m", {"step": 1, "train/loss": 1.0})
    strange = b'{"step"\n[1]\n{"step": "x"}\n{"step": 2, "train/loss": "much"}\n' + b"[" * 5000 + b"\n"
    with open(path, "ab") as file:
        file.write(strange + b'{"step": 3, "train/loss": 3.0}\n{"step": 4, "tr')
    assert read_curve(path) == (1.0, 3.0)


def test_a_loss_that_is_not_finite_is_a_point_too(tmp_path: Path) -> None:
    rows = [{"step": step, "train/loss": math.inf if step == 2 else 1.0} for step in (1, 2)]
    assert read_curve(written(tmp_path / "m", *rows)) == (1.0, math.inf)


def test_where_there_is_no_training_loss_it_is_the_eval_loss(tmp_path: Path) -> None:
    assert read_curve(written(tmp_path / "m", {"step": 1, "eval/loss": 4.0})) == (4.0,)
    assert read_curve(written(tmp_path / "m")) == ()
