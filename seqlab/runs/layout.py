"""What a run folder holds, what it is called, and where it lies (format 1).

A run folder is plain files that can be copied, listed and read without this program. `create_run` makes one,
`find_run` and `list_runs` find them, and the constants name every file in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class Status:
    """status.json: where a run stands.

    Attributes:
        state: one of `STATES`.
        step: the last step made.
        steps: the step at which training ends.
        metrics: the latest value of every metric, by name.
        best: `{"step": n, "eval/loss": x}` of the lowest eval/loss so far, or None.
        rate: sequences per second, or None while unknown.
        heartbeat: Unix time of this file's last writing, seconds.
        pid: the worker's process id, or None before there is one.
        pid_started: when that process started, in the system's own notation; tells it from a later one.
        host: name of the worker's machine.
        boot_id: identity of that machine's current boot, or "" where there is none.
        message: one line for people, or "".
    """

    state: str
    step: int
    steps: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] | None = None
    rate: float | None = None
    heartbeat: float = 0.0
    pid: int | None = None
    pid_started: str | None = None
    host: str = ""
    boot_id: str = ""
    message: str = ""

    def to_bytes(self) -> bytes:
        """The content of status.json."""
        return files.encode_json({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Status:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: `content` is not a status (torn, empty, or something else).
            NewerFormatError: a newer format.
        """
        found = files.decode_row(content)
        check_format(found.pop("format", None), STATUS)
        # A host may be called "Infinity": what is text stays text.
        texts = {name for name, kinds in _STATUS_TYPES.items() if str in kinds}
        found |= {name: value for name, value in json.loads(content).items() if name in texts}
        try:
            status = cls(**{name: found[name] for name in cls.__dataclass_fields__ if name in found})
        except TypeError as error:
            raise ValueError(str(error)) from None
        wrong = [name for name, kinds in _STATUS_TYPES.items() if not _is(getattr(status, name), kinds)]
        if not wrong and status.state not in STATES:
            wrong = ["state"]
        if wrong:
            raise ValueError(f"{wrong[0]} is {getattr(status, wrong[0])!r}")
        return status


_STATUS_TYPES: dict[str, tuple[type, ...]] = {
    "state": (str,),
    "step": (int,),
    "steps": (int,),
    "metrics": (dict,),
    "best": (dict, type(None)),
    "rate": (int, float, type(None)),
    "heartbeat": (int, float),
    "pid": (int, type(None)),
    "pid_started": (str, type(None)),
    "host": (str,),
    "boot_id": (str,),
    "message": (str,),
}


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
        machine = _this_machine()
        status = Status("starting", step=0, steps=spec.training.steps, heartbeat=time.time(), **machine)
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
    """Raise a RunError that says what is missing, unless `folder` is a run folder."""
    if not folder.exists():
        raise RunError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; a run is a folder")
    for name in (SPEC, STATUS):
        if not (folder / name).is_file():
            raise RunError(f"{folder}: is not a run folder: it has no {name}")


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
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(written / 1e9)), written


def spec_digest(folder: Path) -> str:
    """The sha256 of spec.toml, in hex: two runs of one digest do the same.

    Raises:
        RunError: spec.toml cannot be read.
    """
    try:
        with files.open_regular(folder / SPEC) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SPEC}: cannot be read: {error}") from error


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
        raise ValueError(f"format is {found!r}, expected {FORMAT}")
    if found > FORMAT:
        raise NewerFormatError(
            f"{where} has format {found}; this seqlab reads format {FORMAT}: update seqlab"
        )


def _this_machine() -> dict[str, Any]:
    from seqlab.runs import liveness

    return {"host": liveness.host(), "boot_id": liveness.boot_id()}


def _listed(runs: list[Path]) -> str:
    shown = "".join(f"\n  {harmless(run.name)}" for run in runs[:8])
    return shown + (f"\n  … and {len(runs) - 8} more" if len(runs) > 8 else "")


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
