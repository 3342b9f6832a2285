"""What a run folder holds, what it is called, and where it lies (format 1).

A run folder is plain files that can be copied, listed and read without this program. `create_run` makes one,
`find_run` and `list_runs` find them, and the constants name every file in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.regular import MOST_SPEC_BYTES as MOST_SPEC_BYTES
from seqlab.regular import open_regular, why
from seqlab.runs import files
from seqlab.runs.harmless import harmless

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

FORMAT = 1

SPEC = "spec.toml"
ENV = "env.json"
STATUS = "status.json"
METRICS = "metrics.jsonl"
EVENTS = "events.jsonl"
INITIAL = "init.safetensors"  # if it started from given weights: see `runs.initial`
PROBE = "probe.safetensors"
LIVE = "live.safetensors"
FRAMES = "frames"
CHECKPOINTS = "checkpoints"
LATEST = "latest.json"  # in CHECKPOINTS
ORIGIN = "origin"  # if it is a fork: see `runs.fork`
CONTROL = "control"
LOCK = "worker.lock"
LOG = "worker.log"

#: Bytes of files that are read whole, beside a spec's; whatever is longer no worker has written.
MOST_STATUS_BYTES = 1 << 16
MOST_ENV_BYTES = 1 << 20

#: The first line of metrics.jsonl.
METRICS_HEADER = b'{"format":1}\n'

#: States a run ends in; a resume may leave them again.
FINAL_STATES = frozenset({"finished", "stopped", "diverged", "failed"})
#: Every state that stands in status.json. "lost" is worked out by readers and never stored.
STATES = frozenset({"starting", "importing", "compiling", "training", "paused"}) | FINAL_STATES

#: How the name of a run begins, unless someone has renamed it.
NAMED = re.compile(r"\d{8}-\d{6}-")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class RunError(Exception):
    """A run folder cannot be made, found, read or written; the message says what was found, and where."""


class NewerFormatError(RunError):
    """The run folder was written by a newer seqlab."""


def home() -> Path:
    """The folder that holds the runs: `$SEQLAB_HOME`, else `seqlab/runs` in the platform's data folder."""
    chosen = os.environ.get("SEQLAB_HOME")
    if chosen:
        return Path(os.path.expanduser(chosen))
    import platformdirs

    return Path(platformdirs.user_data_dir("seqlab")) / "runs"


