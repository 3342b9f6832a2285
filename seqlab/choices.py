"""Choices: every thing a spec can name is a small pydantic class, found by walking its package.

Cells, tasks, losses, optimisers and clippings all work alike: a class derived from `Choice` whose
discriminator field (`name`, `cell`, `kind`) has one literal value, whose other fields are what a person can
set, and whose `summary` is one line for pickers and help. `discover` turns a package into a registry, so
that a new file is all that a new choice needs; `describe` turns a class into what a form, a help page or a
table shows of each field.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticUndefined


class Choice(BaseModel):
    """Base of everything a spec can name: strict types, no unknown fields, no NaN or infinity, immutable."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)

    discriminator: ClassVar[str] = "name"
    summary: ClassVar[str] = ""
    rank: ClassVar[int] = 100
    """Where pickers list it: lower first."""

    @classmethod
    def key(cls) -> str:
        """The one value of the discriminator that selects this class."""
        return str(cls.model_fields[cls.discriminator].default)


ChoiceT = TypeVar("ChoiceT", bound=Choice)


def discover(package: str, base: type[ChoiceT]) -> dict[str, type[ChoiceT]]:
    """Import every module of `package` and return its subclasses of `base` by their key, in order of rank.

    Args:
        package: the package's dotted name.
        base: the class that the registry's entries derive from.
    """
    path: Sequence[str] = importlib.import_module(package).__path__
    found: dict[str, type[ChoiceT]] = {}
    for info in pkgutil.iter_modules(list(path)):
        module = importlib.import_module(f"{package}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                field = value.model_fields.get(value.discriminator)
                if field is not None and field.default is not PydanticUndefined:
                    found[value.key()] = value
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


@dataclass(frozen=True)
class FieldDescription:
    """What a person is shown of one field.

    Attributes:
        name: the field's name in the spec.
        kind: `integer`, `number`, `choice`, `text`, `pair` or `boolean`.
        default: its default, or None where it is worked out from other fields.
        low: the least allowed value, if there is one; `low_open` says that the bound itself is not allowed.
        high: the greatest allowed value, if there is one; `high_open` likewise.
        choices: the allowed values of a choice.
        unit: the unit in words, may be empty.
        zero: what 0, or an empty choice, means, if that is something of its own; may be empty.
        help: one line.
    """

    name: str
    kind: Literal["integer", "number", "choice", "text", "pair", "boolean"]
    default: Any
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    choices: tuple[str, ...]
    unit: str
    zero: str
    help: str

    @property
    def bounds(self) -> str:
        """The bounds in words, such as `1 – 4,096`, or the choices; empty if there are none."""
        if self.choices:
            return ", ".join(self.choices)
        low = "" if self.low is None else f"{'above ' if self.low_open else ''}{_bound(self.low)}"
        high = "" if self.high is None else f"{'below ' if self.high_open else ''}{_bound(self.high)}"
        if low and high:
            return f"{low} – {high}"
        if low:
            return low if self.low_open else f"{low} or more"
        return f"up to {high}" if high and not self.high_open else high


def describe(model: type[BaseModel]) -> tuple[FieldDescription, ...]:
    """Describe every settable field of a choice or a section that is not itself a table.

    The discriminator is left out: it is what selects the class.
    """
    skip = getattr(model, "discriminator", None) if issubclass(model, Choice) else None
    described = (_describe(name, info) for name, info in model.model_fields.items() if name != skip)
    return tuple(description for description in described if description is not None)


def _describe(name: str, info: Any) -> FieldDescription | None:
    low = high = None
    low_open = high_open = False
    for rule in info.metadata:
        if (ge := getattr(rule, "ge", None)) is not None:
            low = ge
        if (gt := getattr(rule, "gt", None)) is not None:
            low, low_open = gt, True
        if (le := getattr(rule, "le", None)) is not None:
            high = le
        if (lt := getattr(rule, "lt", None)) is not None:
            high, high_open = lt, True
    kind, choices = _kind(info.annotation)
    if kind is None:
        return None
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    default = None if info.default is PydanticUndefined else info.default
    return FieldDescription(
        name=name,
        kind=kind,
        default=default,
        low=low,
        high=high,
        low_open=low_open,
        high_open=high_open,
        choices=choices,
        unit=str(extra.get("unit", "")),
        zero=str(extra.get("zero", "")),
        help=info.description or "",
    )


def _kind(annotation: Any) -> tuple[Any, tuple[str, ...]]:
    arguments = [argument for argument in get_args(annotation) if argument is not NoneType]
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(argument) for argument in arguments)
    if get_origin(annotation) is tuple:
        return "pair", ()
    plain = {int: "integer", float: "number", str: "text", bool: "boolean"}
    return plain.get(annotation), ()


def _bound(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:g}"
