"""The experiment on the form, before it is a spec.

A draft holds only what was set, as nested dictionaries like those of a TOML file, so that all else follows
its default (`log_every` follows `steps`). What can be set is read from the registries: `groups` describes
every field of the chosen task, cell, optimiser and clipping, and a new one of these needs nothing here. It
knows nothing of the screen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from seqlab.choices import FieldDescription, describe
from seqlab.spec.files import apply_overrides, read_spec, validate
from seqlab.spec.presets import presets
from seqlab.spec.problems import SpecError
from seqlab.spec.schema import CHOICES, Claim, Spec, Stop, Training
from seqlab.tui.wording import NOTHING, label_of, shown

Path = tuple[str, ...]

TASK, CELL, OPTIMIZER, SCHEDULE, CLIP = CHOICES
STOP = ("training", "stop")
TRUNCATION = ("training", "truncation")
_WINDOWS = tuple(("training", name) for name in ("stride", "window", "at_walls", "update"))

_SECTIONS: dict[Path, type[BaseModel]] = {TRUNCATION[:-1]: Training, STOP: Stop}
_WORDS = ("title", "about", "expect")
"""What a preset says of itself: true only as long as nothing is changed."""


@dataclass(frozen=True)
class Entry:
    """A field on the form.

    Attributes:
        path: where it stands in the spec.
        label: how the form names it.
        kind: as in `FieldDescription`.
        options: (value, one line about it) of every allowed value; empty for what is typed.
        hint: unit, and bounds or what 0 means.
        help: one line.
    """

    path: Path
    label: str
    kind: str
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    help: str = ""


@dataclass(frozen=True)
class Group:
    """Fields that stand together.

    Attributes:
        title: its heading.
        entries: its fields, in order.
        folded: whether only one line of it shows at first.
    """

    title: str
    entries: tuple[Entry, ...]
    folded: bool = True


@dataclass(frozen=True)
class Preset:
    """A preset as the list shows it. `data` is empty, and `title` says why, if its file cannot be read."""

    name: str
    title: str
    about: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What validation says of a draft: a spec, or problems by the field they belong to; () is the whole."""

    spec: Spec | None
    problems: Mapping[Path, str]


