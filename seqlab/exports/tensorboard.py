"""Metrics for TensorBoard: an event file, written without TensorFlow.

A log folder holds a folder for each run, and that the run's event file, which bears the time at which the run
started: exported again, a run replaces itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from seqlab.exports.base import Export, Format, Outputs
from seqlab.runs import files
from seqlab.runs.layout import RunError

if TYPE_CHECKING:
    from seqlab.runs.run import Run

_VERSION = "brain.Event:2"


class TensorBoard(Format):
    """An event file with every metric as a scalar."""

    summary: ClassVar[str] = "every metric as a scalar, in a log folder for TensorBoard"
    rank: ClassVar[int] = 4
    extra: ClassVar[str] = "tensorboard"
    libraries: ClassVar[tuple[str, ...]] = ("tensorboardX",)
    of_a_step: ClassVar[bool] = False

    to: Literal["tensorboard"] = "tensorboard"

    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """Write into the log folder `out`, or `tensorboard`."""
        folder = Path("tensorboard") if out is None else out
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder}: is a file; {self.to} writes into a folder")
        started = min((files.number(event["time"]) for event in run.events), default=0.0)
        path = folder / run.name / f"events.out.tfevents.{int(started):010d}.seqlab"
        return Export({path: events(run, started)}, (f"tensorboard --logdir {folder} shows it",))


def events(run: Run, started: float) -> bytes:
    """An event file with an event for each row; its time is that of training, counted from `started`.

    Raises:
        RunError: there are no metrics yet.
    """
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    series = run.metrics
    wall = series.get("wall")
    names = [name for name in series if "/" in name]
    if wall is None or not names:
        raise RunError(f"{run.path}: has no metrics yet")
    rows: dict[int, list[tuple[str, float]]] = {}
    for name in sorted(names):
        for at, value in zip(series[name].steps.tolist(), series[name].values.tolist(), strict=True):
            rows.setdefault(at, []).append((name, value))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        writer = RecordWriter(str(path))
        writer.write(Event(wall_time=started, file_version=_VERSION).SerializeToString())
        for at, values in sorted(rows.items()):
            with np.errstate(over="ignore"):
                scalars = [Summary.Value(tag=tag, simple_value=np.float32(value)) for tag, value in values]
            event = Event(wall_time=started + wall.at(at), step=at, summary=Summary(value=scalars))
            writer.write(event.SerializeToString())
        writer.close()
        return path.read_bytes()
