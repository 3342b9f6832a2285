"""What `seqlab doctor` says: versions, processor, compile cache, terminal, colours, glyphs and paths."""

from __future__ import annotations

import contextlib
import getpass
import json
import locale
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

Pairs = list[tuple[str, str]]

_SHOWN = ("textual", "rich", "click", "platformdirs", "tomli-w")
_WORKER_SECONDS = 120


def findings() -> dict[str, Pairs]:
    """Everything found, in sections of (what, in words)."""
    worker = _worker()
    return {
        "versions": [
            ("seqlab", version("seqlab")),
            ("python", f"{platform.python_version()} ({sys.executable})"),
            *worker.pop("versions"),
            *((name, version(name)) for name in _SHOWN),
        ],
        "machine": worker.pop("machine"),
        "terminal": _terminal(),
        "logout": [("runs", at_logout())],
        "paths": [*worker.pop("paths"), *_paths()],
    }


def _worker() -> dict[str, Pairs]:
    """What a worker process finds: Numba is imported there, not here."""
    from seqlab.runs.launch import environment_for

    # As every worker is started: no file in the current folder stands in for a module.
    command = [sys.executable, "-P", "-m", "seqlab.worker.environment"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_WORKER_SECONDS,
            check=True,
            env=environment_for(None),
        )
        found = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        return {"versions": [], "machine": [("training", f"does not work: {last}")], "paths": []}
    except subprocess.TimeoutExpired:
        words = f"no answer from a worker within {_WORKER_SECONDS} s"
        return {"versions": [], "machine": [("training", words)], "paths": []}
    environment = found["environment"]
    versions = [
        (name, text) for name, text in environment["versions"].items() if name not in ("python", "seqlab")
    ]
    writable = "" if found["cache_is_writable"] else " (not writable: every worker compiles anew)"
    compiled = ", ".join(found["compiled"]) or "nothing yet"
    return {
        "versions": versions,
        "machine": [
            ("system", environment["platform"]),
            ("processor", f"{environment['cpu_model']} ({environment['cpu']})"),
            (
                "vectors",
                ", ".join(
                    name for name in environment["cpu_features"] if name.startswith(("avx", "fma", "neon"))
                ),
            ),
            ("cores", f"{environment['cores']}, of which this process may use {environment['threads']}"),
            ("BLAS", environment["blas"]),
        ],
        "paths": [("compile cache", f"{found['cache']}{writable}"), ("compiled", compiled)],
    }


def _terminal() -> Pairs:
    from rich.console import Console

    size = shutil.get_terminal_size()
    console = Console()
    colours = {"truecolor": "16 million", "256": "256", "standard": "16", "windows": "16"}
    depth = colours.get(console.color_system or "", "none")
    hint = ""
    if depth != "16 million" and os.environ.get("SSH_CONNECTION"):
        hint = "; SSH does not pass COLORTERM on: set COLORTERM=truecolor if this terminal has it"
    encoding = sys.stdout.encoding or locale.getpreferredencoding()
    utf8 = encoding.lower().replace("-", "") == "utf8"
    sample = "braille ⣀⡠⠔⠊  blocks ▁▃▅▇█ ▀▄  lines ╭─╮┄┊" if utf8 else "no: the encoding has no such glyphs"
    return [
        (
            "interactive",
            "yes" if sys.stdin.isatty() and sys.stdout.isatty() else "no: the lab cannot open here",
        ),
        ("TERM", os.environ.get("TERM", "not set")),
        ("size", f"{size.columns} × {size.lines}" + ("" if size >= (60, 15) else "; the lab needs 60 × 15")),
        ("colours", f"{depth}{hint}" + (" (NO_COLOR is set)" if "NO_COLOR" in os.environ else "")),
        ("encoding", encoding),
        ("glyphs", f"{sample}; if these do not show, the font lacks them"),
        (
            "inside",
            ", ".join(name for name in ("TMUX", "STY", "SSH_CONNECTION") if name in os.environ) or "-",
        ),
    ]


def at_logout(root: Path = Path("/")) -> str:
    """What becomes of runs when their user logs out, as systemd's login service is set (logind.conf(5)).

    Args:
        root: where the files of the system lie.
    """
    folders = [root / place / "systemd" for place in ("usr/lib", "usr/local/lib", "run", "etc")]
    # Of equal names the one in /etc counts; after that the parts are read in the order of their names.
    main = [folder / "logind.conf" for folder in folders if (folder / "logind.conf").is_file()]
    parts = {path.name: path for folder in folders for path in folder.glob("logind.conf.d/*.conf")}
    settings = {"KillUserProcesses": "no", "KillOnlyUsers": "", "KillExcludeUsers": "root"}
    for path in [*main[-1:], *(parts[name] for name in sorted(parts))]:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for line in path.read_text().splitlines():
                name, equals, value = line.partition("=")
                if equals and name.strip() in settings:
                    settings[name.strip()] = value.strip()
    user = ""
    with contextlib.suppress(OSError, KeyError):  # a user without a name
        user = getpass.getuser()
    only, spared = settings["KillOnlyUsers"].split(), settings["KillExcludeUsers"].split()
    kills = settings["KillUserProcesses"].lower() in ("1", "yes", "y", "true", "t", "on")
    if not kills or user in spared or (only and user not in only):
        return "go on"
    return (
        "end: the login service ends all processes of a user at logout (KillUserProcesses=yes); "
        "loginctl enable-linger, once, and then systemd-run --user --scope seqlab keeps them"
    )


def _paths() -> Pairs:
    from seqlab.runs.layout import home
    from seqlab.spec import presets

    runs = home()
    known = presets()
    return [
        ("runs", f"{runs}{'' if _can_write(runs) else ' (not writable: set SEQLAB_HOME or use --out)'}"),
        ("presets", str(next(iter(known.values())).parent) if known else "none found"),
    ]


def _can_write(folder: Path) -> bool:
    while not os.path.exists(folder):  # False, too, if that is not to be known
        folder = folder.parent
    return os.access(folder, os.W_OK)
