"""All runs of a folder, as rows that lists show.

A thousand folders must be listed while a person blinks. So the first look reads the status of each and no
more; a spec is read once, the loss curve only of runs in sight, and what has not changed is not read again.
A folder that is damaged, newer than this program or closed to us is a row that says so.
"""

from __future__ import annotations

import os
import pwd
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from seqlab.runs import files, layout, liveness
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import NewerFormatError, RunError
from seqlab.runs.listing_files import Told, read_curve, read_told
from seqlab.runs.listing_row import ILL, LOST, Row
from seqlab.runs.status import Status


class Listing:
    """The runs in a folder, looked at again and again. Safe to use from several threads.

    Args:
        out: the folder; None for the usual place.
    """

    def __init__(self, out: Path | None = None) -> None:
        self.home = (layout.home() if out is None else out).absolute()
        self._known: dict[str, _Known] = {}
        self._mutex = threading.Lock()

    def poll(self, wanted: Iterable[Path] = (), specs: int = 0) -> tuple[Row, ...]:
        """The runs as they are now, newest first; none if the folder is not there.

        Args:
            wanted: folders of the rows in sight, whose spec and curve are read if they have changed.
            specs: of how many others the spec is read, from the newest on, where it has not been.

        Raises:
            RunError: the folder cannot be listed.
        """
        with self._mutex:
            names = self._names()
            self._known = {name: self._known.get(name) or _Known(self.home / name) for name in names}
            here = [known for known in self._known.values() if known.look()]
            here.sort(key=lambda known: known.made, reverse=True)
            in_sight = {folder.name for folder in wanted}
            for known in here:
                if known.folder.name in in_sight:
                    known.read_spec()
                    known.read_curve()
                elif specs > 0 and known.read_spec():
                    specs -= 1
            return tuple(known.row() for known in here)

    def under_way(self) -> list[Row]:
        """The runs that a worker is at, newest first.

        Raises:
            RunError: the folder cannot be listed.
        """
        return [row for row in self.poll() if row.under_way]

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.home) as entries:
                return [entry.name for entry in entries if _may_be_run(entry)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise RunError(f"{self.home}: cannot be listed: {error.strerror}") from error


class _Known:
    """What is known of one folder, and what it was like when that was read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: tuple[str, int] = ("", 0)
        self._link = "a link to another folder" if folder.is_symlink() else ""
        self._status: Status | None = None
        self._state = ""
        self._problem = ""
        self._seen: object = None
        self._told: Told | None = None
        self._spec_problem = ""
        self._curve: tuple[float, ...] = ()
        self._curve_seen: object = None
        self._row: Row | None = None

    def look(self) -> bool:
        """Read the status, if it has changed; False if this is no run folder."""
        path = os.path.join(self.folder, layout.STATUS)
        try:
            seen = _stamp(path)
            if seen == self._seen and (self._state == LOST or self._state in layout.FINAL_STATES):
                return True
            self._seen = None
            status = Status.from_bytes(files.read_regular(path, layout.MOST_STATUS_BYTES))
            if not self._spec_is_there():
                # Its spec is the last that a new run gets.
                return status.state != "starting" and self._is("damaged", f"has no {layout.SPEC}")
            state = status.state
            if state not in layout.FINAL_STATES:
                status, state = liveness.read_state(self.folder)
        except FileNotFoundError:
            return self._spec_is_there() and self._is("damaged", f"has no {layout.STATUS}")
        except PermissionError as error:
            known = self._spec_is_there() or layout.NAMED.match(self.folder.name) is not None
            return known and self._is("unreadable", f"{error.strerror}{self._owner()}")
        except OSError as error:
            return self._spec_is_there() and self._is(
                "damaged", f"{layout.STATUS} cannot be read: {error.strerror}"
            )
        except NewerFormatError as error:
            return self._is("newer", str(error))
        except (ValueError, RunError) as error:
            return self._is("damaged", f"{layout.STATUS} cannot be read: {error}")
        except Exception as error:  # whatever a folder holds, the others are listed
            return self._is("damaged", f"cannot be read: {type(error).__name__}: {error}")
        if (status, state) != (self._status, self._state):
            self._is(state, "")
            self._status = status
        self._seen = seen
        return True

    def read_spec(self) -> bool:
        """Read the spec, unless that was done; whether it was read now."""
        if self._told is not None or self._spec_problem or self._state in ILL:
            return False
        try:
            self._told = read_told(os.path.join(self.folder, layout.SPEC))
        except OSError as error:
            self._spec_problem = f"{layout.SPEC} cannot be read: {error.strerror}"
        except ValueError as error:
            self._spec_problem = f"{layout.SPEC} cannot be read: {error}"
        self._row = None
        return True

    def read_curve(self) -> None:
        """Read the loss curve, if there are new rows."""
        if self._state in ILL or self._spec_problem:
            return
        path = os.path.join(self.folder, layout.METRICS)
        try:
            seen = _stamp(path)
            if seen != self._curve_seen:
                self._curve_seen = seen
                self._curve = read_curve(path)
                self._row = None
        except (OSError, ValueError):
            return  # it has none yet; what else is wrong is said where the run is opened

    def row(self) -> Row:
        """All that, as it is shown; the same object as long as nothing changes."""
        if self._row is None:
            ill = self._state in ILL
            status = None if ill else self._status
            problem = self._problem or self._spec_problem
            words = problem or (status.message if status else "") or self._link
            self._row = Row(
                folder=self.folder,
                name=harmless(self.folder.name),
                state="damaged" if self._spec_problem and not ill else self._state,
                made=_unix(self.made),
                status=None if problem else status,
                told=self._told,
                curve=self._curve,
                message=harmless(words),
            )
        return self._row

    def _is(self, state: str, problem: str) -> bool:
        if (state, problem) != (self._state, self._problem) or not problem:
            self._state, self._problem, self._row = state, problem, None
        if not self.made[0]:
            self.made = layout.made(self.folder)
        return True

    def _spec_is_there(self) -> bool:
        return os.path.lexists(os.path.join(self.folder, layout.SPEC))

    def _owner(self) -> str:
        try:
            owner = os.stat(self.folder).st_uid
            return "" if owner == os.geteuid() else f": it belongs to {pwd.getpwuid(owner).pw_name}"
        except (OSError, KeyError):
            return ""


def _may_be_run(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:  # a link that leads to itself, or where we may not look
        return False


def _stamp(path: str) -> tuple[int, int, int]:
    """What changes whenever a file does."""
    found = os.lstat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unix(made: tuple[str, int]) -> float:
    try:
        return time.mktime(time.strptime(made[0], "%Y%m%d-%H%M%S"))
    except (ValueError, OverflowError):  # a name may hold any digits
        return made[1] / 1e9