class Draft:
    """What is set on the form.

    Attributes:
        data: what was set, as nested dictionaries.
        preset: the preset that it started from, if any.
    """

    def __init__(self) -> None:
        self.data: dict[str, Any] = {
            "task": {"name": next(iter(CHOICES[TASK]))},
            "model": {"cell": next(iter(CHOICES[CELL]))},
        }
        self.preset: Preset | None = None
        self._origin: Spec | None = None
        self._last: Spec | None = None

    def load(self, preset: Preset) -> None:
        """Start over from a preset."""
        self.data = {name: _copied(value) for name, value in preset.data.items() if name not in _WORDS}
        self.preset, self._last = preset, None
        try:
            self._origin = validate(preset.data)
        except SpecError:
            self._origin = None

    def override(self, overrides: Iterable[str]) -> None:
        """Apply `a.b=value` texts.

        Raises:
            SpecError: one of them cannot be read.
        """
        self.data, _ = apply_overrides(self.data, overrides)

    def set(self, path: Path, text: str) -> None:
        """Set a field to what was typed or picked; an empty text goes back to the default.

        Picking another task, cell, optimiser or clipping keeps those fields that mean the same there.
        """
        entry = next((entry for entry in self.entries() if entry.path == path), None)
        if entry is None:
            raise KeyError(path)
        if path in CHOICES:
            self._pick(path, text)
            return
        table = self._table(path)
        if text.strip():
            table[path[-1]] = _parsed(entry.kind, text)
        else:
            table.pop(path[-1], None)

    def text(self, path: Path) -> str:
        """What was set, as it would be typed; empty if nothing was."""
        if path in CHOICES:
            return self.picked(path)
        value = self._find(path)
        return "" if value is None else shown(value, plain=True)

    def reads(self, entry: Entry, typed: str) -> bool:
        """Whether a typed text says what is set: `1e4` and `10000.` do where 10000 is."""
        value = self._find(entry.path)
        return (_parsed(entry.kind, typed) == value) if typed.strip() else value is None

    def default(self, path: Path) -> str:
        """What a field is as long as nothing is set, as it would be typed; empty if that is not known yet."""
        value: Any = self._last
        for part in path:
            value = getattr(value, part, None)
        if value is None:
            defaults = {about.name: about.default for about in self._descriptions(path[:-1])}
            value = defaults.get(path[-1])
        return "" if value is None else shown(value, plain=True)

    def picked(self, path: Path) -> str:
        """The chosen task, cell, optimiser or clipping; the default if what is set is none of them."""
        value = self._find(path)
        registry = CHOICES[path]
        if isinstance(value, str) and value in registry:
            return value
        return Training.defaults.get(path[1], ("", next(iter(registry))))[1]

    def entries(self) -> tuple[Entry, ...]:
        """Every field of the form, in order."""
        return tuple(entry for group in self.groups() for entry in group.entries)

    def groups(self) -> tuple[Group, ...]:
        """Every field of the spec as now chosen, but for its claims: each once."""
        cell_first, *cell_rest = self._fields(CELL[:-1])
        training = self._fields(("training",))
        truncation = tuple(
            replace(entry, label="Truncation") for entry in training if entry.path == TRUNCATION
        )
        return (
            Group("Task", (self._choice("Task", TASK), *self._fields(TASK[:-1])), folded=False),
            Group("Cell", (self._choice("Cell", CELL), cell_first), folded=False),
            Group("Truncation", truncation, folded=False),
            Group("Optimiser", (self._choice("name", OPTIMIZER), *self._fields(OPTIMIZER[:-1]))),
            Group("Schedule", (self._choice("kind", SCHEDULE), *self._fields(SCHEDULE[:-1]))),
            Group("Training", tuple(e for e in training if e.path not in (TRUNCATION, *_WINDOWS))),
            Group("Model", tuple(cell_rest)),
            Group("Windows", tuple(e for e in training if e.path in _WINDOWS)),
            Group("Clipping", (self._choice("kind", CLIP), *self._fields(CLIP[:-1]))),
            Group("Stopping", self._fields(STOP)),
            Group("Title", self._fields(())),
        )

    def check(self) -> Checked:
        """Validate what is set. A preset's title, text and claims go along as long as it is unchanged."""
        try:
            spec = validate(self.data)
            if self.preset is not None and self.unchanged(spec):
                words = {name: self.preset.data[name] for name in _WORDS if name in self.preset.data}
                spec = validate({**words, **self.data})
        except SpecError as error:
            problems: dict[Path, str] = {}
            paths = {entry.path for entry in self.entries()}
            for problem in error.problems:
                owner, message = _owned(tuple(map(str, problem.path)), problem.message, paths)
                problems.setdefault(owner, message)
            return Checked(None, problems)
        self._last = spec
        return Checked(spec, {})

    def unchanged(self, spec: Spec) -> bool:
        """Whether `spec` is still the preset's, whatever its seed and words."""
        return self._origin is not None and _essence(spec) == _essence(self._origin)

    def claims(self) -> tuple[Claim, ...]:
        """What the preset claims."""
        return () if self._origin is None else self._origin.expect

    def _pick(self, path: Path, key: str) -> None:
        old = {about.name: about for about in describe(CHOICES[path][self.picked(path)])}
        new = {about.name: about for about in describe(CHOICES[path][key])}
        table = self._table(path)
        for name in list(table):
            if new.get(name) is None or new[name] != old.get(name):
                del table[name]
        table[path[-1]] = key

    def _table(self, path: Path) -> dict[str, Any]:
        table = self.data
        for part in path[:-1]:
            if not isinstance(table.get(part), dict):
                table[part] = {}
            table = table[part]
        return table

    def _find(self, path: Path) -> Any:
        value: Any = self.data
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _descriptions(self, table: Path) -> tuple[FieldDescription, ...]:
        for path, registry in CHOICES.items():
            if path[:-1] == table:
                return _described(registry[self.picked(path)])
        return _described(_SECTIONS.get(table, Spec))

    def _fields(self, table: Path) -> tuple[Entry, ...]:
        described = self._descriptions(table)
        if not table:  # beside its tables a spec holds words, a version and claims
            described = tuple(about for about in described if about.kind == "text")
        return tuple(_entry((*table, about.name), about) for about in described)

    def _choice(self, label: str, path: Path) -> Entry:
        registry = CHOICES[path]
        options = tuple((key, choice.summary) for key, choice in registry.items())
        return Entry(path, label, "choice", options, help=registry[self.picked(path)].summary)


