"""One run in a line: what `seqlab runs` prints and writes as JSON."""

from __future__ import annotations

from typing import Any

from seqlab.runs.listing_row import Row


def fields(row: Row) -> dict[str, Any]:
    """A row as JSON has it.

    Returns:
        `name, run, state, message`; of a folder that can be read also `step, steps, task, cell, rate,
        heartbeat`, and the latest metrics by name.
    """
    found: dict[str, Any] = {"name": row.folder.name, "run": str(row.folder), "state": row.state}
    if row.status is not None:
        status = row.status
        found |= {
            "step": status.step,
            "steps": status.steps,
            "task": row.told.task if row.told else None,
            "cell": row.told.cell if row.told else None,
            "rate": status.rate,
            "heartbeat": status.heartbeat,
        }
    return {**found, "message": row.message, **(row.status.metrics if row.status else {})}
