"""Errors in a spec, in words: what was found, what would be right, where."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from seqlab.choices import Choice
from seqlab.spec.schema import CHOICES, Spec

Path = tuple[str | int, ...]

_MOST_READ = 2_000_000
"""Characters that are read to find lines: a second's work."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec.

    Attributes:
        path: where in the spec, such as ("model", "cell"); empty for the whole.
        message: what was found and what would be right.
        where: the file and line, or the override, such as `file.toml:6` or `-s model.cell=lsmt`; may be
            empty.
    """

    path: Path
    message: str
    where: str = ""

    def __str__(self) -> str:
        parts = (self.where, ".".join(str(part) for part in self.path), self.message)
        return ": ".join(part for part in parts if part)


class SpecError(ValueError):
    """A spec that cannot be run. `problems` holds every problem; the text has one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`known` in words, with the nearest one suggested, such as `rnn, lstm, gru (did you mean lstm?)`."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return ", ".join(names) + (f" (did you mean {near[0]}?)" if near else "")


def problems_of(error: ValidationError, data: Mapping[str, Any], of: type = Spec) -> list[Problem]:
    """Turn pydantic's errors about what `of` describes into ours, one for each field."""
    found: dict[Path, Problem] = {}
    for details in error.errors():
        if details["type"] == "default_factory_not_called":
            continue  # follows from another error
        if details["loc"][-1:] == ("float",) and isinstance(details["input"], dict):
            continue  # a limit is a number or a table: speak of the one that was written
        path = _path_in(data, details["loc"], details["type"])
        message = _message(path, dict(details), of)
        discriminated = details["type"] in ("union_tag_invalid", "union_tag_not_found")
        if discriminated:
            path = (*path, details.get("ctx", {}).get("discriminator", "").strip("'"))
        if details["type"] == "value_error" and not path:
            for number, line in enumerate(str(details["ctx"]["error"]).splitlines()):
                where, said = _split_path(line)
                found[*where, number] = Problem(where, said)
        else:
            found.setdefault(path, Problem(path, message))
    return list(found.values())


def line_of(text: str, path: Path) -> int | None:
    """The line of a TOML text on which `path` ends; see `Lines.of`."""
    return Lines(text).of(path)


class Lines:
    """Where in a TOML text what is set. To find that, beginnings of the text are read again and again.

    Of a text that makes this long, which no person has written, lines are not told any more.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines(keepends=True)
        self._left = _MOST_READ
        self._read: dict[int, tuple[int, dict[str, Any]]] = {}

    def of(self, path: Path) -> int | None:
        """The line (from 1) on which `path` ends; that of its table where the key is missing.

        The shortest prefix of the text that holds a path ends on the line where it is set; longer ones too.

        Returns:
            None if no line holds any of it, or the text is too long to tell.
        """
        count = len(self._lines)
        try:
            while path:
                first, last = 1, count + 1
                while first < last:
                    middle = (first + last) // 2
                    found, prefix = self._parsable(middle)
                    first, last = (first, middle) if _holds(prefix, path) else (found + 1, last)
                if first <= count:
                    return self._parsable(first)[0]
                path = path[:-1]
        except _TooLongError:
            pass
        return None

    def _parsable(self, count: int) -> tuple[int, dict[str, Any]]:
        """The shortest prefix of at least `count` lines that is TOML by itself: its length and content."""
        if count not in self._read:
            self._read[count] = self._parsed(count)
        return self._read[count]

    def _parsed(self, count: int) -> tuple[int, dict[str, Any]]:
        while count <= len(self._lines):
            prefix = "".join(self._lines[:count])
            self._left -= len(prefix)
            if self._left < 0:
                raise _TooLongError
            try:
                return count, tomllib.loads(prefix)
            except (tomllib.TOMLDecodeError, RecursionError):
                count += 1
        return count, {}


class _TooLongError(Exception):
    """Finding a line takes too long."""


def _holds(data: Any, path: Path) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _path_in(data: Any, loc: tuple[int | str, ...], kind: str) -> Path:
    """Drop from pydantic's location what is not in the data: the tags of unions."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        inside = isinstance(data, Mapping) and part in data
        inside = inside or (isinstance(data, list | tuple) and isinstance(part, int) and part < len(data))
        if inside:
            path.append(part)
            data = data[part]
        elif (kind == "missing" and last) or (isinstance(data, Mapping) and not _is_tag(data, part)):
            path.append(part)
    return tuple(path)


