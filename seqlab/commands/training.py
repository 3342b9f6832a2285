"""The commands that train: a new run, one that goes on, one that branches off, one that is made again."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from seqlab import console, foreground, options

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.runs.replay import Replay
    from seqlab.spec import Spec


@click.command()
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
    chosen = options.load(spec, overrides)
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
        sys.exit(_exit_code(*ends))
    if None in judged:
        sys.exit(options.Exit.NOT_MET)
    outcomes = combine([verdict for verdict in judged if verdict is not None])
    for line in console.outcomes_in_words(outcomes):
        console.say(line)
    sys.exit(options.Exit.OK if all(outcome.met for outcome in outcomes) else options.Exit.NOT_MET)


@click.command()
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
    _to_its_end(folder, worker, as_json, found.spec.training.seed, detach)


@click.command()
@click.argument("run")
@click.option("--step", type=click.IntRange(0), metavar="N", help="From that step; else where RUN is now.")
@options.overrides
@options.out
@options.as_json
@options.detach
@options.threads
def fork(
    run: str,
    step: int | None,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    detach: bool,
    threads: int | None,
) -> None:
    """Go on from a step of RUN, with its weights and on the same data, with what you change.

    RUN goes on as it was. What a fork is now is that of RUN's latest checkpoint.
    """
    from seqlab.runs.follow import begin
    from seqlab.runs.fork import create_fork
    from seqlab.runs.layout import find_run
    from seqlab.spec import load_spec

    origin = find_run(run, out)
    folder, worker = begin(lambda: create_fork(origin, step, overrides, out, console.say), threads)
    spec = load_spec(folder)
    assert spec.fork is not None
    console.say(f"{folder.name} goes on from step {spec.fork.step:,} of {spec.fork.run}")
    _to_its_end(folder, worker, as_json, spec.training.seed, detach)


@click.command()
@click.argument("run")
@options.out
@options.as_json
@options.threads
def replay(run: str, out: Path | None, as_json: bool, threads: int | None) -> None:
    """Train RUN again from its record, and say whether every bit is the same."""
    from seqlab.runs.follow import begin
    from seqlab.runs.harmless import harmless
    from seqlab.runs.layout import find_run
    from seqlab.runs.replay import create_replay

    found = find_run(run, out)
    made: list[Replay] = []

    def make() -> Path:
        made.append(create_replay(found, out))
        return made[0].folder

    folder, worker = begin(make, threads)
    again = made[0]
    console.say(f"{harmless(again.run.name)} is made again up to step {again.until:,}, in {folder}")
    last = foreground.follow(folder, worker, as_json, again.seed)
    if last.state in ("failed", "lost"):
        foreground.report(last, as_json, again.seed, None)
        sys.exit(options.Exit.NOT_MET)
    sys.exit(options.Exit.OK if _is_identical(again, as_json) else options.Exit.NOT_MET)


def _to_its_end(folder: Path, worker: Worker, as_json: bool, seed: int, detach: bool) -> NoReturn:
    """Follow a run, say how it ended, and exit with what that makes the code; or leave it alone at once."""
    if detach:
        foreground.leave(folder, worker, as_json)
    last = foreground.follow(folder, worker, as_json, seed)
    foreground.report(last, as_json, seed, None)
    sys.exit(_exit_code(last.state))


def _exit_code(*states: str) -> options.Exit:
    """What the states in which runs ended make the exit code."""
    well = all(state in ("finished", "stopped") for state in states)
    return options.Exit.OK if well else options.Exit.NOT_MET


def _is_identical(again: Replay, as_json: bool) -> bool:
    """Compare a run with its replay, and say what was found."""
    from seqlab.runs.record import differences, environment
    from seqlab.runs.replay import compare

    found = compare(again)
    elsewhere = differences(environment(again.run), environment(again.folder))
    if elsewhere:
        console.say(f"it was made in another environment, where bits may differ: {'; '.join(elsewhere)}")
    if again.left:
        rows = "1 row" if again.left == 1 else f"{again.left:,} rows"
        console.say(f"{rows} after step {again.until:,} were not made again: no checkpoint follows them")
    if as_json:
        console.emit(
            event="replayed",
            run=str(again.run),
            replay=str(again.folder),
            identical=found is None,
            rows=len(again.rows),
            step=again.checkpoint.step,
            rows_left=again.left,
            environment_differs=elsewhere,
            difference=None if found is None else asdict(found),
        )
    elif found is None:
        rows = "1 row" if len(again.rows) == 1 else f"{len(again.rows):,} rows"
        console.tell(f"identical: {rows} and the weights at step {again.checkpoint.step:,}")
    else:
        console.tell(f"different: {found}")
    return found is None


def _initial(source: str, spec: Spec, weights: Path | None) -> bytes | None:
    """The weights that a run shall start from, as its folder keeps them, if any are given."""
    from seqlab.runs.harmless import harmless
    from seqlab.runs.initial import read_weights
    from seqlab.runs.layout import INITIAL

    if weights is not None:
        return read_weights(weights, spec)
    if spec.fork is not None:
        again = f"seqlab fork {harmless(spec.fork.run)} --step {spec.fork.step}"
        console.say(
            f"that run is a fork; this one begins with weights of its own, and {again} makes another fork"
        )
    if (before := Path(source) / INITIAL).is_file():
        console.say(f"that run started from weights of its own; --init-from {before} starts from them, too")
    return None


def _with_seed(spec: Spec, seed: int) -> dict[str, Any]:
    data = spec.model_dump(exclude_none=True)
    return {**data, "training": {**data["training"], "seed": seed}}
