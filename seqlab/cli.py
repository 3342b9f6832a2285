"""The command line: thin commands over specs, runs and the lab.

stdout carries data, stderr everything else. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from seqlab import console, foreground, options

if TYPE_CHECKING:
    from seqlab.spec import Spec


class Exit(IntEnum):
    """Exit codes; a signal n gives 128 + n."""

    OK = 0
    NOT_MET = 1
    USAGE = 2
    HANGUP = 128 + 1
    INTERRUPTED = 128 + 2
    TERMINATED = 128 + 15


def main() -> NoReturn:
    """Run the command line; known errors end in a line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a narrow encoding is no reason to fail
    try:
        cli(prog_name="seqlab", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read this has enough
        sys.exit(Exit.NOT_MET)
    except Exception as error:
        from seqlab.runs.layout import RunError
        from seqlab.spec import SpecError

        if not isinstance(error, RunError | SpecError):
            raise
        console.say(str(error))
        sys.exit(Exit.USAGE)
    sys.exit(Exit.OK)


def _print_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"seqlab {version('seqlab')}")
        context.exit()


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """A sequence lab: train a recurrent network live and see its gradients and gates.

    Without a command, the lab opens.
    """
    if context.invoked_subcommand is None:
        context.invoke(lab)


@cli.command()
@click.argument("spec", required=False)
@options.overrides
@options.out
@options.threads
def lab(spec: str | None, overrides: tuple[str, ...], out: Path | None, threads: int | None) -> None:
    """Open the lab; with SPEC (a preset, a file or a run folder) it starts at once.

    Without SPEC, -s fills in fields of the form.
    """
    _needs_terminal()
    chosen = _load(spec, overrides) if spec is not None else None
    from seqlab.tui.app import run_lab

    sys.exit(run_lab(chosen, overrides=overrides, out=out, threads=threads))


@cli.command()
@click.argument("run", required=False)
@options.out
def watch(run: str | None, out: Path | None) -> None:
    """Open the lab on a run that is under way or over; on the newest if none is named."""
    _needs_terminal()
    from seqlab.runs.layout import RunError, find_run, home, list_runs

    if run is None:
        newest = list_runs(out)
        if not newest:
            raise RunError(f"there are no runs in {out or home()}; seqlab run PRESET makes one")
        folder = newest[0]
    else:
        folder = find_run(run, out)
    from seqlab.tui.app import run_lab

    sys.exit(run_lab(watch=folder, out=out))


@cli.command()
@click.argument("spec")
@options.overrides
@options.out
@options.as_json
@click.option(
    "--check", is_flag=True, help="Run the seeds that the claims name; the exit code speaks of the claims."
)
@options.detach
@click.option("--seeds", type=click.IntRange(1, 1_000), help="Run N seeds, one after another.")
@click.option(
    "--init-from", type=options.FILE, metavar="FILE", help="Start from PyTorch's weights, a safetensors file."
)
@options.threads
def run(
    spec: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    check: bool,
    detach: bool,
    seeds: int | None,
    init_from: Path | None,
    threads: int | None,
) -> None:
    """Train SPEC (a preset, a file or a run folder) without a screen."""
    chosen = _load(spec, overrides)
    initial = _initial(spec, chosen, init_from)
    if check and not chosen.expect:
        raise click.UsageError(f"{spec} claims nothing that could be checked")
    if detach and (check or (seeds or 1) > 1):
        raise click.UsageError("--detach leaves one run behind: it does not go with --check or --seeds")
    from seqlab.runs.claims import combine, verdicts
    from seqlab.runs.follow import start
    from seqlab.spec import validate

    count = seeds or (max(claim.seeds[1] for claim in chosen.expect) if check else 1)
    seeded = [validate(_with_seed(chosen, chosen.training.seed + number)) for number in range(count)]
    judged, ends = [], []
    for each in seeded:
        seed = each.training.seed
        folder, worker = start(each, out, threads, initial)
        if detach:
            foreground.leave(folder, worker, as_json)
        last = foreground.follow(folder, worker, as_json, seed)
        ends.append(last.state)
        # A run that failed or was stopped may lack what its claims are measured against.
        verdict = verdicts(last) if last.state in ("finished", "diverged") else None
        judged.append(verdict)
        foreground.report(last, as_json, seed, verdict)
    if not check:
        sys.exit(Exit.OK if all(state in ("finished", "stopped") for state in ends) else Exit.NOT_MET)
    if None in judged:
        sys.exit(Exit.NOT_MET)
    outcomes = combine([verdict for verdict in judged if verdict is not None])
    for line in console.outcomes_in_words(outcomes):
        console.say(line)
    sys.exit(Exit.OK if all(outcome.met for outcome in outcomes) else Exit.NOT_MET)


