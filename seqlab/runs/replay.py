"""Replays: a run made again from its record, and held against what it was.

`create_replay` makes a folder with the run's spec, what it began with, and every change that was made to it;
a worker that trains it makes the same steps. `compare` looks for the first difference: in the rows, in all
but the time that they took, and in the tensors of the run's last checkpoint, bit for bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs import checkpoint, files, layout, record
from seqlab.runs.checkpoint import Checkpoint, load_checkpoint
from seqlab.runs.fork import origin_files
from seqlab.runs.harmless import harmless
from seqlab.runs.initial import load_initial
from seqlab.runs.layout import RunError
from seqlab.runs.reader import RunReader
from seqlab.runs.tensors import Tensors

_WITHOUT = "wall"
"""What no two runs have in common."""


@dataclass(frozen=True)
class Replay:
    """A run, as it was when its replay was made.

    Attributes:
        run: the run's folder.
        folder: the replay's.
        seed: what draws the weights and the data of both.
        until: the step up to which it is made again.
        rows: the run's rows up to there, as their lines stand in metrics.jsonl, by their steps.
        left: how many rows it has beyond that, which no checkpoint follows.
        checkpoint: the run's last one up to there.
    """

    run: Path
    folder: Path
    seed: int
    until: int
    rows: Mapping[int, bytes]
    left: int
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Difference:
    """The first difference between a run and its replay.

    Attributes:
        step: where.
        field: of a row, or a tensor of a checkpoint with the index of the number; "" for the whole row or
            checkpoint.
        run: what the run has; None for nothing.
        replay: likewise.
    """

    step: int
    field: str
    run: Any
    replay: Any

    def __str__(self) -> str:
        one, other = ("nothing" if each is None else harmless(str(each)) for each in (self.run, self.replay))
        if not self.field:
            return f"step {self.step:,}: the {'run' if self.run is None else 'replay'} has no row"
        return f"step {self.step:,}: {harmless(self.field)} is {one} in the run, {other} in the replay"


def create_replay(folder: Path, out: Path | None = None) -> Replay:
    """Make the folder in which a run is made again, up to where it got.

    A run that is under way, was lost or has failed is made again up to its latest checkpoint.

    Args:
        folder: the run.
        out: where to make the folder; see `layout.create_run`.

    Raises:
        RunError: the run has no checkpoint to compare with, or the weights that it began with are gone.
    """
    snapshot = RunReader(folder).poll()
    run, spec = snapshot.folder, snapshot.spec
    most = checkpoint.most_bytes(spec)
    last = load_checkpoint(run, None, most)
    if last.metadata.get("digest") != layout.spec_digest(run):
        raise RunError(f"{run}: {layout.SPEC} was edited after checkpoint {last.step:,} was made")
    # One that diverged has made a row of the step that went wrong, but no weights.
    until = snapshot.status.step if snapshot.state == "diverged" else last.step
    rows = record.rows(run)
    before = [str(event.get("sha256")) for event in record.events(run, "initialised")]
    now = time.time()
    event = {"time": now, "step": 0, "event": "replay", "run": harmless(run.name), "until": until}
    changes = record.encode_changes(record.recorded_changes(run), now)
    more = {layout.EVENTS: files.encode_row(event) + changes}
    if spec.fork is not None:
        more |= origin_files(run, spec)
    elif load_initial(run, most, before[-1] if before else None) is not None:
        more[layout.INITIAL] = files.read_regular(run / layout.INITIAL, most)
    return Replay(
        run=run,
        folder=layout.create_run(spec, out, more=more),
        seed=spec.training.seed,
        until=until,
        rows={step: line for step, line in rows.items() if step <= until},
        left=sum(step > until for step in rows),
        checkpoint=last,
    )


def compare(replay: Replay) -> Difference | None:
    """The first difference between a run and its replay, which is over; None if there is none."""
    made = record.rows(replay.folder)
    for step in sorted(replay.rows.keys() | made.keys()):
        one, other = (_fields(lines.get(step)) for lines in (replay.rows, made))
        if one is None or other is None:
            return Difference(
                step, "", "there" if one is not None else None, "there" if other is not None else None
            )
        for field in [*one, *(name for name in other if name not in one)]:
            if one.get(field) != other.get(field):
                return Difference(step, field, one.get(field), other.get(field))
    step = replay.checkpoint.step
    try:
        again = load_checkpoint(replay.folder, step)
    except RunError as error:
        return Difference(step, "the checkpoint", "there", str(error))
    return _first_differing(step, replay.checkpoint.tensors, again.tensors)


def _fields(line: bytes | None) -> dict[str, Any] | None:
    if line is None:
        return None
    row: dict[str, Any] = json.loads(line)
    row.pop(_WITHOUT, None)
    return row


def _first_differing(step: int, before: Tensors, after: Tensors) -> Difference | None:
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one is None or other is None or (one.dtype, one.shape) != (other.dtype, other.shape):
            return Difference(step, name, _kind(one), _kind(other))
        if one.tobytes() != other.tobytes():
            bits = [np.ascontiguousarray(each).reshape(-1).view(f"V{each.itemsize}") for each in (one, other)]
            place = int(np.flatnonzero(bits[0] != bits[1])[0])
            index = ", ".join(map(str, np.unravel_index(place, one.shape)))
            return Difference(step, f"{name}[{index}]", one.flat[place].item(), other.flat[place].item())
    return None


def _kind(tensor: NDArray[Any] | None) -> str | None:
    return None if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"
