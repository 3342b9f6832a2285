"""A run in a notebook: `open_run("20261122-0145")`, then look around.

    run = seqlab.open_run("20261122-0145")
    run.state, run.status.step
    run.metrics["eval/loss"].values
    run.frame(-1).tensors["layer1/state/f"]     # [T, H]
    run.checkpoint().tensors["model.weight_ih_l0"]

Every property looks at the folder anew, so a run can be followed while it trains.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.regular import why
from seqlab.runs import checkpoint, files, layout
from seqlab.runs.checkpoint import Checkpoint
from seqlab.runs.frames import Frame, read_frame
from seqlab.runs.kept import steps_in
from seqlab.runs.layout import RunError
from seqlab.runs.metrics import Series
from seqlab.runs.reader import RungValue, RunReader, Snapshot
from seqlab.runs.rival import Rival
from seqlab.runs.status import Status
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec


def open_run(reference: str | Path, out: Path | None = None) -> Run:
    """Open a run by its path, its name, or the unique start of a name under `out` (default: `layout.home()`).

    Raises:
        RunError: there is none, several fit, or it cannot be read.
    """
    return Run(layout.find_run(str(reference), out))


class Run:
    """A run folder, opened for reading. Its properties raise `RunError` if the folder goes away.

    Args:
        path: the run folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self._reader = RunReader(path)

    def __repr__(self) -> str:
        now = self.snapshot()
        return f"Run({now.name}: {now.state}, step {now.status.step:,} of {now.status.steps:,})"

    def snapshot(self) -> Snapshot:
        """Everything at one moment, consistent in itself."""
        return self._reader.poll()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def spec(self) -> Spec:
        """The resolved spec."""
        return self.snapshot().spec

    @property
    def status(self) -> Status:
        """What the worker last said about itself."""
        return self.snapshot().status

    @property
    def state(self) -> str:
        """`status.state`, or "lost" when the worker is gone without a final state."""
        return self.snapshot().state

    @property
    def env(self) -> Mapping[str, Any]:
        """Versions, processor, threads and start time; empty until the worker has written them."""
        try:
            return files.decode_row(files.read_regular(self.path / layout.ENV, layout.MOST_ENV_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / layout.ENV}: cannot be read: {why(error)}") from error

    @property
    def metrics(self) -> Mapping[str, Series]:
        """Each metric by name: `steps` int64 [n] and `values` float64 [n], at the rows that have it."""
        return self.snapshot().metrics

    @property
    def rows(self) -> int:
        """How many rows of metrics there are."""
        return self.snapshot().rows

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What happened, in order: `time`, `step`, `event`, and the event's fields."""
        return self.snapshot().events

    @property
    def rungs(self) -> tuple[RungValue, ...]:
        """The task's rungs, by formula and as measured on this run's eval split."""
        return self.snapshot().rungs

    @property
    def rival(self) -> Rival | None:
        """What an echo state network reached on the same task, if a lab has asked for it."""
        return self.snapshot().rival

    @property
    def probe(self) -> Tensors | None:
        """The batch all frames show: `inputs [T,B,F]`, `targets [T,B,O]` or `[T,B]`, `mask [T,B]`."""
        return self.snapshot().probe

    @property
    def frames(self) -> list[int]:
        """The steps of the kept frames."""
        return steps_in(self.path / layout.FRAMES)

    def frame(self, step: int = -1) -> Frame:
        """The kept frame of `step`; -1 is the newest, -2 the one before.

        Raises:
            RunError: there is none of that step, or it is damaged.
        """
        there = self.frames
        if step < 0 and -step <= len(there):
            step = there[step]
        if step not in there:
            found = ", ".join(map(str, there)) or "none"
            raise RunError(f"{self.path}: has no frame of step {step}; there are: {found}")
        path = self.path / layout.FRAMES / layout.numbered(step)
        try:
            return read_frame(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read: {why(error)}") from error

    @property
    def checkpoints(self) -> list[int]:
        """The steps of the checkpoints."""
        return checkpoint.checkpoints(self.path)

    def checkpoint(self, step: int | None = None) -> Checkpoint:
        """The checkpoint of `step`, or the latest whole one.

        Raises:
            RunError: there is none of that step, or it is damaged.
        """
        return checkpoint.load_checkpoint(self.path, step, checkpoint.most_bytes(self.spec))

    def wait(self, timeout: float | None = None) -> str:
        """Wait until the run is over or lost, or for `timeout` seconds; returns the state.

        A lost run does not come back by itself, so it ends the waiting too.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (state := self.state) not in layout.FINAL_STATES | {"lost"}:
            if deadline is not None and time.monotonic() >= deadline:
                break
            time.sleep(0.1)
        return state