@cli.command()
@click.argument("run")
@click.option("--steps", type=click.IntRange(1, 1_000_000_000), help="Train up to step N: lengthens a run.")
@options.out
@options.as_json
@options.detach
@options.threads
def resume(
    run: str, steps: int | None, out: Path | None, as_json: bool, detach: bool, threads: int | None
) -> None:
    """Go on with RUN from its last checkpoint."""
    from seqlab.runs.checkpoint import checkpoints
    from seqlab.runs.launch import Worker
    from seqlab.runs.layout import FINAL_STATES, RunError, find_run
    from seqlab.runs.run import Run

    folder = find_run(run, out)
    found = Run(folder).snapshot()
    status = found.status
    if found.state not in FINAL_STATES | {"lost"}:
        raise RunError(f"{found.name} is {found.state} already; seqlab watch {found.name} shows it")
    if found.state == "finished" and (steps is None or steps <= status.step):
        raise RunError(
            f"{found.name} is finished at step {status.step:,}; "
            f"seqlab resume {found.name} --steps N, with N above that, lengthens it"
        )
    if steps is not None and steps <= (checkpoints(folder) or [0])[-1]:
        raise RunError(
            f"{found.name} is at step {checkpoints(folder)[-1]:,} already: --steps must be above that"
        )
    worker = Worker(threads)
    worker.run(folder, steps)
    if detach:
        foreground.leave(folder, worker, as_json)
    seed = found.spec.training.seed
    last = foreground.follow(folder, worker, as_json, seed)
    foreground.report(last, as_json, seed, None)
    sys.exit(Exit.OK if last.state in ("finished", "stopped") else Exit.NOT_MET)


@cli.command()
@options.out
@options.as_json
def runs(out: Path | None, as_json: bool) -> None:
    """List the runs, newest first."""
    from seqlab.runs.layout import RunError, home, list_runs
    from seqlab.runs.summary import summarise

    folders = list_runs(out)
    rows = []
    for folder in folders:
        try:
            rows.append(summarise(folder))
        except RunError as error:
            rows.append({"name": folder.name, "state": "damaged", "message": str(error)})
    if as_json:
        for row in rows:
            console.emit(**row)
        return
    if not rows:
        console.say(f"there are no runs in {out or home()}; seqlab run PRESET makes one")
        return
    for row in rows:
        click.echo(_run_line(row))


@cli.command()
@click.argument("name", required=False)
@options.as_json
def presets(name: str | None, as_json: bool) -> None:
    """List the presets with their claims, or show one."""
    from seqlab.spec import load_spec
    from seqlab.spec import presets as known

    names = [name] if name is not None else list(known())
    for preset in names:
        spec = load_spec(preset)
        claims = [claim.in_words() for claim in spec.expect]
        if as_json:
            about = {"about": spec.about} if name is not None else {}
            fields = {"task": spec.task.name, "cell": spec.model.cell, "steps": spec.training.steps}
            console.emit(name=preset, state="preset", title=spec.title, **fields, claims=claims, **about)
        elif name is None:
            click.echo(f"{preset:<18} {spec.title}")
            for claim in claims:
                click.echo(f"{'':<18}   {claim}")
        else:
            click.echo(known()[preset].read_text(), nl=False) if preset in known() else click.echo(spec.about)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from seqlab.spec import Spec

    click.echo(json.dumps(Spec.model_json_schema(), indent=2))


