"""The commands beside training: they describe, measure, check and export."""

from __future__ import annotations

import json
from pathlib import Path

import click

from seqlab import console, options


@click.command()
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
            console.tell(f"{preset:<18} {spec.title}")
            for claim in claims:
                console.tell(f"{'':<18}   {claim}")
        else:
            console.tell((known()[preset].read_text() if preset in known() else spec.about).rstrip())


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from seqlab.spec import Spec

    click.echo(json.dumps(Spec.model_json_schema(), indent=2))


@click.command()
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
    chosen = options.load(spec if spec is not None else first, overrides + given)
    request = {
        "spec": chosen.model_dump(mode="json", exclude_none=True),
        "recording": recording,
        "json": as_json,
    }
    replace_by("seqlab.bench", json.dumps(request), threads=threads)


@click.command()
@click.argument("spec")
@options.overrides
@click.option(
    "--entries", type=click.IntRange(1), default=200, help="Of each block, at most.", show_default=True
)
@options.as_json
def check(spec: str, overrides: tuple[str, ...], entries: int, as_json: bool) -> None:
    """Compare the gradient of SPEC with central differences in float64; exit 1 if it is wrong."""
    from seqlab.runs.launch import replace_by

    chosen = options.load(spec, overrides)
    request = {"spec": chosen.model_dump(mode="json", exclude_none=True), "entries": entries, "json": as_json}
    replace_by("seqlab.check", json.dumps(request), threads=1)


@click.command(cls=options.WithFormats)
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


@click.group()
def config() -> None:
    """Where the settings of the lab stand, and what they are."""


@config.command()
def path() -> None:
    """Print the path of config.toml, whether there is one or not."""
    from seqlab.settings import config_path

    console.tell(str(config_path()))


@config.command()
def show() -> None:
    """Print the settings in force, as a config.toml to begin with."""
    from seqlab.settings import load_settings, to_toml

    console.tell(to_toml(load_settings()).rstrip())


@click.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what this machine, its libraries and this terminal offer."""
    from seqlab.doctor import findings

    found = findings()
    if as_json:
        console.emit(**{name: dict(pairs) for name, pairs in found.items()})
        return
    for name, pairs in found.items():
        console.tell(name)
        for key, value in pairs:
            console.tell(f"  {key:<14} {value}")
