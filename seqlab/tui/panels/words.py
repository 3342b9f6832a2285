"""What the lab says in sentences: help, what is wrong, and how many sentences fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqlab.runs.launch import worker_log_tail
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.axes import number

if TYPE_CHECKING:
    from seqlab.runs.launch import Worker

_LOG_LINES = 6

_HELP = """\
Loss: on each batch that it trains on, faint; on a held-out split, bold. A rung is the loss of a predictor \
that knows less than the task needs; a loss within 5 % of a rung is said to be on it.
Gradient: the norm of ∂L/∂h at each timestep, over the probe sequences and all units. Walls cut it: steps \
from which no loss can be reached get none. Behind it, faint, what full BPTT would send, and the credit of \
the last loss alone; where they are the same as the line in front they are left out. "Below float32" is a \
gradient that is there and rounds to 0. All this is reach and no more: networks learn inside a window what \
carries over.
Gates: the first probe sequence, units down, time across. In the panel, arrows move a cursor, with shift \
one by one.
Probe: what the network makes of one fixed sequence that it never trains on.
Status: sequences a second, time left, learning rate, and the share of the last 100 rows whose gradient \
was clipped."""


def help_text(moment: Moment | None) -> str:
    """What the words on the screen mean, with the rungs as measured on the run's own eval split."""
    rungs = moment.snapshot.rungs if moment is not None else ()
    lines = [_HELP]
    if rungs:
        lines.append("Rungs, by formula and as measured on this run's eval split:")
    lines += [
        f"  {rung.metric}, {rung.label}: {number(rung.value)}, measured {number(rung.measured)}"
        for rung in rungs
    ]
    return "\n".join([*lines, ""])


def troubles(moment: Moment, worker: Worker | None) -> list[str]:
    """What to know beyond the state: what cannot be read, and the last words of a worker that died."""
    snapshot = moment.snapshot
    lines = list(snapshot.problems[:3])
    if moment.state in ("training", "paused") and snapshot.status.message:
        lines.append(snapshot.status.message)
    if moment.state in ("lost", "failed"):
        if worker is not None:
            lines += worker.stderr_tail().splitlines()[-_LOG_LINES:]
        tail = [line for line in worker_log_tail(snapshot.folder, _LOG_LINES) if line.strip()]
        lines += ["the end of worker.log:", *tail] if tail else ["worker.log is empty"]
    return lines


def fitted(sentences: Sequence[str], width: int, height: int) -> str:
    """Whole sentences, as many as `height` lines of `width` cells hold; always the first."""
    said = ""
    for sentence in sentences:
        longer = f"{said} {sentence}".strip()
        if said and _lines(longer, width) > height:
            break
        said = longer
    return said


def _lines(text: str, width: int) -> int:
    """How many lines a text takes, broken at spaces."""
    lines, used = 1, 0
    for word in text.split():
        if used and used + 1 + len(word) > width:
            lines, used = lines + 1, 0
        used += len(word) + (1 if used else 0)
    return lines
