"""The worker that stands by while a person is still choosing: it imports, compiles and measures meanwhile.

A worker answers a choice twice: once when it is compiled, once when a step is measured. The next choice is
sent after the first answer, and figures count only after it, so that a figure always belongs to the choice it
is shown with. A worker that dies costs nothing but its figures: the next run starts another.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.runs.launch import Worker
from seqlab.runs.layout import RunError

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

WorkerFactory = Callable[[], Worker]


@dataclass(frozen=True)
class News:
    """Where the worker stands.

    Attributes:
        words: for the top line, short.
        details: what a dead or failing worker left behind; empty if all is well.
        step_ms: milliseconds a step of the choice at hand, once measured.
        run_seconds: how long the whole run would take, once measured.
    """

    words: str = ""
    details: str = ""
    step_ms: float | None = None
    run_seconds: float | None = None


class Standby:
    """Starts workers, keeps one warm, and hands it over to a run.

    Args:
        factory: starts a worker; None for none at all, and then no run can be started.
        again: the key that starts another one in place of a worker that has died.
    """

    def __init__(self, factory: WorkerFactory | None, again: str = "enter") -> None:
        self._factory, self._again = factory, again
        self._worker: Worker | None = None
        self._state: dict[str, Any] = {}
        self._since = 0.0
        self._error = ""
        self._chosen: Spec | None = None
        self._sent: Spec | None = None
        self._compiled = False
        self._step_ms: float | None = None
        self._run_seconds: float | None = None

    def start(self) -> None:
        """Start a worker, unless one is alive."""
        if self._factory is None or (self._worker is not None and self._worker.alive):
            return
        self.close()
        self._error = ""
        try:
            self._worker = self._factory()
        except RunError as error:
            self._error = str(error)
            return
        self._enter({"state": "starting"})

    def choose(self, spec: Spec | None) -> None:
        """Say what would be run now; None if it cannot be."""
        self._chosen = spec
        self._send()

    def poll(self) -> News:
        """Where the worker stands now; never waits."""
        if self._worker is None:
            return News("no worker", self._error) if self._error else News()
        for message in self._worker.states():
            self._hear(message)
        if not self._worker.alive:
            code = self._worker.exit_code
            details = self._worker.stderr_tail() or "it left no word on stderr"
            return News(f"worker ended with exit code {code}; {self._again} starts another", details)
        self._send()
        return self._news()

    def run(self, folder: Path) -> Worker:
        """Hand the worker over to the run in `folder`; another one if this one has died.

        Raises:
            RunError: no worker can be started.
        """
        if self._factory is None:
            raise RunError("there is no worker to start a run with")
        worker = self._worker
        try:
            if worker is None or not worker.alive:
                raise RunError("no worker")
            worker.run(folder)
        except RunError:
            self.close()
            worker = self._factory()
            worker.run(folder)
        self._forget()
        return worker

    def close(self) -> None:
        """Let the worker go."""
        if self._worker is not None:
            self._worker.close()
        self._forget()

    def _forget(self) -> None:
        self._worker, self._sent, self._compiled, self._state = None, None, False, {}
        self._step_ms = self._run_seconds = None

    def _enter(self, message: dict[str, Any]) -> None:
        if message.get("state") != self._state.get("state") or message.get("cell") != self._state.get("cell"):
            self._since = time.monotonic()
        self._state = message

    def _hear(self, message: dict[str, Any]) -> None:
        self._enter(message)
        measured = message.get("step_ms")
        if message["state"] == "error" or (message["state"] == "ready" and measured is None):
            self._compiled = True
        elif measured is not None and self._compiled:
            self._step_ms, self._run_seconds = measured, message.get("run_seconds")

    def _send(self) -> None:
        """Send the newest choice, once the one before it is compiled."""
        worker, chosen = self._worker, self._chosen
        if (
            worker is None
            or chosen is None
            or chosen == self._sent
            or not (self._sent is None or self._compiled)
        ):
            return
        self._sent, self._compiled = chosen, False
        self._step_ms = self._run_seconds = None
        with contextlib.suppress(RunError):  # a dead worker is noticed by `poll`
            worker.warm(chosen.model_dump(mode="json", exclude_none=True))

    def _news(self) -> News:
        state, cell = self._state.get("state"), self._state.get("cell")
        elapsed = f"{time.monotonic() - self._since:.1f} s"
        if state == "ready":
            words = f"worker ready · {cell} compiled in {self._state.get('seconds', 0.0):.1f} s"
            current = self._sent == self._chosen
            return News(words, "", self._step_ms if current else None, self._run_seconds if current else None)
        if state == "error":
            return News("worker error", str(self._state.get("message", "")))
        if state == "compiling":
            return News(f"compiling {cell} {elapsed}")
        return News(f"{'starting a worker' if state == 'starting' else 'importing numba'} {elapsed}")
