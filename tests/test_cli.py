"""The command line as a person or a script meets it: processes, exit codes, what goes to which stream."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqlab.cells import CELLS
from seqlab.cli import main
from seqlab.exports import FORMATS
from seqlab.runs.layout import FINAL_STATES, RunError, create_run, list_runs
from seqlab.runs.run import open_run
from seqlab.spec import load_spec, to_toml
from tests.conftest import small
from tests.exports.conftest import model, run_of
from tests.runs.conftest import until
from tests.worker.conftest import train_here

SEQLAB = [sys.executable, "-m", "seqlab"]
LONG = {"steps": 10_000_000, "log_every": 100, "frame_every": 1_000_000, "eval_every": 1_000_000}

Done = subprocess.CompletedProcess[str]


def seqlab(*arguments: object, cwd: Path | None = None) -> Done:
    return subprocess.run(
        [*SEQLAB, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        cwd=cwd,
    )


@pytest.fixture(autouse=True)
def _no_worker_is_left(tmp_path: Path) -> Iterator[None]:
    """End what still trains, also where a test has failed."""
    yield
    for folder in list_runs(tmp_path / "runs"):
        with contextlib.suppress(RunError, ProcessLookupError):
            run = open_run(folder)
            if run.state not in {*FINAL_STATES, "lost"} and run.status.pid not in (None, os.getpid()):
                os.kill(run.status.pid, signal.SIGKILL)


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """The command line in this process, which has imported everything; a traceback fails the test."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["seqlab", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(small()))
    return path


