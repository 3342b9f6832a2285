"""The command line: thin commands over specs, runs and the lab.

stdout carries data, stderr everything else. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from seqlab import console

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.runs.reader import Snapshot
    from seqlab.spec import Spec


class Exit(IntEnum):
    """Exit codes; a signal n gives 128 + n."""

    OK = 0
    NOT_MET = 1
    USAGE = 2
    HANGUP = 128 + 1
    INTERRUPTED = 128 + 2
    TERMINATED = 128 + 15


Command = TypeVar("Command", bound=Callable[..., Any])

_overrides = click.option(
    "-s", "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override a field of the spec."
)
_out = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where run folders are kept."
)
_threads = click.option("--threads", type=click.IntRange(1, 1024), help="For training; changes no bit of it.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON lines.")
_detach = click.option("--detach", is_flag=True, help="Start, print the run folder, and leave it running.")
_file = click.Path(path_type=Path)

_SHAPE = {
    "cell": ("C", "model.cell"),
    "hidden": ("H", "model.hidden"),
    "batch": ("B", "training.batch_size"),
    "length": ("T", "task.length"),
    "layers": ("N", "model.layers"),
    "truncation": ("K", "training.truncation"),
}


class _Formats(click.ParamType):  # type: ignore[type-arg]  # which older versions do not know
    """The names of the formats, which are found only once a command line asks for them."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        from seqlab.exports import FORMATS

        return f"[{'|'.join(FORMATS)}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from seqlab.exports import FORMATS
        from seqlab.spec.problems import did_you_mean

        if value not in FORMATS:
            self.fail(f"{value!r} is not one of {did_you_mean(value, FORMATS)}", param, ctx)
        return value

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        from seqlab.exports import FORMATS

        return f"One of {', '.join(FORMATS)}"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from seqlab.exports import FORMATS

        return [CompletionItem(name) for name in FORMATS if name.startswith(incomplete)]