def load_presets() -> tuple[Preset, ...]:
    """Every preset by name; one whose file is broken says so in its title."""
    found = []
    for name, file in presets().items():
        try:
            data, _, _ = read_spec(file)
        except SpecError as error:
            found.append(Preset(name, error.problems[0].message))
            continue
        title, about = str(data.get("title", "")), str(data.get("about", ""))
        found.append(Preset(name, title, about, data))
    return tuple(found)


def preset_of(spec: Spec, known: Iterable[Preset]) -> Preset:
    """The known preset that a spec is, else one made of the spec itself."""
    for preset in known:
        with contextlib.suppress(SpecError):
            if preset.data and validate(preset.data) == spec:
                return preset
    data = spec.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    if validate(data) != spec:  # a default that follows another field was set to what it would not be
        data = spec.model_dump(mode="json", exclude_none=True)
    return Preset("the given spec", spec.title, spec.about, data)


def summary_of(draft: Draft, group: Group) -> tuple[str, ...]:
    """A group in words, a field each, in order: `("adam", "lr 0.005", …)`."""
    words = []
    for entry in group.entries:
        value = draft.text(entry.path) or draft.default(entry.path)
        value = shown(_number(value)) if entry.kind in ("integer", "number") else value
        if value:
            words.append(value if entry.path in CHOICES or entry.kind == "text" else f"{entry.label} {value}")
    return tuple(" ".join(word.split()) for word in words)


_described = lru_cache(describe)
"""Classes do not change, and a form asks at each key."""


def _entry(path: Path, about: FieldDescription) -> Entry:
    hint = ", ".join(part for part in (about.unit, "" if about.choices else about.bounds) if part)
    if about.zero:  # which says more than the bounds do
        nothing = NOTHING if about.choices else "0"
        hint = "; ".join(part for part in (about.unit, f"{nothing} = {about.zero}") if part)
    choices = ("true", "false") if about.kind == "boolean" else about.choices
    options = tuple((value, "" if value else about.zero) for value in choices)
    return Entry(path, label_of(about.name), about.kind, options, hint, about.help)


def _parsed(kind: str, text: str) -> Any:
    """What a typed text means; the text itself where it means nothing, so that validation can say so."""
    text = text.strip()
    if kind in ("integer", "number"):
        return _number(text)
    if kind == "pair":
        return [_number(part) for part in text.replace(",", " ").split()]
    return text == "true" if kind == "boolean" else text


def _number(text: str) -> int | float | str:
    """Whole numbers become integers, `1e4` too, which float fields take as well."""
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return text


def _owned(path: Path, message: str, known: set[Path]) -> tuple[Path, str]:
    """The field that a problem belongs to, by its path, the start of it, or its first word; and the words."""
    for length in range(len(path), 0, -1):
        if path[:length] in known:
            return path[:length], message
    name, _, rest = message.partition(": ")
    if (*path, name) in known:
        return (*path, name), rest
    return (), ": ".join(part for part in (".".join(path), message) if part)


def _essence(spec: Spec) -> tuple[Any, ...]:
    return spec.task, spec.model, spec.training.model_copy(update={"seed": 0})


def _copied(value: Any) -> Any:
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value
