"""What a list reads of a run folder: a bounded number of bytes, however large the files are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from seqlab.runs import files, layout
from seqlab.runs.harmless import harmless

POINTS = 32
"""Points of a curve, at most."""
_BLOCK = 2048
_CURVE = ("train/loss", "eval/loss")
_MOST_NAME = 60
_VALUE = r'(?:[\w.+-]+|"[^"\\\x00-\x1f\x7f]*"|\[\n(?: +[\w.+-]+,\n)*\])'
_PLAIN = re.compile(
    rf'(?:schema_version = \d+\n)?title = "([^"\\\x00-\x1f\x7f]*)"\n'
    rf'about = "(?:[^"\\\x00-\x1f\x7f]|\\.)*"\n'
    rf'\n\[task\]\nname = "(\w+)"\n(?:\w+ = {_VALUE}\n)*'
    rf'\n\[model\]\ncell = "(\w+)"\nhidden = (\d{{1,9}})\n'
)
"""How `to_toml` writes what is asked for; reading only that takes a small part of the time."""


@dataclass(frozen=True)
class Told:
    """What a list shows of a spec.

    Attributes:
        task: the task's name.
        cell: the cell's name.
        hidden: hidden units, or None if that is no number.
        title: in one line, may be empty.
    """

    task: str
    cell: str
    hidden: int | None
    title: str


def read_told(path: str) -> Told:
    """What a list shows of the spec.toml at `path`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML, or names no task or cell.
    """
    text = files.read_regular(path, layout.MOST_SPEC_BYTES).decode()
    title: object
    if plain := _PLAIN.match(text):
        title, task, cell, hidden = plain[1], plain[2], plain[3], int(plain[4])
    else:
        data = _tables(text)
        try:
            title, task, cell = data.get("title", ""), data["task"]["name"], data["model"]["cell"]
            hidden = data["model"].get("hidden")
        except (KeyError, TypeError, AttributeError):
            raise ValueError("names no task or no cell") from None
    return Told(
        task=harmless(str(task), _MOST_NAME),
        cell=harmless(str(cell), _MOST_NAME),
        hidden=hidden if type(hidden) is int and abs(hidden) < 10**9 else None,
        title=harmless(str(title)),
    )


def read_curve(path: str) -> tuple[float, ...]:
    """The training loss from the first row of a metrics.jsonl to the last, as at most `POINTS` means.

    Of a long file, blocks are read that lie evenly in it: 64 kB in all. Lines that are no rows, and rows that
    a resume has superseded, are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else than a file.
    """
    with files.open_regular(path) as file:
        lines = list(_some_lines(file.fileno()))
    rows = [row for row in map(_row, lines) if row is not None]
    for metric in _CURVE:
        if values := _values(rows, metric):
            parts = min(POINTS, len(values))
            edges = [len(values) * part // parts for part in range(parts + 1)]
            return tuple(sum(values[low:high]) / (high - low) for low, high in pairwise(edges))
    return ()


def _tables(text: str) -> dict[str, Any]:
    """The tables before `[training]`, or all: what comes first is all that is needed, in half the time."""
    head, found, _ = text.partition("\n[training]\n")
    try:
        data = tomllib.loads(head)  # fails if it was cut within a text
        if not found or {"task", "model"} <= data.keys():
            return data
    except (tomllib.TOMLDecodeError, RecursionError):
        pass
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _some_lines(descriptor: int) -> Iterator[bytes]:
    """Whole lines: all of a short file, else those in blocks that lie evenly from its start to its end."""
    size = os.fstat(descriptor).st_size
    if size <= POINTS * _BLOCK:
        yield from os.pread(descriptor, POINTS * _BLOCK, 0).split(b"\n")[:-1]
        return
    for number in range(POINTS):
        start = (size - _BLOCK) * number // (POINTS - 1)
        lines = os.pread(descriptor, _BLOCK, start).split(b"\n")
        yield from lines[bool(start) : -1]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        return row if isinstance(row, dict) and type(row.get("step")) is int else None
    except (ValueError, RecursionError):
        return None


def _values(rows: list[dict[str, Any]], metric: str) -> list[float]:
    """The metric's values in order of steps; where steps go back, what was written later counts."""
    found: list[float] = []
    before: float = float("inf")
    for row in reversed(rows):
        if metric in row and row["step"] < before:
            with contextlib.suppress(ValueError):
                found.append(files.number(row[metric]))
                before = row["step"]
    return found[::-1]