class _WithFormats(click.Command):
    """A command whose help says what the formats are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from seqlab.exports import FORMATS

        with formatter.section("Formats"):
            formatter.write_dl([(name, each.summary) for name, each in FORMATS.items()])


def _shape(command: Command) -> Command:
    """Options of their own for what is varied most; the spec says what they may be."""
    for name, (letter, field) in reversed(_SHAPE.items()):
        command = click.option(f"--{name}", metavar=letter, help=f"Short for -s {field}={letter}.")(command)
    return command


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
@_overrides
@_out
@_threads
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
@_out
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
@_overrides
@_out
@_json
@click.option(
    "--check", is_flag=True, help="Run the seeds that the claims name; the exit code speaks of the claims."
)
@_detach
@click.option("--seeds", type=click.IntRange(1, 1_000), help="Run N seeds, one after another.")
@click.option(
    "--init-from", type=_file, metavar="FILE", help="Start from PyTorch's weights, a safetensors file."
)
@_threads
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
            _leave(folder, worker, as_json)
        last = _follow(folder, worker, as_json, seed)
        ends.append(last.state)
        # A run that failed or was stopped may lack what its claims are measured against.
        verdict = verdicts(last) if last.state in ("finished", "diverged") else None
        judged.append(verdict)
        _report(last, as_json, seed, verdict)
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
@_out
@_json
@_detach
@_threads
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
        _leave(folder, worker, as_json)
    seed = found.spec.training.seed
    last = _follow(folder, worker, as_json, seed)
    _report(last, as_json, seed, None)
    sys.exit(Exit.OK if last.state in ("finished", "stopped") else Exit.NOT_MET)


@cli.command()
@_out
@_json
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
@_json
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
@_overrides
@_shape
@_threads
@click.option("--recording", is_flag=True, help="Also train a run, to see what recording it costs.")
@_json
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
    given = tuple(f"{_SHAPE[name][1]}={value}" for name, value in shape.items() if value is not None)
    chosen = _load(spec if spec is not None else first, overrides + given)
    request = {
        "spec": chosen.model_dump(mode="json", exclude_none=True),
        "recording": recording,
        "json": as_json,
    }
    replace_by("seqlab.bench", json.dumps(request), threads=threads)


@cli.command()
@click.argument("spec")
@_overrides
@click.option(
    "--entries", type=click.IntRange(1), default=200, help="Of each block, at most.", show_default=True
)
@_json
def check(spec: str, overrides: tuple[str, ...], entries: int, as_json: bool) -> None:
    """Compare the gradient of SPEC with central differences in float64; exit 1 if it is wrong."""
    from seqlab.runs.launch import replace_by

    chosen = _load(spec, overrides)
    request = {"spec": chosen.model_dump(mode="json", exclude_none=True), "entries": entries, "json": as_json}
    replace_by("seqlab.check", json.dumps(request), threads=1)


@cli.command(cls=_WithFormats)
@click.argument("run")
@click.option("--to", type=_Formats(), required=True, help="The format.")
@click.option("--step", type=click.IntRange(0), metavar="N", help="As it was at a step that was kept.")
@click.option("--out", type=_file, metavar="PATH", help="Where to; else into this folder, by the run's name.")
def export(run: str, to: str, step: int | None, out: Path | None) -> None:
    """Write RUN in a format that other programs read."""
    from seqlab.runs.launch import replace_by
    from seqlab.runs.layout import find_run

    request = {"run": str(find_run(run)), "to": to, "step": step, "out": None if out is None else str(out)}
    replace_by("seqlab.export", json.dumps(request), threads=1)


@cli.command()
@_json
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


def _leave(folder: Path, worker: Worker, as_json: bool) -> NoReturn:
    from seqlab.runs.follow import await_taken

    await_taken(folder, worker)
    if as_json:
        console.emit(event="started", run=str(folder))
    else:
        click.echo(str(folder))
    sys.stdout.flush()
    os._exit(Exit.OK)  # no waiting for threads that listen to the worker


def _follow(folder: Path, worker: Worker, as_json: bool, seed: int) -> Snapshot:
    """Follow a run to its end, obeying signals: the first asks it to stop, a second leaves it running."""
    from seqlab.runs.follow import follow, last_words
    from seqlab.runs.layout import METRICS
    from seqlab.runs.tail import Tail

    rows = Tail(folder / METRICS)
    if as_json:
        rows.poll()  # what stood there before is not news
    last: Snapshot | None = None
    asked = 0
    with _caught() as caught, console.progress(folder.name, quiet=as_json) as progress:
        for last in follow(folder, worker):
            progress.show(last)
            if as_json:
                for line in rows.poll():
                    row = console.raw_row(line)
                    if row is not None:
                        console.emit(run=folder.name, seed=seed, **row)
            while caught:
                number = caught.pop(0)
                if number == signal.SIGHUP or asked:
                    _left_running(folder, number)
                asked = number
                console.say(f"stopping {folder.name} at its next step; once more leaves it running")
                worker.stop()
    worker.close()
    assert last is not None
    if last.state == "lost":
        console.say(last_words(folder, worker))
    if asked:
        _report(last, as_json, seed, None)
        sys.exit(128 + asked)
    return last


@contextlib.contextmanager
def _caught() -> Iterator[list[int]]:
    """Collect the signals that end a command."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays ignored: that is what nohup asks for.
    obeyed = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, frame: caught.append(n)) for number in obeyed}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _left_running(folder: Path, number: int) -> NoReturn:
    with contextlib.suppress(OSError):  # after a hangup nobody may be there to read it
        console.say(f"{folder.name} goes on; seqlab watch {folder.name} shows it")
    os._exit(128 + number)


def _report(last: Snapshot, as_json: bool, seed: int, verdict: list[Any] | None) -> None:
    if as_json:
        figures = {name: series.last for name, series in last.metrics.items() if "/" in name}
        verdicts = [console.verdict_fields(each) for each in verdict or ()]
        console.emit(
            event=last.state,
            run=str(last.folder),
            seed=seed,
            step=last.status.step,
            metrics=figures,
            verdicts=verdicts,
            message=last.status.message,
        )
        return
    click.echo(console.ended(last))
    for each in verdict or ():
        measured = each.measured if isinstance(each.measured, str) else console.number(each.measured)
        click.echo(f"  {'✓' if each.held else '✗'} {console.verdict_in_words(each)}: {measured}")


def _run_line(row: dict[str, Any]) -> str:
    if row["state"] == "damaged":
        return f"{row['name']}  damaged: {row['message']}"
    loss = row.get("eval/loss")
    shown = "" if loss is None or math.isnan(loss) else f"eval {console.number(loss)}"
    where = f"{row['step']:,} of {row['steps']:,}"
    ago = console.age(max(0.0, time.time() - row["heartbeat"]))
    return f"{row['name']:<42} {row['state']:<10} {where:>20}  {shown:<16} {ago} ago"
