"""Forks: a run that goes on from a step of another one, on the same data, with something changed.

`create_fork` makes its folder, which needs the other one no more: in `origin/` it holds that run's spec, its
nearest checkpoint from before the step, and from then on the changes that were made to it and the rows that
say how it stood with early stopping. The worker goes from that checkpoint to the step as the other run did,
with the same bits, and from there on under the fork's own spec. So any step can be gone on from, not only one
that was kept.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.regular import why
from seqlab.runs import checkpoint, files, layout, record
from seqlab.runs.checkpoint import Checkpoint, load_checkpoint
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader, Snapshot

if TYPE_CHECKING:
    from seqlab.spec.files import Note
    from seqlab.spec.schema import Spec
    from seqlab.spec.steerable import Change

_MOST_NAME = 255


@dataclass(frozen=True)
class Origin:
    """What a fork goes on from.

    Attributes:
        spec: of the run that it comes from.
        changes: that were made to that run, up to the step of the fork.
        checkpoint: of a step at or before that of the fork.
        rows: lines of its metrics.jsonl after the checkpoint, up to the step of the fork, by their steps;
            none if it does not stop early.
    """

    spec: Spec
    changes: tuple[Change, ...]
    checkpoint: Checkpoint
    rows: Mapping[int, bytes]

    def followed(self) -> list[tuple[int, float]]:
        """What early stopping was told since the checkpoint: steps and values, NaN for those unknown."""
        every, metric = self.spec.training.eval_every, self.spec.training.stop.metric
        found = []
        for step, line in self.rows.items():
            if step % every == 0:
                value = math.nan
                with contextlib.suppress(ValueError):
                    value = files.number(json.loads(line).get(metric))
                found.append((step, value))
        return found


def create_fork(
    folder: Path,
    step: int | None = None,
    what: Spec | Iterable[str] = (),
    out: Path | None = None,
    note: Note | None = None,
) -> Path:
    """Make the folder of a fork of the run in `folder`, which may be under way and goes on as it was.

    Args:
        folder: the run.
        step: which it has reached; None for that of its latest checkpoint.
        what: the fork's spec, or what it overrides; see `spec.forking.fork_of`.
        out: where to make the folder; see `layout.create_run`.
        note: is told in words what an override reset.

    Returns:
        The new folder, which a worker can train like any other.

    Raises:
        RunError: the run has no such step, or no checkpoint from before it.
        SpecError: the fork cannot be what is asked for; every problem is named.
    """
    from seqlab.spec.forking import fork_of
    from seqlab.spec.steerable import STEPS, Change

    snapshot = RunReader(folder).poll()
    folder, spec = snapshot.folder, snapshot.spec
    base = _checkpoint_before(folder, spec, step)
    step = base.step if step is None else step
    _check_reached(snapshot, step)
    made = record.recorded_changes(folder)
    planned = as_planned(spec, made, step)
    name = harmless(folder.name)[:_MOST_NAME] or "?"  # written out, it may be longer than a name can be
    fork = fork_of(planned, name, step, what, note)
    changes = [change for change in made if change.step <= step and change.field != STEPS]
    more = _files(folder, base, changes, _rows_between(folder, spec, base.step, step))
    end = planned.training.steps
    if fork.training.steps == end != spec.training.steps:  # lengthened, as its origin is
        # A schedule keeps to the steps of the spec.
        fork = _with_steps(fork, spec.training.steps)
        more[layout.EVENTS] = record.encode_changes([Change(step + 1, STEPS, end)], time.time())
    return layout.create_run(fork, out, more=more)


def as_planned(spec: Spec, changes: Sequence[Change], step: int) -> Spec:
    """The spec of a fork in which nothing is changed: what is in force after a step, and the end of today.

    Args:
        spec: the run's.
        changes: that were made to it so far, in their order.
        step: that the fork goes on from.

    Raises:
        SpecError: the changes do not go with the spec.
    """
    from seqlab.spec.steerable import with_changes

    return _with_steps(
        with_changes(spec, changes, step + 1), record.planned_ends(spec.training.steps, changes)[-1]
    )


def origin_files(folder: Path, fork: Spec) -> dict[str, bytes]:
    """What a fork has of its origin, for another run that goes on from the same; arguments as below.

    Raises:
        RunError: it is damaged.
    """
    origin = load_origin(folder, fork)
    return _files(folder / layout.ORIGIN, origin.checkpoint, origin.changes, origin.rows)


def load_origin(folder: Path, fork: Spec) -> Origin:
    """What the fork in `folder` goes on from.

    Args:
        folder: the fork's.
        fork: its spec.

    Raises:
        RunError: it is damaged, or is not of this fork.
    """
    from seqlab.spec.files import load_spec
    from seqlab.spec.forking import misfits_of_fork
    from seqlab.spec.problems import SpecError

    assert fork.fork is not None
    layout.check_inner(folder)
    inner = folder / layout.ORIGIN
    try:
        spec = load_spec(inner)
        wrong = list(misfits_of_fork(spec, fork))
    except SpecError as error:
        raise RunError(str(error)) from None
    if wrong:
        raise RunError(f"{inner}: is not what this fork went on from: {wrong[0]}")
    base = load_checkpoint(inner, None, checkpoint.most_bytes(spec))
    if base.step > fork.fork.step or base.metadata.get("digest") != layout.spec_digest(inner):
        raise RunError(
            f"{inner}: its checkpoint of step {base.step:,} is not one that this fork can go on from"
        )
    rows = _rows_between(inner, spec, base.step, fork.fork.step)
    return Origin(spec, tuple(record.recorded_changes(inner)), base, rows)


def _rows_between(folder: Path, spec: Spec, first: int, last: int) -> dict[int, bytes]:
    """The rows of a run that stops early, after one step and up to another."""
    if not spec.training.stop.metric:
        return {}
    return {step: line for step, line in record.rows(folder).items() if first < step <= last}


def _with_steps(spec: Spec, steps: int) -> Spec:
    return spec.model_copy(update={"training": spec.training.model_copy(update={"steps": steps})})


def _files(
    folder: Path, base: Checkpoint, changes: Iterable[Change], rows: Mapping[int, bytes]
) -> dict[str, bytes]:
    """What a fork holds of the run in `folder`, by the paths in its own."""
    content = checkpoint.encode_checkpoint(base.step, base.tensors, base.metadata)
    try:
        spec = files.read_regular(folder / layout.SPEC, layout.MOST_SPEC_BYTES)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / layout.SPEC}: cannot be read: {why(error)}") from error
    found = {
        layout.SPEC: spec,
        layout.EVENTS: record.encode_changes(changes, time.time()),
        f"{layout.CHECKPOINTS}/{layout.numbered(base.step)}": content,
        f"{layout.CHECKPOINTS}/{layout.LATEST}": checkpoint.encode_latest(base.step, content),
    }
    if rows:
        found[layout.METRICS] = layout.METRICS_HEADER + b"".join(line + b"\n" for line in rows.values())
    if environment := record.environment(folder):
        found[layout.ENV] = files.encode_json(environment)
    return {f"{layout.ORIGIN}/{name}": content for name, content in found.items()}


def _checkpoint_before(folder: Path, spec: Spec, step: int | None) -> Checkpoint:
    """The newest whole checkpoint of a run that is not after `step`.

    Raises:
        RunError: there is none.
    """
    most, digest = checkpoint.most_bytes(spec), layout.spec_digest(folder)
    if step is None:
        found = load_checkpoint(folder, None, most)
        if found.metadata.get("digest") == digest:
            return found
    for each in reversed(checkpoint.checkpoints(folder)):
        if step is None or each <= step:
            try:
                found = load_checkpoint(folder, each, most)
            except RunError:  # damaged, or thinned out since it was listed
                continue
            if found.metadata.get("digest") == digest:
                return found
    if spec.fork is not None and step is not None and step < spec.fork.step:
        raise RunError(
            f"{harmless(folder.name)} begins at step {spec.fork.step:,}, where it left "
            f"{harmless(spec.fork.run)}, which has the steps before"
        )
    before = "" if step is None else f" of step {step:,} or before"
    raise RunError(f"{folder}: has no whole checkpoint{before}")


def _check_reached(snapshot: Snapshot, step: int) -> None:
    """Refuse a step that a run has not reached, or after which it had no weights any more."""
    losses = snapshot.metrics.get("train/loss")
    reached = max(
        snapshot.status.step,
        0 if losses is None or not len(losses) else int(losses.steps[-1]),
        0 if snapshot.frame is None else snapshot.frame.step,
        *checkpoint.checkpoints(snapshot.folder),
    )
    name = harmless(snapshot.name)
    if snapshot.state == "diverged" and step >= reached:
        raise RunError(f"{name} diverged at step {reached:,}: a fork must begin before that, not at {step:,}")
    if step > reached:
        raise RunError(f"{name} is at step {reached:,}: there is no step {step:,} to go on from yet")
