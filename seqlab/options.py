"""What commands share: exit codes, options, also those that take more than a line, and reading a spec."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seqlab import console

if TYPE_CHECKING:
    from seqlab.spec import Spec

Command = TypeVar("Command", bound=Callable[..., Any])


class Exit(IntEnum):
    """Exit codes; a signal n gives 128 + n."""

    OK = 0
    NOT_MET = 1
    USAGE = 2
    HANGUP = 128 + 1
    INTERRUPTED = 128 + 2
    TERMINATED = 128 + 15


overrides = click.option(
    "-s", "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override a field of the spec."
)
out = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where run folders are kept."
)
threads = click.option("--threads", type=click.IntRange(1, 1024), help="For training; changes no bit of it.")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines.")
detach = click.option("--detach", is_flag=True, help="Start, print the run folder, and leave it running.")
FILE = click.Path(path_type=Path)

SHAPE = {
    "cell": ("C", "model.cell"),
    "hidden": ("H", "model.hidden"),
    "batch": ("B", "training.batch_size"),
    "length": ("T", "task.length"),
    "layers": ("N", "model.layers"),
    "truncation": ("K", "training.truncation"),
}


class FormatName(click.ParamType):  # type: ignore[type-arg]  # which older versions do not know
    """The names of the formats, which are found only once a command line asks for them."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Every name, as a usage line shows a choice."""
        from seqlab.exports import FORMATS

        return f"[{'|'.join(FORMATS)}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if there is a format of it.

        Raises:
            click.BadParameter: There is none; names the nearest.
        """
        from seqlab.exports import FORMATS
        from seqlab.spec.problems import did_you_mean

        if value not in FORMATS:
            self.fail(f"{value!r} is not one of {did_you_mean(value, FORMATS)}", param, ctx)
        return value

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """What a line without a format is told."""
        from seqlab.exports import FORMATS

        return f"One of {', '.join(FORMATS)}"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The names that begin so."""
        from click.shell_completion import CompletionItem

        from seqlab.exports import FORMATS

        return [CompletionItem(name) for name in FORMATS if name.startswith(incomplete)]


class WithFormats(click.Command):
    """A command whose help says what the formats are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A list of the formats below the options."""
        from seqlab.exports import FORMATS

        with formatter.section("Formats"):
            formatter.write_dl([(name, each.summary) for name, each in FORMATS.items()])


LOOKS = (
    click.option("--theme", metavar="NAME", help="Of the screen; ctrl+p shows them."),
    click.option("--charset", metavar="SET", help="braille, block or ascii, to draw curves with."),
    click.option("--fps", type=float, metavar="N", help="Pictures a second; else by the connection."),
    click.option("--mouse/--no-mouse", default=None, help="Leave the mouse to the terminal with --no-mouse."),
)


def looks(command: Command) -> Command:
    """Options that say how the lab looks, instead of config.toml."""
    for option in reversed(LOOKS):
        command = option(command)
    return command


def shape(command: Command) -> Command:
    """Options of their own for what is varied most; the spec says what they may be."""
    for name, (letter, field) in reversed(SHAPE.items()):
        command = click.option(f"--{name}", metavar=letter, help=f"Short for -s {field}={letter}.")(command)
    return command


def load(source: str | dict[str, dict[str, str]], overrides: tuple[str, ...]) -> Spec:
    """Read a spec, and say on stderr what the overrides reset.

    Raises:
        SpecError: with every problem.
    """
    from seqlab.spec import load_spec

    return load_spec(source, overrides, note=console.say)
