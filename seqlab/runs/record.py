"""The record of a run: what was done to it on the way, as its folder has it.

With the spec and the weights that it began with, the record determines every number of a run: the changes
that were made, each with the step from which it acts, and the steps at which it was to end, for the last row
of a run is a full one. `rows` reads what came of it, to be held against another run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.runs import files, layout
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.tail import Tail

if TYPE_CHECKING:
    from seqlab.spec.steerable import Change

BITS_DEPEND_ON = ("versions", "cpu", "cpu_features", "blas", "fastmath")
"""Runs are bit-identical where these of their env.json are equal."""


def events(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """What happened to a run so far, of one kind. Torn lines are left out: what they say was not on disk.

    Raises:
        RunError: events.jsonl cannot be read.
    """
    for line in _lines(folder / layout.EVENTS):
        with contextlib.suppress(ValueError):
            event = files.decode_row(line)
            if event.get("event") == name:
                yield event


def recorded_changes(folder: Path) -> list[Change]:
    """The changes that were made to a run so far, in the order in which they were made.

    Raises:
        RunError: see `events`.
    """
    return changes_in(events(folder, "changed"))


def changes_in(happened: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The changes among the events of a run, in the order in which they were made, without damaged ones."""
    from seqlab.spec.steerable import Change

    changes = []
    for event in happened:
        step, field = event.get("step"), event.get("field")
        if event.get("event") != "changed" or "value" not in event:
            continue
        if type(step) is int and step >= 0 and isinstance(field, str):
            changes.append(Change(step, field, event["value"]))
    return changes


def replayed_until(folder: Path) -> int | None:
    """The step after which a run stops that is a replay; None if it is not."""
    until = [event.get("until") for event in events(folder, "replay")]
    return until[-1] if until and type(until[-1]) is int else None


def encode_changes(changes: Iterable[Change], time: float) -> bytes:
    """The lines of events.jsonl that `recorded_changes` reads."""
    return b"".join(
        files.encode_row(
            {"time": time, "step": each.step, "event": "changed", "field": each.field, "value": each.value}
        )
        for each in changes
    )


def planned_ends(steps: int, changes: Iterable[Change]) -> list[int]:
    """The steps at which a run was to end, each of which it reaches; the last is that of today.

    Args:
        steps: the spec's.
        changes: as recorded. One that lengthens the run takes back those that were to act later: it was made
            to a run that had gone back to an earlier checkpoint.
    """
    from seqlab.spec.steerable import STEPS

    plans = [(0, steps)]
    for change in changes:
        if change.field == STEPS and type(change.value) is int and change.value > 0:
            plans = [plan for plan in plans if plan[0] < change.step] + [(change.step, change.value)]
    until = [first - 1 for first, _ in plans[1:]]
    reached = [end for (_, end), last in zip(plans, until, strict=False) if end <= last]
    return [*reached, plans[-1][1]]


def rows(folder: Path) -> dict[int, bytes]:
    """The lines of metrics.jsonl that count, by their steps: see `metrics.MetricsFile` for which do.

    Raises:
        RunError: it cannot be read.
    """
    found: dict[int, bytes] = {}
    last = -1
    for line in _lines(folder / layout.METRICS):
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if not isinstance(row, dict):
                continue
            if type(row.get("resumed")) is int:
                found = {step: each for step, each in found.items() if step <= row["resumed"]}
                last = max(found, default=-1)
            elif type(row.get("step")) is int and row["step"] > last:
                last = row["step"]
                found[last] = line
    return found


def environment(folder: Path) -> dict[str, Any]:
    """What env.json says, and nothing if it cannot be read."""
    try:
        return files.decode_row(files.read_regular(folder / layout.ENV, layout.MOST_ENV_BYTES))
    except (OSError, ValueError):
        return {}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environments of all that the bits of a run depend on, in words."""
    names = [name for name in BITS_DEPEND_ON if before.get(name) != now.get(name)]
    return [f"{name}: {_told_apart(before.get(name), now.get(name))}" for name in names]


def _lines(path: Path) -> Iterator[bytes]:
    try:
        yield from Tail(path).rest()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error


def _told_apart(before: object, now: object) -> str:
    """Two values, or of several the ones that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(name for name in {**before, **now} if before.get(name) != now.get(name))
        return ", ".join(f"{harmless(str(n))} {_told_apart(before.get(n), now.get(n))}" for n in names)
    if isinstance(before, list) and isinstance(now, list):
        added = [f"without {harmless(str(each))} there" for each in now if each not in before]
        gone = [f"without {harmless(str(each))} here" for each in before if each not in now]
        return ", ".join(added + gone) or "in another order"
    one, other = ("none" if each is None else harmless(str(each)) for each in (before, now))
    return f"{one} there, {other} here"
