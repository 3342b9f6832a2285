"""Deleting a run for good: a run folder and nothing else, and only when no worker is at it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from pathlib import Path

from seqlab.runs import layout, liveness
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import LockedError, WorkerLock

_GOING = re.compile(r"\.deleted-[0-9a-f]{16}")


def delete_run(folder: Path, home: Path) -> None:
    """Delete a run folder that lies directly in `home`.

    It is renamed first, so that nobody sees half a run; what a deletion left that was killed goes with the
    next one. Links are not followed, neither at the folder nor in it.

    Raises:
        RunError: it is no run folder of `home`, a worker is at it, or the system refuses.
    """
    name = harmless(folder.name)
    if folder.absolute().parent != home.absolute():
        raise RunError(f"{name} lies in {folder.parent}: only runs in {home} are deleted")
    _check_is_run(folder, name)
    _check_is_over(folder, name)  # before we hold its lock ourselves, which would look like a worker
    try:
        lock = WorkerLock(folder)
    except LockedError:
        raise RunError(f"{name} is under way: stop it first") from None
    try:
        _check_nobody_elsewhere(folder, name)
        _remove(folder, name)
    finally:
        lock.release()
    for leftover in [each for each in home.iterdir() if _GOING.fullmatch(each.name)]:
        shutil.rmtree(leftover, ignore_errors=True)


def _check_is_run(folder: Path, name: str) -> None:
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            what = "a link" if folder.is_symlink() else "a file"
            raise RunError(f"{name} is {what}, no run folder: it is left alone")
        for needed in (layout.SPEC, layout.STATUS, layout.LOCK):
            if needed == layout.LOCK and not os.path.lexists(folder / needed):
                continue
            if not stat.S_ISREG((folder / needed).lstat().st_mode):
                raise RunError(f"{name} is left alone: its {needed} is no file")
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        what = "it is gone already" if missing == folder.name else f"it has no {missing}"
        raise RunError(f"{name} is left alone: {what}") from None
    except OSError as error:
        raise RunError(f"{name} cannot be deleted: {error.strerror}") from error


def _check_is_over(folder: Path, name: str) -> None:
    try:
        _, state = liveness.read_state(folder)
    except RunError:  # damaged, and nobody holds its lock
        return
    if state not in layout.FINAL_STATES and state != "lost":
        raise RunError(f"{name} is under way ({state}): stop it first")


def _check_nobody_elsewhere(folder: Path, name: str) -> None:
    """A worker on another machine, which may have begun meanwhile, holds no lock that is seen here."""
    try:
        status = liveness.read_status(folder)
    except RunError:
        return
    if liveness.is_elsewhere(status):
        _check_is_over(folder, name)


def _remove(folder: Path, name: str) -> None:
    going = folder.with_name(f".deleted-{secrets.token_hex(8)}")
    try:
        os.rename(folder, going)
        try:
            shutil.rmtree(going)
        except OSError:
            os.rename(going, folder)  # what could not be removed can be seen
            raise
    except OSError as error:
        raise RunError(f"{name} cannot be deleted: {error.strerror}") from error
