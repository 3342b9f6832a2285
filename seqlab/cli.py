"""The command line: thin commands over specs, runs and the lab; those without a screen are in `commands`.

stdout carries data, stderr everything else. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from seqlab import console, options
from seqlab.commands import tools, training
from seqlab.options import Exit

if TYPE_CHECKING:
    from seqlab.spec import Spec


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
        words = io.StringIO()
        error.show(words)
        console.say(words.getvalue().rstrip())
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        _drop_output()  # whoever read this has enough
        sys.exit(Exit.NOT_MET)
    except OSError as error:
        _drop_output()  # it may be what cannot be written
        console.say(console.in_words(error))
        sys.exit(Exit.USAGE)
    except Exception as error:
        from seqlab.runs.layout import RunError
        from seqlab.spec import SpecError

        if not isinstance(error, RunError | SpecError):
            raise
        console.say(str(error))
        sys.exit(Exit.USAGE)
    sys.exit(Exit.OK)


def _drop_output() -> None:
    """Let what is left of stdout go nowhere, so that Python does not fail at it again when it ends."""
    with contextlib.suppress(AttributeError, OSError):  # there may be no stdout, or none with a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


for command in (training.run, training.resume, training.fork, training.replay):
    cli.add_command(command)
for command in (tools.presets, tools.schema, tools.bench, tools.check, tools.export):
    cli.add_command(command)
for command in (tools.config, tools.doctor):
    cli.add_command(command)


@cli.command()
@click.argument("spec", required=False)
@options.overrides
@options.out
@options.threads
@options.looks
def lab(
    spec: str | None, overrides: tuple[str, ...], out: Path | None, threads: int | None, **looks: Any
) -> None:
    """Open the lab; with SPEC (a preset, a file or a run folder) it starts at once.

    Without SPEC, -s fills in fields of the form.
    """
    _needs_terminal()
    from seqlab.settings import load_settings
    from seqlab.tui.run import run_lab

    def read(note: Callable[[str], None]) -> Spec:
        from seqlab.spec import load_spec

        assert spec is not None
        return load_spec(spec, overrides, note)

    source, settings = (spec, read) if spec is not None else None, load_settings(**looks)
    sys.exit(run_lab(source, overrides=overrides, out=out, threads=threads, settings=settings))


@cli.command()
@click.argument("run", required=False)
@options.out
@options.looks
def watch(run: str | None, out: Path | None, **looks: Any) -> None:
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
    from seqlab.settings import load_settings
    from seqlab.tui.run import run_lab

    sys.exit(run_lab(watch=folder, out=out, settings=load_settings(**looks)))


@cli.command()
@options.out
@options.as_json
@click.option("--list", "as_list", is_flag=True, help="A line each, on a terminal too.")
@options.looks
def runs(out: Path | None, as_json: bool, as_list: bool, **looks: Any) -> None:
    """Browse all runs on a terminal; elsewhere list them, newest first."""
    if not (as_json or as_list) and _has_terminal():
        from seqlab.settings import load_settings
        from seqlab.tui.run import run_lab

        sys.exit(run_lab(out=out, settings=load_settings(**looks), runs=True))
    from seqlab.runs.listing import Listing
    from seqlab.runs.summary import fields

    listing = Listing(out)
    rows = listing.poll(specs=sys.maxsize if as_json else 0)
    if as_json:
        for row in rows:
            console.emit(**fields(row))
        return
    if not rows:
        console.say(f"there are no runs in {listing.home}; seqlab run PRESET makes one")
    for row in rows:
        console.tell(console.run_line(row, time.time()))


def _has_terminal() -> bool:
    there = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return there and os.environ.get("TERM") != "dumb"


def _needs_terminal() -> None:
    if not _has_terminal():
        console.say("the lab needs a terminal; without one, seqlab run SPEC trains and seqlab runs lists")
        sys.exit(Exit.USAGE)
