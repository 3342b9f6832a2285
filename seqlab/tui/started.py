"""The runs that this lab has started or looked at: who trains them, and what to say of them on leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker
    from seqlab.spec.schema import Spec
    from seqlab.tui.standby import Standby


class Started:
    """Starts runs, and remembers them.

    Args:
        worker_factory: starts a worker; None for no worker.
        out: where new runs go; None for the usual place.

    Attributes:
        workers: those that this lab started, dead ones included.
        folders: of the runs that were started or looked at, in that order.
    """

    def __init__(self, worker_factory: Callable[[], Worker] | None, out: Path | None) -> None:
        self.worker_factory, self._out = worker_factory, out
        self.workers: list[Worker] = []
        self.folders: list[Path] = []
        self._ended: list[Worker] = []

    async def run(self, spec: Spec, standby: Standby) -> Worker:
        """Make a run folder and send a worker to it. No screen waits for the disk.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
        """
        from seqlab.runs.layout import create_run

        return self._send(await asyncio.to_thread(create_run, spec, self._out), standby)

    async def fork(self, origin: Path, step: int, overrides: Sequence[str]) -> Worker:
        """Make a fork of a run and send a worker to it.

        Raises:
            RunError: the folder cannot be made, or no worker can be started.
            SpecError: the fork cannot be what is asked for.
        """
        from seqlab.runs.fork import create_fork
        from seqlab.tui.standby import Standby

        folder = await asyncio.to_thread(create_fork, origin, step, overrides, self._out)
        return self._send(folder, Standby(self.worker_factory))

    def worker_of(self, folder: Path) -> Worker | None:
        """The living worker that trains a run, if it was started here. The run is remembered in any case."""
        if folder not in self.folders:
            self.folders.append(folder)
        return next((each for each in self.workers if each.folder == folder and each.alive), None)

    def just_ended(self) -> list[Path]:
        """The runs of workers that have ended since this was asked last."""
        ended = [worker for worker in self.workers if not worker.alive and worker not in self._ended]
        self._ended += ended
        return [worker.folder for worker in ended if worker.folder is not None]

    def farewell(self) -> list[str]:
        """What to say after leaving: which runs go on or wait, and how to come back to them."""
        from seqlab.runs.layout import FINAL_STATES, RunError, home
        from seqlab.runs.liveness import read_state

        ended = {worker.folder for worker in self.workers if not worker.alive}
        lines = []
        for folder in self.folders:
            if folder in ended:  # though its last state may not say so
                continue
            with suppress(RunError, OSError):
                status, state = read_state(folder)
                if state not in FINAL_STATES and state != "lost":
                    where = f"{state}, step {status.step:,} of {status.steps:,}"
                    named = folder.name if folder.parent == home() else str(folder)
                    goes = "it stays paused" if state == "paused" else "training goes on"
                    lines.append(f"{folder.name}: {where}; {goes}.")
                    lines.append(f"  seqlab watch {named}   comes back to it")
        return lines

    def let_go(self) -> None:
        """Let the workers of all runs go; they train on."""
        for worker in self.workers:
            worker.close()

    def _send(self, folder: Path, standby: Standby) -> Worker:
        worker = standby.run(folder)
        self.workers.append(worker)
        return worker
