"""status.json: where a run stands, as its worker last said.

The file may come from anybody, so what is read of it is what a worker could have written: numbers that fit,
metrics by their names, texts as they are, for whoever shows them to make harmless.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from seqlab.runs import files, layout

MOST_STEP = 1 << 62
"""No run has that many steps; beyond, whoever counts in 64 bits fails."""


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        state: one of `layout.STATES`.
        step: the last step made.
        steps: the step at which training ends.
        metrics: the latest value of every metric, by name.
        best: `{"step": n, "eval/loss": x}` of the lowest eval/loss so far, or None.
        rate: sequences per second, or None while unknown.
        heartbeat: Unix time of this file's last writing, seconds.
        pid: the worker's process id, or None before there is one.
        pid_started: when that process started, in the system's own notation; tells it from a later one.
        host: name of the worker's machine.
        boot_id: identity of that machine's current boot, or "" where there is none.
        message: one line for people, or "".
    """

    state: str
    step: int
    steps: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] | None = None
    rate: float | None = None
    heartbeat: float = 0.0
    pid: int | None = None
    pid_started: str | None = None
    host: str = ""
    boot_id: str = ""
    message: str = ""

    def to_bytes(self) -> bytes:
        """The content of status.json: blanks leave room for later ones, see `files.replace_or_overwrite`."""
        return files.padded(files.encode_json({"format": layout.FORMAT, **asdict(self)}))

    @classmethod
    def from_bytes(cls, content: bytes) -> Status:
        """Read what `to_bytes` wrote. Of `metrics` and `best`, what is no metric is left out.

        Raises:
            ValueError: `content` is not a status (torn, empty, or something else).
            NewerFormatError: a newer format.
        """
        try:
            found = json.loads(content)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError(f"found {type(found).__name__}, expected a JSON object")
        layout.check_format(found.get("format"), layout.STATUS)
        given: dict[str, Any] = {}
        for name, read in _READERS.items():
            if name in found:
                try:
                    given[name] = read(found[name])
                except ValueError:
                    raise ValueError(f"{name} is {repr(found[name])[:80]}") from None
        missing = [name for name in ("state", "step", "steps") if name not in given]
        if missing:
            raise ValueError(f"has no {missing[0]}")
        return cls(**given)


def _state(value: object) -> str:
    if not isinstance(value, str) or value not in layout.STATES:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < MOST_STEP:
        raise ValueError
    return value


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError
    return value


def _metrics(value: object) -> dict[str, float]:
    found = {}
    for name, each in _table(value).items():
        if "/" in name:
            try:
                found[name] = files.number(each)
            except ValueError:
                continue
    return found


def _best(value: object) -> dict[str, float] | None:
    if value is None:
        return None
    found = _table(value)
    try:
        return {"step": _count(found["step"]), "eval/loss": files.number(found["eval/loss"])}
    except (KeyError, ValueError):
        return None


_READERS = {
    "state": _state,
    "step": _count,
    "steps": _count,
    "metrics": _metrics,
    "best": _best,
    "rate": lambda value: None if value is None else files.number(value),
    "heartbeat": files.number,
    "pid": lambda value: None if value is None else _count(value),
    "pid_started": lambda value: None if value is None else _text(value),
    "host": _text,
    "boot_id": _text,
    "message": _text,
}
