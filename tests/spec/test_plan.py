"""The plan of a step: slices cover the batch, and the memory it promises is what a trainer takes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.cells import CELLS
from seqlab.spec.plan import matrix_operations, slices, step_bytes
from seqlab.training.ridge import trainer_for
from tests.conftest import small


@given(st.integers(1, 300), st.integers(1, 512), st.integers(2, 1000))
@settings(deadline=None)
def test_slices_cover_the_batch_in_order(batch: int, hidden: int, length: int):
    parts = slices(small({"length": length}, {"hidden": hidden}, batch_size=batch))
    covered = [b for start, stop in parts for b in range(start, stop)]
    assert covered == list(range(batch))
    assert 1 <= len(parts) <= 4


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_memory_of_a_step_is_what_a_trainer_takes(cell: str, precision: str):
    layers = 1 if CELLS[cell].model_validate({}).closed_form else 2
    model = {"cell": cell, "hidden": 8, "layers": layers}
    spec = small({"length": 30}, model, truncation=7, precision=precision)
    batch = 30 * 4 * (2 + 1 + 1)
    drawn = 2 * spec.task.drawn_together(4) * 4 * batch
    assert step_bytes(spec) == trainer_for(spec).nbytes + drawn + (8 * batch if precision == "float64" else 0)


def test_truncation_bounds_the_memory_of_a_step():
    short, long = (small({"length": length}, truncation=10) for length in (20_000, 50_000))
    batch = 4 * 4 * (2 + 1 + 1)  # of two, one in use and one that is drawn meanwhile
    assert step_bytes(long) - step_bytes(short) == 2 * batch * 30_000


@pytest.mark.parametrize(
    ("model", "columns", "rows"),
    [
        ({"cell": "rnn"}, 8, 8),
        ({"cell": "lstm"}, 4 * 8, 8),
        ({"cell": "gru", "reset": "before"}, 3 * 8, 8),
        ({"cell": "mgu"}, 2 * 8, 8),
        ({"cell": "feedforward"}, 8, 0),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_matrix_operations_are_those_with_every_weight(model: dict[str, str], columns: int, rows: int):
    spec = small({"length": 30}, {**model, "hidden": 8, "layers": 2})
    # Three products a weight, but for those of the two inputs, which are just given: two.
    first, second = (2 * 2 + 3 * rows) * columns, (3 * 8 + 3 * rows) * columns
    assert matrix_operations(spec) == 2 * 30 * 4 * (first + second)