def _is_tag(data: Mapping[str, Any], part: int | str) -> bool:
    return part in data.values() or part in _TAGS


def _tags() -> frozenset[str]:
    found: set[str] = {"RungLimit", "float"}
    pending: list[type[Choice]] = [Choice]
    while pending:
        cls = pending.pop()
        pending.extend(cls.__subclasses__())
        field = cls.model_fields.get(cls.discriminator)
        if field is not None and isinstance(field.default, str):
            found.add(field.default)
    return frozenset(found)


_TAGS = _tags()


def _message(path: Path, details: dict[str, Any], of: type) -> str:
    """One error in words."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "union_tag_invalid":
        tag = str(context["tag"])
        return f"{tag!r} is not one of {did_you_mean(tag, _quoted(context['expected_tags']))}"
    if kind == "union_tag_not_found":
        expected = ", ".join(_choices_of(path))
        return f"missing; it is one of {expected}" if expected else "missing"
    if kind == "literal_error":
        return f"{value!r} is not one of {did_you_mean(str(value), _quoted(context['expected']))}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _fields_beside(details, of)
        return f"unknown field; known: {did_you_mean(str(path[-1]), known)}" if known else "unknown field"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        return (
            f"{value!r} is out of bounds: it must be {_BOUNDS[kind]} {_plain(next(iter(context.values())))}"
        )
    if kind in _EXPECTED:
        return f"{_shown(value)} is not {_EXPECTED[kind]}"
    if kind == "missing":
        return "missing"
    message = str(context.get("error", details["msg"])) if kind == "value_error" else details["msg"]
    return message[0].lower() + message[1:]


_BOUNDS = {
    "greater_than_equal": "at least",
    "greater_than": "above",
    "less_than_equal": "at most",
    "less_than": "below",
}
_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of 64 bits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "too_short": "a list of the right length",
    "too_long": "a list of the right length",
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"


def _quoted(text: str) -> list[str]:
    return [part.strip(" '") or '""' for part in text.replace(" or ", ", ").split(",")]


def _choices_of(path: Path) -> list[str]:
    return [key for choice, registry in CHOICES.items() if choice[:-1] == path for key in registry]


def _fields_beside(details: dict[str, Any], of: type) -> list[str]:
    """The fields that the table of an unknown field has."""
    tags = [str(part) for part in details["loc"][:-1]]
    model: Any = of
    for tag in tags:
        model = _step_into(model, tag) or model
    if is_dataclass(model):
        return [field.name for field in fields(model)]
    return [name for name in model.model_fields if name != "schema_version"]


def _step_into(model: Any, tag: str) -> type[BaseModel] | None:
    field = getattr(model, "model_fields", {}).get(tag)
    candidates: list[Any] = [model]
    if field is not None:
        candidates = [field.annotation, *get_args(field.annotation)]
    nested = [inner for candidate in candidates for inner in (candidate, *get_args(candidate))]
    classes = [cls for cls in nested if isinstance(cls, type) and issubclass(cls, BaseModel)]
    if field is not None:
        return classes[0] if len(classes) == 1 else _Union(classes)  # type: ignore[return-value]
    return None


class _Union:
    """Stands for a choice that is not made yet; stepping into it with a tag makes it."""

    def __init__(self, classes: list[Any]) -> None:
        self.model_fields = {cls.key(): _Made(cls) for cls in classes if issubclass(cls, Choice)}


@dataclass(frozen=True)
class _Made:
    annotation: Any


def _split_path(message: str) -> tuple[Path, str]:
    """Validators of ours say where in their first words: `expect: claim 2: …`."""
    head, _, tail = message.partition(": ")
    path = tuple(head.split("."))
    return (path, tail) if path[0] in Spec.model_fields and tail else ((), message)
