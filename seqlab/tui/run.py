"""Opening the lab, and leaving it: all of it that the command line needs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.settings import Settings
from seqlab.tui.app import LabApp
from seqlab.tui.opening import Load
from seqlab.tui.state import report

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker


def run_lab(
    source: tuple[str, Load] | None = None,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    threads: int | None = None,
    watch: Path | None = None,
    settings: Settings | None = None,
    runs: bool = False,
) -> int:
    """Open the lab and stay until the person leaves.

    Args:
        source: the name of a spec to start at once, and what reads it.
        overrides: `a.b=value` texts for the form.
        out: where new runs go; None for the usual place.
        threads: for workers; None leaves it to them.
        watch: a run folder to open the lab on.
        settings: how the lab looks and behaves; None for the defaults.
        runs: open the list of all runs.

    Returns:
        The exit code: 0, 1 after a crash, 128 + n after signal n.

    Raises:
        SpecError: the settings name a theme or an action that there is not, or the spec cannot be read.
    """
    gc.set_threshold(10_000)
    app = LabApp(source, overrides, out, partial(_start_worker, threads), watch, settings, runs)
    app.run(mouse=app.settings.mouse)
    app.started.let_go()
    if app.refused is not None:
        raise app.refused
    try:
        if app._exception is not None:
            print(report(app._exception), file=sys.stderr, flush=True)
        for line in app.started.farewell():
            print(line, flush=True)
    except OSError:  # the terminal is gone; what waits to be written must not trip the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return app.left_on or app.return_code or 0


def _start_worker(threads: int | None) -> Worker:
    from seqlab.runs.launch import Worker

    return Worker(threads)
