"""Every preset does what it claims: on one seed each time, on ten in the long form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.presets import README, with_table
from seqlab.console import outcomes_in_words
from seqlab.runs.claims import combine, verdicts
from seqlab.runs.layout import create_run
from seqlab.spec import load_spec, presets
from tests.worker.conftest import train_here

NAMES = list(presets())
LONG_SEEDS, LONG_FIRST = 10, 1_000
ONE = "1"
"""How many threads train: that changes no bit, and leaves the others their processor."""


def check(name: str, out: Path) -> tuple[int, list[dict]]:
    """Run the claims of a preset; the exit code, and the last word of each seed."""
    command = [sys.executable, "-m", "seqlab", "run", name, "--check", "--seeds", str(LONG_SEEDS), "--json"]
    done = subprocess.run(
        [*command, "-s", f"training.seed={LONG_FIRST}", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SEQLAB_THREADS": ONE},
    )
    lines = (json.loads(line) for line in done.stdout.splitlines() if '"event"' in line)
    ends = [line for line in lines if "event" in line]
    assert len(ends) == LONG_SEEDS, done.stderr
    return done.returncode, ends


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that are printed once every preset has had its turn."""
    lines: list[str] = []
    yield lines
    print("\n\n" + "\n".join(lines))


def test_there_is_a_preset_for_every_claim():
    assert set(NAMES) >= {
        "adding-gru",
        "adding-irnn",
        "adding-lstm",
        "adding-mgu",
        "adding-rnn",
        "adding-rnn-norm",
        "adding-rnn-short",
        "adding-truncated",
        "bilstm-ahead",
        "clipped",
        "copy-chrono",
        "copy-forget-bias",
        "copy-lstm",
        "copy-truncated",
        "esn-sine",
        "exploding",
        "generate-gru",
        "lstm-ahead",
        "lstm-sine",
        "order-gru",
        "peephole-timing",
        "reverse-attention",
        "reverse-gru",
        "sine-dropout",
        "sine-feedforward",
        "sine-gru",
        "sine-shallow",
        "sine-stacked",
        "vanishing",
    }


def test_the_readme_says_what_the_presets_claim():
    text = README.read_text()
    assert text == with_table(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_to_watch_and_claims_something(name: str):
    spec = load_spec(name)
    assert spec.title
    assert spec.expect
    assert len(spec.about) > 200
    assert all(len(claim.why) > 20 for claim in spec.expect)
    assert any(panel in spec.about.lower() for panel in ("loss", "gradient", "gate", "probe"))
    assert not any(claim.seeds[0] * 2 < claim.seeds[1] for claim in spec.expect)


def test_the_clipped_twin_differs_in_nothing_but_its_clipping():
    exploding, clipped = load_spec("exploding"), load_spec("clipped")
    assert exploding.task == clipped.task
    assert exploding.model == clipped.model
    assert exploding.training.model_copy(update={"clip": clipped.training.clip}) == clipped.training
    assert exploding.training.clip.kind == "none"


def test_with_and_without_the_future_networks_are_equally_wide_and_trained_alike():
    with_future, without = load_spec("bilstm-ahead"), load_spec("lstm-ahead")
    assert with_future.task == without.task
    assert with_future.training == without.training
    assert with_future.model.bidirectional
    assert not without.model.bidirectional
    assert with_future.model.width == without.model.width


def test_reservoir_lstm_and_control_are_rivals_on_the_very_task_of_the_gru():
    rivals = [load_spec(name) for name in ("esn-sine", "lstm-sine", "sine-gru", "sine-feedforward")]
    assert all(spec.task == rivals[0].task for spec in rivals)
    assert [spec.model.cell for spec in rivals] == ["esn", "lstm", "gru", "feedforward"]
    assert rivals[0].training.eval_sequences == rivals[1].training.eval_sequences


@pytest.mark.parametrize(
    ("name", "twin", "settings"),
    [
        ("reverse-attention", "reverse-gru", {"attention"}),
        ("copy-chrono", "copy-forget-bias", {"chrono", "forget_bias"}),
        ("adding-rnn-norm", "adding-rnn-short", {"layer_norm"}),
        ("sine-stacked", "sine-shallow", {"layers", "hidden"}),
        ("sine-dropout", "sine-stacked", {"dropout"}),
    ],
)
def test_twins_differ_in_nothing_but_what_they_compare(name: str, twin: str, settings: set[str]):
    one, other = load_spec(name), load_spec(twin)
    assert one.task == other.task
    assert one.training == other.training
    ours, theirs = one.model.model_dump(), other.model.model_dump()
    assert {field for field in ours if ours[field] != theirs[field]} == settings


def test_stacked_and_shallow_have_as_many_weights():
    stacked, shallow = load_spec("sine-stacked"), load_spec("sine-shallow")
    assert stacked.model.layers > shallow.model.layers
    assert stacked.parameters == pytest.approx(shallow.parameters, rel=0.01)


@pytest.mark.presets
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_does_what_it_claims(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEQLAB_THREADS", ONE)
    run = train_here(create_run(load_spec(name), tmp_path))
    assert run.state in ("finished", "diverged")
    outcomes = combine([verdicts(run.snapshot())])
    assert len(outcomes) == len(run.spec.expect)
    assert all(outcome.met for outcome in outcomes), outcomes_in_words(outcomes)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_does_what_it_claims_on_seeds_that_nobody_chose(name: str, tmp_path: Path, table: list[str]):
    code, ends = check(name, tmp_path)
    seconds = sum(
        json.loads((Path(end["run"]) / "metrics.jsonl").read_text().splitlines()[-1])["wall"] for end in ends
    )
    for claim in zip(*(end["verdicts"] for end in ends), strict=True):
        held = sum(verdict["held"] for verdict in claim)
        measured = sorted((str(verdict["measured"]) for verdict in claim), key=len)
        words = claim[0]["claim"].partition(" = ")[0]
        table.append(
            f"{name:<18} {held:>2} of {len(ends)}  {seconds / len(ends):5.1f} s  {words}  e.g. {measured[0]}"
        )
    assert code == 0, table
