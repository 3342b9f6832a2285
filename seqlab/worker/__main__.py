"""The worker's life: warm up while a person is choosing, then train one run folder, needing nobody.

JSON lines come in: `{"warm": <resolved spec>}`, as often as the choice changes, and `{"run": <folder>}`.
JSON lines go out: `{"state": "importing" | "compiling" | "ready" | "error", …}`. When the input ends before
a `run`, the worker ends. Once it has a run, its output goes to `worker.log` and its input does not matter
any more.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from seqlab.regular import open_to_append
from seqlab.runs.layout import LOG, RunError
from seqlab.worker.warmth import Warmth


def main() -> int:
    """Serve standard input until it ends or a run has been trained; returns the exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), name="stdin", daemon=True).start()
    warmth = Warmth(say=_say, interrupted=lambda: not lines.empty())
    while (message := _newest(lines)) is not None:
        if "run" in message:
            return _run(message, warmth)
        try:
            warmth.warm(message["warm"])
        except Exception as error:
            traceback.print_exc()
            _say(state="error", message=_in_words(error))
    return 0


def _run(message: dict[str, Any], warmth: Warmth) -> int:
    from seqlab.worker.job import Job

    folder = Path(message["run"])
    try:
        job = Job(folder, warmth, since=int(message.get("since", 0)), steps=message.get("steps"))
        _detach(folder)
    except Exception as error:
        if not isinstance(error, RunError):
            traceback.print_exc()
        print(error, file=sys.stderr, flush=True)
        _say(state="error", message=_in_words(error))
        return 2
    warmth.say = lambda **message: None  # from here on the run folder says it
    return job.run()


def _read(lines: queue.Queue[dict[str, Any] | None]) -> None:
    for line in sys.stdin.buffer:
        try:
            message = json.loads(line)
        except ValueError:
            _say(state="error", message=f"not a JSON line: {line[:80]!r}")
            continue
        if isinstance(message, dict) and ("run" in message or "warm" in message):
            lines.put(message)
    lines.put(None)


def _newest(lines: queue.Queue[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The next message worth acting on: of several choices only the last, and a run before any."""
    message = lines.get()
    while message is not None and "run" not in message and not lines.empty():
        message = lines.get()
    return message


def _detach(folder: Path) -> None:
    """Let go of the pipes: from here on everything goes to the run's log.

    Raises:
        RunError: the log cannot be written.
    """
    sys.stdout.flush()
    try:
        log = open_to_append(folder / LOG)
    except OSError as error:
        raise RunError(f"{folder / LOG}: cannot be written: {error.strerror}") from error
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)


def _say(**message: Any) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        pass  # nobody listens any more


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread that reads standard input may hold its lock; nothing else is left to tidy up.
    os._exit(code)