@pytest.fixture
def long(tmp_path: Path) -> Path:
    path = tmp_path / "long.toml"
    path.write_text(to_toml(small(**LONG)))
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """What a command says that trains two seeds, and where their runs are. Copy before you change them."""
    place = tmp_path_factory.mktemp("two")
    (place / "spec.toml").write_text(to_toml(small()))
    return seqlab("run", place / "spec.toml", "--out", place / "runs", "--json", "--seeds", 2), place / "runs"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The folder of a run that is finished at step 20, the only one in `runs`."""
    return train_here(create_run(small(), tmp_path / "runs")).path


def test_version_and_help(here):
    assert seqlab("--version").stdout.startswith("seqlab 0.")
    for flag in ("-h", "--help"):
        shown = here(flag)
        assert shown.returncode == 0
        for command in (
            "lab",
            "run",
            "watch",
            "resume",
            "runs",
            "presets",
            "schema",
            "bench",
            "doctor",
            "export",
            "fork",
            "replay",
        ):
            assert f"\n  {command} " in shown.stdout


def test_json_lines_are_the_rows_and_a_last_word(two):
    done, out = two
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for seed, folder in enumerate(reversed(list_runs(out))):
        mine = [line for line in lines if line["seed"] == seed]
        assert mine[-1]["event"] == "finished"
        assert mine[-1]["run"] == str(folder)
        written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()[1:]]
        for line, row in zip(mine[:-1], written, strict=True):
            assert line == {"run": folder.name, "seed": seed, **row}
        assert mine[-1]["metrics"]["eval/loss"] == written[-1]["eval/loss"]


def test_a_run_prints_how_it_ended_overrides_reach_it_and_resets_are_told_on_stderr(here, spec, tmp_path):
    spec.write_text(to_toml(small(model={"cell": "rnn"})))
    done = here("run", spec, "--out", tmp_path / "runs", "-s", "model.cell=lstm", "-s", "training.steps=3")
    assert done.returncode == 0
    (folder,) = list_runs(tmp_path / "runs")
    assert done.stdout.startswith(f"{folder.name}: finished at step 3 of 3, eval loss ")
    assert "model.cell = lstm: back to their defaults: hidden" in done.stderr
    run = open_run(folder)
    assert (run.state, run.spec.model.cell, run.status.steps) == ("finished", "lstm", 3)


WRONG = [
    (["run", "no-such-preset"], "is not a file, a run folder or one of the presets"),
    (
        ["run", "{spec}", "-s", "model.cell=lsmt"],
        f"'lsmt' is not one of {', '.join(CELLS)} (did you mean lstm?)",
    ),
    (["run", "{spec}", "-s", "training.steps=0"], "it must be at least 1"),
    (["run", "{spec}", "--seeds", "0"], "Invalid value for '--seeds'"),
    (["run", "{spec}", "--threads", "0"], "Invalid value for '--threads'"),
    (["run", "{spec}", "--check"], "claims nothing that could be checked"),
    (["run", "{spec}", "--detach", "--seeds", "2"], "--detach leaves one run behind"),
    (["run", "/bin/ls"], "is not UTF-8 text"),
    (["run"], "Missing argument 'SPEC'"),
    (
        ["run", "{spec}", "--init-from", "none.safetensors"],
        "none.safetensors: cannot be read: No such file",
    ),
    (["run", "{spec}", "--init-from", "/bin/ls"], "/bin/ls: is not a whole safetensors file"),
    (["resume", "nothing"], "no run is called 'nothing'"),
    (["fork", "nothing"], "no run is called 'nothing'"),
    (["fork", "nothing", "--step", "-1"], "Invalid value for '--step'"),
    (["replay", "nothing"], "no run is called 'nothing'"),
    (["export", "nothing", "--to", "csv"], "no run is called 'nothing'"),
    (["export", "nothing"], "Missing option '--to'. One of torch, onnx"),
    (["export", "nothing", "--to", "cvs"], "'cvs' is not one of torch, onnx, csv"),
    (["watch", "nothing"], "the lab needs a terminal"),
    (["lab"], "the lab needs a terminal; without one, seqlab run SPEC trains"),
    ([], "the lab needs a terminal"),
    (["presets", "nothing"], "is not a file, a run folder or one of the presets"),
    (["bogus"], "No such command 'bogus'"),
    (["run", "a" * 5_000], "File name too long"),
    (["resume", "a" * 300], "no run is called"),
    (["run", "{spec}", "--set", "title=" + "[" * 5_000], "at most 200 characters"),
    (["run", "{spec}", "-s", f"training.seed={2**63 - 1}", "--seeds", "2"], "training.seed"),
]


def as_asked(arguments: list[str], spec: Path, tmp_path: Path) -> list[str]:
    out = (
        ["--out", str(tmp_path / "runs")]
        if arguments[:1] in (["run"], ["resume"], ["fork"], ["replay"])
        else []
    )
    return [*(argument.format(spec=spec) for argument in arguments), *out]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_wrong_is_a_line_on_stderr_exit_code_2_and_nothing_made(
    arguments, said, here, spec, tmp_path
):
    done = here(*as_asked(arguments, spec, tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("arguments", "said"), WRONG[::6])
def test_so_it_is_in_a_process_of_its_own_without_a_traceback(arguments, said, spec, tmp_path):
    done = seqlab(*as_asked(arguments, spec, tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("command", ["run", "resume"])
def test_a_worker_that_cannot_start_leaves_nothing_half_made(command, here, spec, tmp_path, monkeypatch):
    out = tmp_path / "runs"
    what = spec
    if command == "resume":
        what = train_here(create_run(load_spec(spec), out)).path
        (what / "status.json").write_text((what / "status.json").read_text().replace("finished", "stopped"))
    monkeypatch.setenv("SEQLAB_THREADS", "many")
    for more in ([], ["--detach"]):
        done = here(command, what, "--out", out, *more)
        assert done.returncode == 2
        assert "SEQLAB_THREADS is 'many'" in done.stderr
        assert not done.stdout
    assert len(list_runs(out)) == (1 if command == "resume" else 0)


def test_a_worker_that_is_killed_is_said_to_be_lost(long, tmp_path):
    with start("run", long, "--json", "--out", tmp_path / "runs") as process:
        run = running(tmp_path / "runs")
        os.kill(run.status.pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 1
        assert json.loads(out.splitlines()[-1])["event"] == "lost"


def test_how_a_run_was_left_is_not_how_its_next_worker_ended(tmp_path):
    left = train_here(create_run(small(**{**LONG, "steps": 20}), tmp_path / "runs"))
    before = left.status.pid
    with start("resume", left.path, "--steps", LONG["steps"], "--out", tmp_path / "runs") as process:
        until(lambda: left.status.pid != before, 300)
        os.kill(left.status.pid, signal.SIGKILL)
        assert process.wait(300) == 1


def test_closed_streams_are_no_reason_to_fail(spec, tmp_path):
    command = f"{' '.join(SEQLAB)} run {spec} --out {tmp_path / 'runs'} <&- 2>&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert "finished" in done.stdout


def test_a_reader_that_has_enough_is_no_reason_for_a_traceback():
    done = subprocess.run(
        f"{' '.join(SEQLAB)} schema | head -1", shell=True, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr


def test_a_run_is_exported_and_its_weights_start_another(here, spec, trained, tmp_path):
    written = seqlab("export", trained, "--to", "torch", cwd=tmp_path)
    assert written.returncode == 0
    compile(written.stdout, "stdout", "exec")
    weights = tmp_path / f"{trained.name}.safetensors"
    assert str(weights.name) in written.stderr
    done = here("run", spec, "--init-from", weights, "--out", tmp_path / "others")
    assert done.returncode == 0
    (second,) = list_runs(tmp_path / "others")
    run = open_run(second)
    before, after = open_run(trained).checkpoint().weights, run.checkpoint(0).weights
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name].tobytes() == value.tobytes()
    (event,) = [event for event in run.events if event["event"] == "initialised"]
    assert event["file"] == weights.name
    anew = here("run", second, "--check", "--out", tmp_path / "third")
    assert f"--init-from {second / 'init.safetensors'}" in anew.stderr


def test_an_export_says_where_its_files_are(here, trained, tmp_path):
    done = seqlab("export", trained, "--to", "csv", "--out", tmp_path / "rows.csv")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'rows.csv'}\n"), done.stderr
    assert (tmp_path / "rows.csv").is_file()
    listed = here("export", "--help").stdout
    for to, each in FORMATS.items():
        assert to in listed
        assert each.summary.split(",")[0][:30] in " ".join(listed.split())


def test_what_a_format_cannot_say_is_a_line_exit_code_2_and_nothing_written(tmp_path):
    run = run_of(model("lstm", peepholes=True), tmp_path / "runs")
    done = seqlab("export", run.path, "--to", "torch", "--out", tmp_path / "w.safetensors")
    assert done.returncode == 2
    assert done.stderr == ("PyTorch cannot say this: model.peepholes = true: it can say peepholes = false\n")
    assert not done.stdout
    assert not (tmp_path / "w.safetensors").exists()


def test_a_place_that_cannot_be_written_is_named(here, spec, tmp_path):
    (tmp_path / "file").write_text("")
    done = here("run", spec, "--out", tmp_path / "file" / "runs")
    assert done.returncode == 2
    assert f"{tmp_path / 'file'}" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_with_its_checkpoint(number, code, long, tmp_path):
    with start("run", long, "--out", tmp_path / "runs") as process:
        run = running(tmp_path / "runs")
        process.send_signal(number)
        assert process.wait(300) == code
        assert run.state == "stopped"
        assert run.checkpoint().step == run.status.step


def test_a_second_interrupt_leaves_it_running(long, tmp_path):
    with start("run", long, "--out", tmp_path / "runs") as process:
        run = running(tmp_path / "runs")
        # The worker must not get to the command between the two: hold it still meanwhile.
        os.kill(run.status.pid, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        said = process.stderr.readline()
        while "stopping" not in said:
            said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 130
        os.kill(run.status.pid, signal.SIGCONT)
        assert f"seqlab watch {run.name} shows it" in process.stderr.read()
        until(lambda: run.state == "stopped")


def test_a_hangup_leaves_it_running(long, tmp_path):
    with start("run", long, "--out", tmp_path / "runs") as process:
        run = running(tmp_path / "runs")
        process.send_signal(signal.SIGHUP)
        assert process.wait(300) == 129
        rows = run.rows
        until(lambda: run.rows > rows)
        end(run)


def test_detach_leaves_a_run_that_can_be_resumed_and_lengthened(here, long, tmp_path):
    out = ["--out", str(tmp_path / "runs")]
    left = seqlab("run", long, "--detach", *out)
    assert left.returncode == 0
    run = open_run(left.stdout.strip())
    until(lambda: run.rows > 0, 300)
    busy = here("resume", run.name, *out)
    assert busy.returncode == 2
    assert "already; seqlab watch" in busy.stderr
    end(run)
    step = run.status.step
    done = here("resume", run.name[:20], "--steps", step + 5, "--json", *out)
    assert done.returncode == 0
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["step"]) == ("finished", step + 5)
    again = here("resume", run.name, *out)
    assert again.returncode == 2
    assert "--steps N" in again.stderr


def test_a_run_is_forked_and_the_fork_is_made_again_bit_for_bit(here, trained, tmp_path):
    out = tmp_path / "runs"
    origin = open_run(trained)
    refused = here("fork", origin.name, "--step", 21, "-s", "task.length=9", "--out", out)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is at step 20: there is no step 21 to go on from yet" in refused.stderr
    assert len(list_runs(out)) == 1
    done = here("fork", origin.name, "--step", 13, "-s", "training.truncation=3", "--json", "--out", out)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == [*range(13, 21), 20]
    fork = open_run(lines[-1]["run"])
    assert (done.returncode, lines[-1]["event"], fork.spec.fork.run) == (0, "finished", origin.name)
    again = here("replay", fork.name, "--out", out)
    assert (again.returncode, again.stdout) == (0, "identical: 8 rows and the weights at step 20\n")
    path = fork.path / "metrics.jsonl"
    path.write_text(path.read_text().replace('"train/clipped": 1', '"train/clipped": 0'))
    other = here("replay", fork.path, "--out", out, "--json")
    last = json.loads(other.stdout.splitlines()[-1])
    assert (other.returncode, last["identical"]) == (1, False)
    assert last["difference"] == {"step": 14, "field": "train/clipped", "run": 0, "replay": 1}
    anew = here("run", fork.path, "--check")
    assert f"seqlab fork {origin.name} --step 13 makes another fork" in anew.stderr


def test_runs_are_listed_newest_first_and_damaged_ones_are_said_to_be(here, two, tmp_path):
    out = tmp_path / "runs"
    assert "there are no runs" in here("runs", "--out", out).stderr
    shutil.copytree(two[1], out)
    (list_runs(out)[1] / "status.json").write_text("{")
    shown = seqlab("runs", "--out", out)
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 2
    assert "damaged" in shown.stdout.splitlines()[1]
    listed = [json.loads(line) for line in here("runs", "--out", out, "--json").stdout.splitlines()]
    assert [row["name"] for row in listed] == [folder.name for folder in list_runs(out)]
    assert (listed[0]["state"], listed[0]["task"], listed[0]["cell"]) == ("finished", "adding", "lstm")
    assert listed[1]["state"] == "damaged"


CLAIM = '\n[[expect]]\nmetric = "eval/loss"\n{side} = {limit}\nseeds = [2, 2]\n'


def test_check_runs_the_seeds_that_claims_name_and_speaks_of_them_alone(here, spec, tmp_path):
    claims = [CLAIM.format(side="above", limit=0.0), CLAIM.format(side="below", limit=1e-9)]
    spec.write_text(spec.read_text() + "".join(claims))
    done = here("run", spec, "--check", "--json", "--out", tmp_path / "runs")
    assert done.returncode == 1
    ends = [json.loads(line) for line in done.stdout.splitlines() if '"event"' in line]
    assert [(end["event"], end["seed"]) for end in ends] == [("finished", 0), ("finished", 1)]
    assert all([verdict["held"] for verdict in end["verdicts"]] == [True, False] for end in ends)


def test_a_run_that_diverges_as_claimed_passes_its_check_and_fails_without(here, tmp_path, monkeypatch):
    path = tmp_path / "spec.toml"
    diverging = small(
        {"name": "sine", "length": 60},
        {"cell": "rnn", "activation": "relu", "init": "identity"},
        clip={"kind": "none"},
        optimizer={"name": "sgd", "lr": 100.0},
    )
    path.write_text(to_toml(diverging) + '\n[[expect]]\nstate = "diverged"\n')
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # a narrow encoding is no reason to fail
    done = seqlab("run", path, "--check", "--out", tmp_path / "runs")
    assert done.returncode == 0
    assert "? the run ends diverged: 1 of 1" in done.stderr
    plain = here("run", path, "--out", tmp_path / "runs")
    assert plain.returncode == 1
    assert "is not finite" in plain.stdout


def test_schema_and_doctor(here):
    schema = json.loads(here("schema").stdout)
    assert set(schema["properties"]) >= {"task", "model", "training", "expect"}
    doctor = seqlab("doctor")
    assert doctor.returncode == 0
    for word in ("numba", "processor", "BLAS", "compile cache", "colours", "glyphs", "runs"):
        assert word in doctor.stdout
    found = json.loads(here("doctor", "--json").stdout)
    assert found["versions"]["seqlab"]


class start(subprocess.Popen):  # noqa: N801 - reads as the action that it is
    """A command under way that does not outlive its block."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(
            [*SEQLAB, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __exit__(self, *error: object) -> None:
        self.kill()
        super().__exit__(*error)  # type: ignore[arg-type]


def running(out: Path):
    """The run that was just started, once it trains."""
    until(lambda: list_runs(out), 300)
    run = open_run(list_runs(out)[0])
    until(lambda: run.state == "training" and run.rows > 0, 300)
    return run


def end(run) -> None:
    os.kill(run.status.pid, signal.SIGTERM)
    until(lambda: run.state == "stopped")