@cli.command()
@click.argument("spec", required=False)
@options.overrides
@options.shape
@options.threads
@click.option("--recording", is_flag=True, help="Also train a run, to see what recording it costs.")
@options.as_json
def bench(
    spec: str | None,
    overrides: tuple[str, ...],
    threads: int | None,
    recording: bool,
    as_json: bool,
    **shape: str | None,
) -> None:
    """Measure one training step, of SPEC or of the shape given, and where its time goes."""
    from seqlab.runs.launch import replace_by
    from seqlab.spec.schema import CHOICES

    first: dict[str, dict[str, str]] = {
        table: {name: next(iter(CHOICES[table, name]))}
        for table, name in (("task", "name"), ("model", "cell"))
    }
    given = tuple(f"{options.SHAPE[name][1]}={value}" for name, value in shape.items() if value is not None)
    chosen = _load(spec if spec is not None else first, overrides + given)
    request = {
        "spec": chosen.model_dump(mode="json", exclude_none=True),
        "recording": recording,
        "json": as_json,
    }
    replace_by("seqlab.bench", json.dumps(request), threads=threads)


@cli.command()
@click.argument("spec")
@options.overrides
@click.option(
    "--entries", type=click.IntRange(1), default=200, help="Of each block, at most.", show_default=True
)
@options.as_json
def check(spec: str, overrides: tuple[str, ...], entries: int, as_json: bool) -> None:
    """Compare the gradient of SPEC with central differences in float64; exit 1 if it is wrong."""
    from seqlab.runs.launch import replace_by

    chosen = _load(spec, overrides)
    request = {"spec": chosen.model_dump(mode="json", exclude_none=True), "entries": entries, "json": as_json}
    replace_by("seqlab.check", json.dumps(request), threads=1)


@cli.command(cls=options.WithFormats)
@click.argument("run")
@click.option("--to", type=options.FormatName(), required=True, help="The format.")
@click.option("--step", type=click.IntRange(0), metavar="N", help="As it was at a step that was kept.")
@click.option("--out", type=options.FILE, metavar="PATH", help="Where to; else here, by the run's name.")
def export(run: str, to: str, step: int | None, out: Path | None) -> None:
    """Write RUN in a format that other programs read."""
    from seqlab.runs.launch import replace_by
    from seqlab.runs.layout import find_run

    request = {"run": str(find_run(run)), "to": to, "step": step, "out": None if out is None else str(out)}
    replace_by("seqlab.export", json.dumps(request), threads=1)


@cli.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what this machine, its libraries and this terminal offer."""
    from seqlab.doctor import findings

    found = findings()
    if as_json:
        console.emit(**{name: dict(pairs) for name, pairs in found.items()})
        return
    for name, pairs in found.items():
        click.echo(name)
        for key, value in pairs:
            click.echo(f"  {key:<14} {value}")


def _load(source: str | dict[str, dict[str, str]], overrides: tuple[str, ...]) -> Spec:
    from seqlab.spec import load_spec

    return load_spec(source, overrides, note=console.say)


def _initial(source: str, spec: Spec, weights: Path | None) -> bytes | None:
    """The weights that a run shall start from, as its folder keeps them, if any are given."""
    from seqlab.runs.initial import read_weights
    from seqlab.runs.layout import INITIAL

    if weights is not None:
        return read_weights(weights, spec)
    if (before := Path(source) / INITIAL).is_file():
        console.say(f"that run started from weights of its own; --init-from {before} starts from them, too")
    return None


def _with_seed(spec: Spec, seed: int) -> dict[str, Any]:
    data = spec.model_dump(exclude_none=True)
    return {**data, "training": {**data["training"], "seed": seed}}


def _needs_terminal() -> None:
    there = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    if not there or os.environ.get("TERM") == "dumb":
        console.say("the lab needs a terminal; without one, seqlab run SPEC trains and seqlab runs lists")
        sys.exit(Exit.USAGE)


def _run_line(row: dict[str, Any]) -> str:
    if row["state"] == "damaged":
        return f"{row['name']}  damaged: {row['message']}"
    loss = row.get("eval/loss")
    shown = "" if loss is None or math.isnan(loss) else f"eval {console.number(loss)}"
    where = f"{row['step']:,} of {row['steps']:,}"
    ago = console.age(max(0.0, time.time() - row["heartbeat"]))
    return f"{row['name']:<42} {row['state']:<10} {where:>20}  {shown:<16} {ago} ago"
