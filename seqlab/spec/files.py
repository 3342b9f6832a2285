"""Specs in files: TOML in, TOML out, `-s a.b=value` overrides, and every error at once with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from seqlab.regular import MOST_SPEC_BYTES, read_named, read_regular, why
from seqlab.spec.presets import presets
from seqlab.spec.problems import Lines, Problem, SpecError, did_you_mean, problems_of
from seqlab.spec.schema import CHOICES, SCHEMA_VERSION, Spec

SPEC_FILE = "spec.toml"

Note = Callable[[str], None]


def load_spec(
    source: str | Path | Mapping[str, Any], overrides: Iterable[str] = (), note: Note | None = None
) -> Spec:
    """Read, override and validate a spec.

    Args:
        source: a preset's name, a TOML file, a run folder, or the spec as nested dictionaries.
        overrides: texts like `training.steps=100`.
        note: is told in words what an override reset.

    Raises:
        SpecError: with every problem that was found, each with its file and line.
    """
    data, text, label = read_spec(source)
    overrides = tuple(overrides)
    data, set_by = apply_overrides(data, overrides, note)
    try:
        return validate(data)
    except SpecError as error:
        raise SpecError(_located(error.problems, text, label, set_by)) from None


def read_spec(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str, str]:
    """Read a spec without validating it: (data, its TOML text, the file's name as errors show it).

    Raises:
        SpecError: there is no such preset, file or run folder, or it cannot be read as TOML.
    """
    if isinstance(source, Mapping):
        return dict(source), "", ""
    try:
        path = _find(source)
    except OSError as error:  # a name that no file can have
        raise SpecError([Problem((), error.strerror or "cannot be a file", f"{str(source)[:60]}…")]) from None
    # What a person names may be a link or a pipe; what lies in a run folder may come from a stranger.
    read = read_regular if path != Path(source) and path.name == SPEC_FILE else read_named
    try:
        text = read(path, MOST_SPEC_BYTES).decode()
        return tomllib.loads(text), text, str(path)
    except UnicodeDecodeError as error:
        problem = f"not a TOML file: byte {error.start} is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        problem = f"not a TOML file: {error}"
    except RecursionError:
        problem = "not a TOML file: nested too deeply"
    except (OSError, ValueError) as error:
        problem = f"cannot be read: {why(error)}"
    raise SpecError([Problem((), problem, str(path))])


def validate(data: Mapping[str, Any]) -> Spec:
    """Validate nested dictionaries.

    Raises:
        SpecError: with every problem; their `where` is empty.
    """
    version = data.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = (
            f"{version} is newer than {SCHEMA_VERSION}, the newest that this seqlab reads: update seqlab"
        )
        raise SpecError([Problem(("schema_version",), message)])
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        raise SpecError(problems_of(error, data)) from None


def to_toml(spec: Spec) -> str:
    """The resolved spec as TOML, every default filled in; `load_spec` of it gives an equal spec."""
    data = spec.model_dump(mode="json", exclude_none=True)
    if not data["expect"]:
        del data["expect"]
    return tomli_w.dumps(data)


def apply_overrides(
    data: Mapping[str, Any], overrides: Iterable[str], note: Note | None = None
) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    """Apply `a.b=value` texts: a value is read as TOML, else it is the bare string.

    A new choice of task, cell, optimiser or clipping resets the other fields of its table, whatever the
    order of the overrides.

    Returns:
        The new data, and which override set which path.

    Raises:
        SpecError: an override has no `=` or no path.
    """
    parsed: list[tuple[tuple[str, ...], Any, str]] = []
    problems = []
    for override in overrides:
        name, equals, value = override.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or not all(path):
            problems.append(Problem((), "an override reads a.b=value", f"-s {override}"))
            continue
        shown = override if len(override) <= 80 else f"{override[:79]}…"
        parsed.append((path, _value(value), f"-s {shown}"))
    if problems:
        raise SpecError(problems)
    parsed.sort(key=lambda item: item[0] not in CHOICES)

    result = _copied(data)
    set_by: dict[tuple[str, ...], str] = {}
    for path, value, where in parsed:
        table = result
        for part in path[:-1]:
            inner = table.get(part)
            table[part] = inner = inner if isinstance(inner, dict) else {}
            table = inner
        if path in CHOICES and table.get(path[-1]) not in (None, value):
            dropped = [name for name in table if name != path[-1]]
            table.clear()
            if dropped and note is not None:
                note(f"{'.'.join(path)} = {value}: back to their defaults: {', '.join(dropped)}")
        table[path[-1]] = value
        set_by[path] = where
    return result, set_by


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.is_dir():
        if not (path / SPEC_FILE).exists():
            raise SpecError([Problem((), f"not a run folder: it holds no {SPEC_FILE}", str(source))])
        return path / SPEC_FILE
    known = presets()
    if str(source) in known and not path.is_file():
        return known[str(source)]
    if path.exists():
        return path
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise SpecError([Problem((), "there is no such file", str(source))])
    names = did_you_mean(str(source), known)
    message = f"{str(source)!r} is not a file, a run folder or one of the presets {names}"
    raise SpecError([Problem((), message)])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _located(
    problems: Iterable[Problem], text: str, label: str, set_by: Mapping[tuple[str, ...], str]
) -> list[Problem]:
    located, lines = [], Lines(text)
    for problem in problems:
        where = next(
            (
                by
                for path, by in set_by.items()
                if problem.path[: len(path)] == path or problem.path == path[:-1]
            ),
            "",
        )
        if not where and label:
            line = lines.of(problem.path)
            where = f"{label}:{line}" if line is not None else label
        located.append(Problem(problem.path, problem.message, where))
    return located
