"""One run in a line: what lists show, read from its small files alone."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from seqlab.runs import layout, liveness
from seqlab.runs.layout import RunError


def summarise(folder: Path) -> dict[str, Any]:
    """Name, state and figures of a run, without reading its metrics.

    Returns:
        `name, run, state, step, steps, task, cell, rate, heartbeat, message`, and the latest metrics by name.

    Raises:
        RunError: it is damaged, or of a newer format.
    """
    status, state = liveness.read_state(folder)
    try:
        spec = tomllib.loads((folder / layout.SPEC).read_text())
        task, cell = str(spec["task"]["name"]), str(spec["model"]["cell"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / layout.SPEC}: cannot be read: {error}") from error
    return {
        "name": folder.name,
        "run": str(folder),
        "state": state,
        "step": status.step,
        "steps": status.steps,
        "task": task,
        "cell": cell,
        "rate": status.rate,
        "heartbeat": status.heartbeat,
        "message": status.message,
        **status.metrics,
    }
