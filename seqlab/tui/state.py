"""What the lab keeps for the next time, and what it leaves behind when it breaks down: files of its own.

Both lie in the platform's folder for the state of programs, or in `$SEQLAB_STATE`. Neither is worth failing
for: where nothing can be written nothing is kept, and what cannot be read was never there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

_LAYOUT = "layout.json"
_MOST_BYTES = 10_000
_MOST_REPORTS = 20


@dataclass(frozen=True)
class Layout:
    """How the lab was left.

    Attributes:
        panel: the number of the panel that was in hand.
        maximised: whether it had all the room.
        logarithmic: whether the loss was on a logarithmic axis.
    """

    panel: int = 1
    maximised: bool = False
    logarithmic: bool = True


def state_folder() -> Path:
    """Where the lab keeps its own files."""
    chosen = os.environ.get("SEQLAB_STATE")
    if chosen:
        return Path(os.path.expanduser(chosen))
    import platformdirs

    return Path(platformdirs.user_state_dir("seqlab"))


def last_layout() -> Layout:
    """How the lab was left last; as it is at first if that is not known."""
    try:
        with open(state_folder() / _LAYOUT, "rb") as file:
            said = json.loads(file.read(_MOST_BYTES))
        found = Layout(**said)
    except (OSError, ValueError, TypeError, RecursionError):
        return Layout()
    typed = all(type(getattr(found, name)) is type(value) for name, value in asdict(Layout()).items())
    return found if typed and 1 <= found.panel <= 4 else Layout()


def remember(layout: Layout) -> None:
    """Keep how the lab is left."""
    folder = state_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{_LAYOUT}.{os.getpid()}"
        part.write_text(json.dumps(asdict(layout)))
        part.replace(folder / _LAYOUT)


def save(contents: Mapping[str, str]) -> tuple[str, str, bool]:
    """Save texts beside each other in the current folder, or else in the home folder.

    Args:
        contents: the end of each file's name, and what it is to hold.

    Returns:
        A title for people, the paths or what went wrong, and whether all went well.
    """
    name, problem = f"seqlab-{datetime.now():%Y-%m-%d-%H%M%S}", ""
    for place in (Path.cwd, Path.home):
        try:
            paths = _unused(place() / name, contents)
            for path, text in zip(paths, contents.values(), strict=True):
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
        except (OSError, RuntimeError) as error:
            problem = problem or str(error)
            continue
        return "Saved", "\n".join(map(str, paths)), True
    return "It cannot be saved", problem, False


def _unused(path: Path, ends: Iterable[str]) -> list[Path]:
    """The path with each of these ends; with a number before them if there is such a file already."""
    for number in count(1):
        paths = [path.with_name(f"{path.name}{f'-{number}' * (number > 1)}{end}") for end in ends]
        if not any(each.exists() for each in paths):
            break
    return paths


def report(error: BaseException) -> str:
    """Write down how the lab broke down; returns a line that says so, and where to read it."""
    # Not for the first paint of a lab that holds.
    import platform
    import traceback
    from importlib.metadata import version

    what = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    said = f"the lab broke down: {what}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("seqlab", "textual", "rich"))
    lines = [
        f"{datetime.now().astimezone().isoformat(timespec='seconds')}",
        f"{versions}, python {platform.python_version()}, {platform.platform()}",
        f"TERM {os.environ.get('TERM', '')}, argv {sys.argv}",
        "",
        *traceback.format_exception(error),
    ]
    folder = state_folder()
    path = folder / f"crash-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8", errors="backslashreplace")
        for old in sorted(folder.glob("crash-*.txt"))[:-_MOST_REPORTS]:
            old.unlink(missing_ok=True)
    except OSError as problem:
        return f"{said}; no report could be written: {problem}"
    return f"{said}; the report is in {path}"
