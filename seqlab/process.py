"""How a command that works in a process of its own ends: with a code, and a line for what went wrong."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from seqlab import console
from seqlab.runs.layout import RunError
from seqlab.spec import SpecError


def serve(main: Callable[[str], int]) -> NoReturn:
    """Hand the request, the one argument of this process, to `main`, and exit with its code.

    Signals end it with 128 and their number, and temporary folders go; known errors with a line and code 2.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _on_signal)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = main(sys.argv[1])
    except (RunError, SpecError) as error:
        console.say(str(error))
        code = 2
    except OSError as error:
        console.say(console.in_words(error))
        code = 2
    except MemoryError as error:
        console.say(f"not enough memory: {error}")
        code = 1
    sys.exit(code)


def _on_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
