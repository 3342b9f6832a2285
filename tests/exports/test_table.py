"""A table holds every row and every number of a run, and nothing where nothing was due."""

import csv
import io
import json

from seqlab.runs import layout
from seqlab.runs.files import encode_row
from seqlab.runs.run import Run
from tests.conftest import small
from tests.exports.conftest import exported


def test_every_row_and_number_of_the_run_is_there(trained, tmp_path):
    exported("csv", trained, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    written = [json.loads(line) for line in (trained.path / layout.METRICS).read_text().splitlines()[1:]]
    assert [{name: float(text) for name, text in row.items() if text} for row in found] == written
    assert list(found[0])[:6] == [
        "step",
        "wall",
        "sequences",
        "train/loss",
        "train/grad_norm",
        "train/clipped",
    ]
    steps = [row["step"] for row in found]
    assert steps == [str(step) for step in (3, 5, 6, 9, 10, 12, 15, 18, 20)]
    assert [bool(row["eval/loss"]) for row in found] == [step in ("10", "20") for step in steps]


def test_numbers_that_are_none_have_names(tmp_path):
    folder = layout.create_run(small(), tmp_path)
    row = {
        "step": 1,
        "wall": 0.5,
        "sequences": 4,
        "train/loss": float("nan"),
        "train/grad_norm": float("inf"),
    }
    (folder / layout.METRICS).write_bytes(layout.METRICS_HEADER + encode_row(row))
    made = exported("csv", Run(folder), tmp_path / "a.csv")
    (content,) = made.files.values()
    assert list(csv.reader(io.StringIO(content.decode())))[1] == ["1", "0.5", "4", "NaN", "Infinity"]
