"""What the commands print: progress on stderr, results on stdout, as text or as JSON lines.

Whatever is printed may hold what strangers wrote, such as names of runs, titles and messages. So everything
goes through here, where all that a terminal would obey is written out; JSON stays as it is for programs.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from seqlab.runs.harmless import harmless, harmless_lines

if TYPE_CHECKING:
    from rich.console import Console

    from seqlab.runs.claims import Outcome, Verdict
    from seqlab.runs.listing_row import Row
    from seqlab.runs.reader import Snapshot

LINE_EVERY = 3.0
"""Seconds between two lines of progress where there is no terminal."""


_NOT_PLAIN = re.compile(r"[^ -~\n]")


def say(text: str) -> None:
    """Words for people, a line or more, on stderr."""
    if sys.stderr is not None:
        print(harmless_lines(text), file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """What somebody asked for in words, a line or more, on stdout."""
    print(harmless_lines(text), flush=True)


def emit(**fields: Any) -> None:
    """A line of JSON on stdout; on a terminal all but plain letters is escaped."""
    from seqlab.runs.files import encode_row

    line = encode_row(fields).decode()
    if sys.stdout is not None and sys.stdout.isatty():
        line = _NOT_PLAIN.sub(lambda found: json.dumps(found[0])[1:-1].replace("\x7f", r"\u007f"), line)
    print(line, end="", flush=True)


def in_words(error: OSError) -> str:
    """What the system said, and of what."""
    where = "" if error.filename is None else f"{error.filename}: "
    return f"{where}{error.strerror or error}"


class Progress(Protocol):
    """Shows how far a run is."""

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""


@contextlib.contextmanager
def progress(title: str, quiet: bool = False) -> Iterator[Progress]:
    """A Rich progress bar on a terminal, else one line every few seconds; nothing if `quiet`."""
    if quiet:
        yield _Silent()
    elif sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _Bar(title) as bar:
            yield bar
    else:
        yield _Lines(title)


class _Silent:
    def show(self, snapshot: Snapshot) -> None:
        pass


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._said = time.monotonic()

    def show(self, snapshot: Snapshot) -> None:
        if time.monotonic() - self._said >= LINE_EVERY:
            self._said = time.monotonic()
            say(f"{self._title}: {_where(snapshot)}")


class _Bar:
    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeRemainingColumn(compact=True),
            console=stderr_console(),
            transient=True,
        )
        self._task = self._bar.add_task(harmless(title), total=None, words="")

    def show(self, snapshot: Snapshot) -> None:
        training = snapshot.state == "training"
        self._bar.update(
            self._task,
            total=snapshot.status.steps if training else None,
            completed=_step(snapshot),
            words=_where(snapshot),
        )

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def stderr_console() -> Console:
    """A Rich console on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def ended(snapshot: Snapshot) -> str:
    """How a run ended, in a line."""
    loss = _latest(snapshot, "eval/loss")
    words = [
        f"{snapshot.name}: {snapshot.state} at step {snapshot.status.step:,} of {snapshot.status.steps:,}"
    ]
    if not math.isnan(loss):
        words.append(f"eval loss {number(loss)}")
    accuracy = _latest(snapshot, "eval/accuracy")
    if not math.isnan(accuracy):
        words.append(f"accuracy {accuracy:.1%}")
    alone = _latest(snapshot, "eval/free_accuracy")
    if not math.isnan(alone):
        words.append(f"{alone:.1%} on its own answers")
    forecast = _latest(snapshot, "eval/forecast")
    if not math.isnan(forecast):
        words.append(f"forecast {number(forecast)}")
    if snapshot.status.message:
        words.append(snapshot.status.message)
    return ", ".join(words)


def verdict_in_words(verdict: Verdict) -> str:
    """What a claim was held against, such as `eval/loss below 0.01 at the end`."""
    claim = verdict.claim
    if claim.metric is None:
        return verdict.limit
    return f"{claim.metric} {verdict.limit} at {'the end' if claim.at == 'end' else 'its best'}"


def outcomes_in_words(outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each claim: whether it is met, and what was measured."""
    lines = []
    for outcome in outcomes:
        measured = ", ".join(
            verdict.measured if isinstance(verdict.measured, str) else number(verdict.measured)
            for verdict in outcome.verdicts
        )
        mark = "✓" if outcome.met else "✗"
        of = f"{outcome.holds} of {len(outcome.verdicts)}"
        lines.append(
            f"{mark} {verdict_in_words(outcome.verdicts[0])}: {of} (needs {outcome.needed}): {measured}"
        )
    return lines


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON has it."""
    return {
        "claim": verdict_in_words(verdict),
        "measured": verdict.measured,
        "limit": verdict.limit,
        "held": verdict.held,
    }


def run_line(row: Row, now: float) -> str:
    """A run in a line of a list: its name, its state, how far it is, its loss, its last sign of life."""
    from seqlab.runs.listing_row import ILL

    if row.ill:
        return f"{row.name:<42} {ILL[row.state]}: {row.message}"
    found = row.status.metrics if row.status else {}
    name = "eval" if "eval/loss" in found else "loss"
    shown = "" if row.loss is None or math.isnan(row.loss) else f"{name} {number(row.loss)}"
    where = f"{row.step:,} of {row.steps:,}"
    silence = row.silence(now)
    ago = f"{age(silence)} ago" if math.isfinite(silence) else ""
    return f"{row.name:<42} {row.state:<10} {where:>20}  {shown:<16} {ago}".rstrip()


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def raw_row(line: bytes) -> Mapping[str, Any] | None:
    """A row of metrics.jsonl as it stands there, or None for its header and for what is no row."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "step" in row else None


def _where(snapshot: Snapshot) -> str:
    if snapshot.state != "training":
        return snapshot.state
    words = [f"step {_step(snapshot):,} of {snapshot.status.steps:,}"]
    for name, label in (("train/loss", "loss"), ("eval/loss", "eval")):
        value = _latest(snapshot, name)
        if not math.isnan(value):
            words.append(f"{label} {number(value)}")
    if snapshot.status.rate:
        words.append(f"{snapshot.status.rate:,.0f} seq/s")
    return " · ".join(words)


def _step(snapshot: Snapshot) -> int:
    loss = snapshot.metrics.get("train/loss")
    return int(loss.steps[-1]) if loss is not None and len(loss) else snapshot.status.step


def _latest(snapshot: Snapshot, metric: str) -> float:
    series = snapshot.metrics.get(metric)
    return series.last if series is not None else math.nan
