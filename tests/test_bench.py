"""The benchmark measures the real trainer and recorder, and its figures agree with each other."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from seqlab.bench import bench, table
from seqlab.cells import CELLS
from seqlab.runs.launch import environment_for
from seqlab.spec.plan import matrix_operations
from seqlab.worker.costs import RECORDING
from tests.conftest import small

PARTS = ["data", "forward", "backward", "update", "recording", "evaluation"]


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to see every part at work."""
    monkeypatch.setattr("seqlab.bench._SECONDS", 0.0)
    monkeypatch.setattr("seqlab.bench._STRETCH", 0.02)
    monkeypatch.setattr("seqlab.worker.costs._RECORDING_SECONDS", 0.0)
    monkeypatch.setattr("seqlab.worker.costs._ALTERNATING_SECONDS", 0.0)
    monkeypatch.setattr("seqlab.bench._SQUARE", 64)


@pytest.mark.parametrize(
    "training",
    [{}, {"truncation": 4}, {"truncation": 4, "update": "window"}, {"precision": "float64"}],
    ids=str,
)
def test_the_figures_agree_with_each_other(training):
    spec = small({"length": 12}, **training)
    found = bench(spec, threads=1)
    assert found["step_ms_quartiles"][0] <= found["step_ms"] <= found["step_ms_quartiles"][1]
    assert found["steps_per_s"] == pytest.approx(1e3 / found["step_ms"])
    assert found["sequence_steps_per_s"] == pytest.approx(12 * 4 * found["steps_per_s"])
    assert found["gflops"] == pytest.approx(matrix_operations(spec) * found["steps_per_s"] / 1e9)
    assert found["sgemm_share"] == pytest.approx(found["gflops"] / found["sgemm_gflops"])
    assert list(found["parts"]) == PARTS
    assert all(ms > 0 for ms in found["parts"].values())
    assert "recording" not in found


def test_the_parts_of_a_step_are_the_whole_step_on_any_number_of_threads():
    # Large enough for two slices.
    spec = small({"length": 100}, {"hidden": 64}, batch_size=32)
    found = bench(spec, threads=2)
    assert found["threads"] == 2
    parts = [found["parts"][part] for part in PARTS[:4]]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(found["step_ms"])


def test_no_more_threads_are_claimed_than_there_are_slices():
    assert bench(small(), threads=8)["threads"] == 1


def test_what_recording_costs_is_measured_on_a_run_of_its_own():
    spec = small(steps=40, frame_every=4, log_every=2, checkpoint_every=6, eval_every=100)
    found = bench(spec, threads=1, recording=True)
    shares = found["recording"]
    assert shares["steps"] == 36  # three times what brings both a frame and a checkpoint
    assert shares["sum"] == pytest.approx(sum(shares[part] for part in RECORDING))
    assert all(shares[part] > 0 for part in ("metrics", "frames", "checkpoints"))
    assert all(shares["beside"][part] > 0 for part in RECORDING)
    low, middle, high = shares["longer"]
    assert 0 < low <= middle <= high
    words = [str(cell) for column in table(found).columns for cell in column.cells]
    assert {"recording / training", "  probe", "peak memory"} <= set(words)


def test_a_spec_that_diverges_cannot_be_measured():
    spec = small(
        {"name": "sine", "length": 60},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 1e6},
    )
    with pytest.raises(SystemExit, match=r"diverged at step .*; nothing to measure"):
        bench(spec, threads=1)


def run_bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqlab", "bench", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        env={**environment_for(None), **variables},
    )


def test_json_is_one_object_with_the_shape_that_was_asked_for():
    shape = ["--cell", "gru", "--hidden", "5", "--batch", "3", "--length", "7", "--layers", "2"]
    done = run_bench(*shape, "--truncation", "3", "--threads", "1", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    asked = {"task": "adding", "cell": "gru", "hidden": 5, "batch": 3, "length": 7, "layers": 2}
    assert {name: found[name] for name in asked} == asked
    assert (found["truncation"], found["threads"]) == (3, 1)
    assert found["peak_rss_mb"] > 20
    assert math.isfinite(found["sgemm_gflops"])


def test_options_override_the_spec_and_people_get_a_table():
    done = run_bench("copy-lstm", "--hidden", "6", "-s", "task.delay=3", "-s", "task.symbols=2")
    assert done.returncode == 0
    assert "copy, lstm: H 6" in done.stdout
    for part in [*PARTS, "one step", "peak memory", "GFLOP/s"]:
        assert part in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell", "lsmt"], f"'lsmt' is not one of {', '.join(CELLS)} (did you mean lstm?)"),
        (["--hidden", "0"], "-s model.hidden=0"),
        (["--hidden", "many"], "model.hidden"),
        (["--truncation", "-1"], "training.truncation"),
        (["copy-lstm", "--length", "9"], "task.length"),
        (["no-such-preset"], "is not a file, a run folder or one of the presets"),
        (["--threads", "0"], "Invalid value for '--threads'"),
        (["-s", "nonsense"], "an override reads a.b=value"),
    ],
)
def test_what_is_wrong_is_a_line_on_stderr_and_exit_code_2(arguments, said):
    done = run_bench(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_number_of_threads_that_is_none_is_said_to_be():
    done = run_bench(SEQLAB_THREADS="many")
    assert done.returncode == 2
    assert "SEQLAB_THREADS is 'many'" in done.stderr
