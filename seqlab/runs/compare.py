"""How the specs of several runs differ."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.runs import files, layout
from seqlab.runs.layout import RunError

_PROSE = frozenset({"title", "about", "expect", "schema_version"})
"""What a spec says of itself; it changes nothing about the training."""


@dataclass(frozen=True)
class Difference:
    """A field in which specs differ.

    Attributes:
        field: its path, such as `training.optimizer.lr`.
        values: one for each run, as TOML has it; None where the field is not there.
    """

    field: str
    values: tuple[Any, ...]


def differences(folders: Sequence[Path]) -> list[Difference]:
    """The fields in which the specs of these runs differ, table by table.

    Titles, explanations and claims are left out.

    Raises:
        RunError: a spec cannot be read.
    """
    specs = [_spec(folder) for folder in folders]
    names = list(dict.fromkeys(name for spec in specs for name in spec))
    tables = [name.partition(".")[0] for name in names]
    names.sort(key=lambda name: tables.index(name.partition(".")[0]))
    found = [Difference(name, tuple(spec.get(name) for spec in specs)) for name in names]
    return [each for each in found if any(value != each.values[0] for value in each.values)]


def _spec(folder: Path) -> dict[str, Any]:
    """Every field of a run's spec by its path."""
    path = folder / layout.SPEC
    try:
        return dict(_fields(tomllib.loads(files.read_regular(path, layout.MOST_SPEC_BYTES).decode())))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError:
        raise RunError(f"{path}: cannot be read: it is nested too deeply") from None
    except ValueError as error:
        raise RunError(f"{path}: cannot be read: {error}") from error


def _fields(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path, tables opened up."""
    for name, value in table.items():
        if not path and name in _PROSE:
            continue
        if isinstance(value, dict):
            yield from _fields(value, f"{path}{name}.")
        else:
            yield path + name, value
