"""Whether a run's worker is alive: its lock, its process, its heartbeat.

A worker holds `worker.lock` by flock for as long as it lives, so the kernel itself lets go when the worker is
killed, and nobody has to clean up. Readers work out "lost" from that; it is never written down.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import math
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from seqlab.runs import files, layout
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import NewerFormatError, RunError
from seqlab.runs.status import Status

#: Seconds a run may be "starting" before its worker must hold the lock.
STARTING_GRACE = 60.0
#: Seconds without a heartbeat after which a run on another host counts as lost.
REMOTE_GRACE = 600.0
#: What flock says where the file system has no locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


class LockedError(RunError):
    """Another worker holds the run."""


class WorkerLock:
    """Holds `worker.lock` from construction to `release`.

    Raises:
        LockedError: another worker holds it; the message names its process and host.
        RunError: the lock file cannot be made.
    """

    def __init__(self, folder: Path):
        path = folder / layout.LOCK
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise RunError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            self._take(folder)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, files.encode_row(this_process()), 0)
        except OSError as error:
            os.close(self._descriptor)
            raise RunError(f"{path}: cannot be written: {error.strerror}") from error
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let go of the run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, folder: Path) -> None:
        deadline = time.monotonic() + 1.0  # a reader that tests the lock holds it for an instant
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(f"{folder}: {self._holder()} is already training this run") from None
                time.sleep(0.01)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                if self._holder_lives():
                    raise LockedError(f"{folder}: {self._holder()} is already training this run") from None
                return

    def _read(self) -> dict[str, object]:
        try:
            return files.decode_row(os.pread(self._descriptor, 4096, 0))
        except ValueError:
            return {}

    def _holder(self) -> str:
        found = self._read()
        where = harmless(str(found.get("host", "an unknown host")))
        return f"process {harmless(str(found.get('pid', '?')))} on {where}"

    def _holder_lives(self) -> bool:
        found = self._read()
        pid = found.get("pid")
        same = found.get("boot_id") == boot_id() and found.get("host") == host()
        return same and isinstance(pid, int) and process_started(pid) == found.get("pid_started")


def read_state(folder: Path) -> tuple[Status, str]:
    """The status of a run and the state to show: the stored one, or "lost".

    Raises:
        RunError: there is no readable status.json, or it has a newer format.
    """
    status = read_status(folder)
    if not _looks_lost(folder, status):
        return status, status.state
    # The worker may have written its last state and let go of the lock between our two looks.
    status = read_status(folder)
    return status, "lost" if _looks_lost(folder, status) else status.state


def read_status(folder: Path) -> Status:
    """What status.json says.

    Raises:
        RunError: it is missing, unreadable (after a few tries: a network disk may show a replaced file late),
            or of a newer format.
    """
    path = folder / layout.STATUS
    for attempt in range(4):
        if attempt:
            time.sleep(0.01)
        try:
            return Status.from_bytes(files.read_regular(path, layout.MOST_STATUS_BYTES))
        except (OSError, ValueError) as error:
            problem: Exception = error
        except NewerFormatError as error:
            raise NewerFormatError(f"{folder}: {error}") from None
    if isinstance(problem, OSError):
        layout.check_run(folder)
        raise RunError(f"{path}: cannot be read: {problem.strerror}") from problem
    raise RunError(f"{path}: is damaged: {problem}") from problem


def silence(folder: Path, status: Status) -> float:
    """Seconds since the last sign of life of a run's worker.

    A heartbeat that lies ahead of our clock says nothing. Then what counts is when the status was written.
    """
    now = time.time()
    heartbeat = status.heartbeat
    if not heartbeat <= now:  # or no number at all
        try:
            heartbeat = os.stat(folder / layout.STATUS).st_mtime
        except OSError:
            heartbeat = now
    return max(0.0, now - heartbeat) if math.isfinite(heartbeat) else math.inf


def is_elsewhere(status: Status) -> bool:
    """Whether the worker of a run is, or was, on another machine, whose locks are not seen here."""
    same_boot = bool(status.boot_id) and status.boot_id == boot_id()
    return not same_boot and status.host != host()


def lock_is_held(folder: Path) -> bool | None:
    """Whether a worker holds the run; None where the file system cannot say."""
    try:
        descriptor = os.open(folder / layout.LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)


def this_process() -> dict[str, Any]:
    """`pid`, `pid_started`, `host` and `boot_id` of this process, as they stand in status.json."""
    pid = os.getpid()
    return {"pid": pid, "pid_started": process_started(pid), "host": host(), "boot_id": boot_id()}


def host() -> str:
    """The name of this machine."""
    return platform.node()


@functools.cache
def boot_id() -> str:
    """Identity of this machine's current boot, or "" where the system gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _output("sysctl", "-n", "kern.bootsessionuuid")


def process_started(pid: int) -> str | None:
    """When process `pid` started, in the system's own notation; None if it is gone or a zombie."""
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may hold anything; the state follows it, and field 22 is the start.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    state, _, started = _output("ps", "-o", "stat=,lstart=", "-p", str(pid)).strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _looks_lost(folder: Path, status: Status) -> bool:
    if status.state in layout.FINAL_STATES:
        return False
    if is_elsewhere(status):
        return silence(folder, status) > REMOTE_GRACE
    held = lock_is_held(folder)
    if held is None:
        same_boot = bool(status.boot_id) and status.boot_id == boot_id()
        held = same_boot and status.pid is not None and process_started(status.pid) == status.pid_started
    if held:
        return False
    return status.state != "starting" or silence(folder, status) > STARTING_GRACE


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
