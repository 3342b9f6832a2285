"""Starting workers: a process in a session of its own, with JSON lines on its pipes.

A worker may be started before anyone knows what it will train: `warm` makes it import and compile while the
person is still choosing, `run` sends it to work. From then on it writes to the run folder and needs nobody; a
worker whose input ends before that goes away.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import seqlab
from seqlab.runs import control, files, layout
from seqlab.runs.harmless import harmless_lines
from seqlab.runs.layout import RunError

MODULE = "seqlab.worker"

#: How many threads the libraries below NumPy start, beside our own; read once, when NumPy is imported.
BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Worker:
    """A worker process.

    It says where it is in dictionaries with `state` ("importing", "compiling", "ready" or "error") and what
    belongs to it: `cell`, `seconds`, `step_ms`, `message`.

    Args:
        threads: for training; None leaves it to `SEQLAB_THREADS` and the worker.
        module: the module to start.

    Raises:
        RunError: no process can be started.
    """

    def __init__(self, threads: int | None = None, module: str = MODULE):
        reap_all()
        environment = environment_for(threads)
        chosen_threads(environment)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the worker
        try:
            self._process = subprocess.Popen(
                # -P: a file in the current folder must not stand in for a module.
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            self._stderr.close()
            raise RunError(f"{sys.executable}: cannot start a worker: {error.strerror}") from error
        self.folder: Path | None = None
        self._said: deque[dict[str, Any]] = deque(maxlen=1000)
        self._latest: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._listen, name="worker-states", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """None while the process runs, -n if signal n ended it. Asking also reaps it."""
        return self._process.poll()

    @property
    def latest(self) -> Mapping[str, Any]:
        """The last thing the worker said; empty before it has said anything."""
        return self._latest

    def states(self) -> list[dict[str, Any]]:
        """What the worker said since the last call; never waits."""
        said = []
        with contextlib.suppress(IndexError):
            while True:
                said.append(self._said.popleft())
        return said

    def warm(self, spec: Mapping[str, Any]) -> None:
        """Let the worker import and compile what `spec` (resolved, as plain JSON types) needs.

        Raises:
            RunError: the worker has died.
        """
        self._send({"warm": dict(spec)})

    def run(self, folder: Path, steps: int | None = None) -> None:
        """Let the worker train the run in `folder`, up to `steps` if given; it then needs nobody.

        Commands sent to the run before this moment are not obeyed.

        Raises:
            RunError: the worker has died.
        """
        message: dict[str, Any] = {"run": str(folder.absolute()), "since": control.next_number(folder)}
        if steps is not None:
            message["steps"] = steps
        self._send(message)
        self.folder = folder

    def stop(self) -> None:
        """Ask the worker to stop its run with a checkpoint, if need be without the disk."""
        assert self.folder is not None
        try:
            control.send(self.folder, "stop")
        except RunError:  # the disk is full, and nobody else can tell yet whose run it is
            self._process.terminate()

    def reap(self, timeout: float | None = None) -> int | None:
        """Wait for the process to end, `timeout` seconds at most; its exit code, or None if it still runs."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stderr_tail(self, most: int = 4000) -> str:
        """What the worker wrote to stderr last before it had a run, fit for a terminal; for early deaths."""
        try:
            size = os.fstat(self._stderr.fileno()).st_size
            content = os.pread(self._stderr.fileno(), most, max(0, size - most))
        except (OSError, ValueError):  # closed
            return ""
        return harmless_lines(content.decode(errors="replace").strip())

    def close(self) -> None:
        """End the worker's input: it goes away if it has no run, and goes on if it has one."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        # Popen complains when it is thrown away while its process runs, which is what a run wants.
        _let_go.append(self)
        reap_all()

    def _release(self) -> None:
        self._thread.join(1.0)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            stream.flush()
        except (OSError, ValueError) as error:
            raise RunError(self._obituary()) from error

    def _obituary(self) -> str:
        code = self.reap(1.0)
        how = "does not listen any more" if code is None else f"ended with exit code {code}"
        last = self.stderr_tail().splitlines()[-1:]
        return ": ".join([f"the worker {how}", *last])

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            for line in stream:
                try:
                    message = json.loads(line)
                except ValueError:  # a library that prints
                    continue
                if isinstance(message, dict) and isinstance(message.get("state"), str):
                    self._latest = message
                    self._said.append(message)


#: Closed workers whose processes may still run.
_let_go: list[Worker] = []


def reap_all() -> None:
    """Reap the closed workers that have ended meanwhile; `Worker` does so whenever one is made or closed."""
    for worker in [each for each in _let_go if not each.alive]:
        _let_go.remove(worker)
        worker._release()


def replace_by(module: str, *arguments: str, threads: int | None = None) -> NoReturn:
    """Let this process become one that trains: `python -m module arguments`, with signals and streams kept.

    Raises:
        RunError: it cannot be started.
    """
    environment = environment_for(threads)
    chosen_threads(environment)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    try:
        os.execve(sys.executable, [sys.executable, "-P", "-m", module, *arguments], environment)
    except OSError as error:
        raise RunError(f"{sys.executable}: cannot start {module}: {error.strerror}") from error


def chosen_threads(environment: Mapping[str, str]) -> int | None:
    """The number of threads that `SEQLAB_THREADS` asks for; None if it does not.

    Raises:
        RunError: it does not hold a number of threads.
    """
    chosen = environment.get("SEQLAB_THREADS")
    if not chosen:
        return None
    if not (chosen.isascii() and chosen.isdigit() and 1 <= int(chosen[:9]) <= 1024):
        raise RunError(f"SEQLAB_THREADS is {chosen!r}: it must be a number of threads from 1 to 1024")
    return int(chosen)


def worker_log_tail(folder: Path, lines: int = 20) -> list[str]:
    """The last lines of a run's worker.log, fit for a terminal; none if there is no such file."""
    try:
        with files.open_regular(folder / layout.LOG) as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - 400 * lines))
            content = log.read()
    except (OSError, ValueError):
        return []
    found = content.decode(errors="replace").splitlines()
    return [harmless_lines(line) for line in found[-lines:]] if lines > 0 else []


def environment_for(threads: int | None, blas: int = 1) -> dict[str, str]:
    """The environment of a process that trains.

    Args:
        threads: for training; None leaves it to `SEQLAB_THREADS` and the process.
        blas: for the libraries below NumPy, which take no part in training.
    """
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, str(blas))}
    if threads is not None:
        environment["SEQLAB_THREADS"] = str(threads)
    root = str(Path(seqlab.__path__[0]).resolve().parent)
    if root not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        # Run from its source folder: -P would hide it from the worker.
        paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