def create_run(
    spec: Spec,
    out: Path | None = None,
    initial: bytes | None = None,
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Make the folder of a new run under `out` (default: `home()`), state "starting", and return its path.

    Args:
        spec: what it is to train. Without an origin in `more` it is no fork, even if the spec is of one.
        out: where.
        initial: the weights that it starts from, as `runs.initial.read_weights` returns them, if not its own.
        more: other files that it holds from the start, by their paths in the folder.

    Raises:
        RunError: it cannot be made (no permission, disk full, …); then nothing is left behind.
    """
    from seqlab.runs import liveness
    from seqlab.runs.status import Status
    from seqlab.spec.files import to_toml

    more = {**(more or {}), **({} if initial is None else {INITIAL: initial})}
    if not any(path.startswith(f"{ORIGIN}/") for path in more):
        spec = spec.model_copy(update={"fork": None})
    parent = home() if out is None else out
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{spec.task.name}-{spec.model.cell}-"
    name += "".join(secrets.choice(_BASE32) for _ in range(6))
    folder = parent.absolute() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise RunError(f"{folder.parent}: cannot make a run folder here: {error.strerror}") from error
    try:
        for inner in (FRAMES, CHECKPOINTS, CONTROL):
            (folder / inner).mkdir()
        status = Status(
            "starting",
            step=0,
            steps=spec.training.steps,
            heartbeat=time.time(),
            host=liveness.host(),
            boot_id=liveness.boot_id(),
        )
        files.replace(folder / STATUS, status.to_bytes())
        for path, content in more.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            files.replace(folder / path, content)
        files.replace(folder / SPEC, to_toml(spec).encode())  # last: with it the folder counts as a run
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise RunError(f"{folder}: cannot make the run: {error.strerror}") from error
        raise
    return folder


def is_run(folder: Path) -> bool:
    """Whether `folder` looks like a run folder: it holds a spec.toml and a status.json."""
    try:
        return (folder / SPEC).is_file() and (folder / STATUS).is_file()
    except OSError:  # a name that no folder can have
        return False


def check_run(folder: Path) -> None:
    """Raise a RunError that says what is wrong, unless `folder` is a run folder.

    A folder in it that is a link makes it none: nothing that is done to a run may reach beyond it.
    """
    if not stat.S_ISDIR(_mode(folder)):
        raise RunError(f"{folder}: is a file; a run is a folder")
    for name in (SPEC, STATUS):
        if not stat.S_ISREG(_mode(folder, name)):
            raise RunError(f"{folder}: is not a run folder: its {name} is no file")
    check_inner(folder)


def check_inner(folder: Path) -> None:
    """Raise a RunError if one of a run's own folders is a link: it could lead anywhere."""
    for name in (FRAMES, CHECKPOINTS, CONTROL, ORIGIN, f"{ORIGIN}/{CHECKPOINTS}"):
        try:
            is_link = stat.S_ISLNK(os.lstat(folder / name).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise RunError(f"{folder / name}: cannot be opened: {error.strerror}") from error
        if is_link:
            raise RunError(f"{folder}: is left alone: its {name} is a link to another place")


def list_runs(out: Path | None = None) -> list[Path]:
    """The run folders under `out` (default: `home()`), newest first; none if the folder is not there."""
    parent = home() if out is None else out
    try:
        found = [each for each in parent.absolute().iterdir() if each.name[0] != "." and is_run(each)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(f"{parent}: cannot be listed: {error.strerror}") from error
    return sorted(found, key=made, reverse=True)


def find_run(reference: str, out: Path | None = None) -> Path:
    """The run folder that `reference` means: a path, a name under `out`, or the unique start of one.

    Raises:
        RunError: none or several fit; the message lists the candidates.
    """
    path = Path(os.path.expanduser(reference))
    if reference and is_run(path):
        return path.absolute()
    if os.sep in reference:
        check_run(path)  # says why this path is none
    parent = home() if out is None else out
    runs = list_runs(parent)
    fitting = [run for run in runs if run.name.startswith(reference)]
    exact = [run for run in fitting if run.name == reference]
    if exact or len(fitting) == 1:
        return (exact or fitting)[0]
    if not fitting and reference and os.path.exists(path):
        check_run(path)
    if fitting:
        raise RunError(f"'{reference}' could be any of {len(fitting)} runs:{_listed(fitting)}")
    if runs:
        raise RunError(f"no run in {parent} is called '{reference}'; the newest are:{_listed(runs)}")
    raise RunError(f"no run is called '{reference}': there are none in {parent}")


def made(folder: Path) -> tuple[str, int]:
    """When a run was made, to sort by: the time in its name, else that of spec.toml; then its nanoseconds."""
    try:
        written = (folder / SPEC).stat().st_mtime_ns
    except OSError:  # it has none, or was removed since it was listed
        written = 0
    if NAMED.match(folder.name):
        return folder.name[:15], written
    try:
        return time.strftime("%Y%m%d-%H%M%S", time.localtime(written / 1e9)), written
    except (OSError, OverflowError, ValueError):  # a file may bear any time
        return time.strftime("%Y%m%d-%H%M%S", time.localtime(0)), written


def spec_digest(folder: Path) -> str:
    """The sha256 of spec.toml, in hex: two runs of one digest do the same.

    Raises:
        RunError: spec.toml cannot be read.
    """
    try:
        with open_regular(folder / SPEC) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SPEC}: cannot be read: {why(error)}") from error


def numbered(step: int) -> str:
    """The file name of a frame or checkpoint of `step`."""
    return f"{step:09d}.safetensors"


def check_format(found: object, where: str) -> None:
    """Refuse a format this version cannot read.

    Raises:
        NewerFormatError: a newer format.
        ValueError: no format number at all.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"format is {repr(found)[:80]}, expected {FORMAT}")
    if found > FORMAT:
        raise NewerFormatError(
            f"{where} has format {str(found)[:20]}; this seqlab reads format {FORMAT}: update seqlab"
        )


def _mode(folder: Path, name: str = "") -> int:
    """What kind of file a run folder, or a file in it that every run has, is."""
    try:
        return os.stat(folder / name).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        what = f"is not a run folder: it has no {name}" if name else "there is no such folder"
        raise RunError(f"{folder}: {what}") from None
    except OSError as error:
        raise RunError(f"{folder / name}: cannot be opened: {error.strerror}") from error


def _listed(runs: list[Path]) -> str:
    shown = "".join(f"\n  {harmless(run.name)}" for run in runs[:8])
    return shown + (f"\n  … and {len(runs) - 8} more" if len(runs) > 8 else "")
