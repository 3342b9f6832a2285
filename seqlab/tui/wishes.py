"""What the settings may wish for: a theme that there is, and keys for actions that there are.

The actions are those that are bound anywhere in the lab, under the ids of their bindings. A key that the
person has not moved lies where it lay: that the heatmap takes the arrows from the lab is meant to be so. A
key that was moved must not meet another action of the same screen.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from textual._keyboard_protocol import FUNCTIONAL_KEYS
from textual.app import App
from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, _character_to_key, key_to_character
from textual.screen import ModalScreen, Screen

if TYPE_CHECKING:
    from seqlab.spec.problems import Problem

Keys = frozenset[str]
_MODIFIERS = frozenset({"alt", "ctrl", "hyper", "meta", "shift", "super"})
_NAMED = frozenset({*FUNCTIONAL_KEYS.values(), *KEY_NAME_REPLACEMENTS.values()})


class Actions(NamedTuple):
    """What is bound in the lab.

    Attributes:
        keys: of each action, by its id, as they are before anybody moves them.
        together: the ids of actions that can be wanted at once, so that no two of them may share a key.
        reserved: keys that no action can have: the program keeps them for itself.
    """

    keys: dict[str, Keys]
    together: tuple[Keys, ...]
    reserved: Keys


def check_theme(name: str, known: Iterable[str]) -> None:
    """See whether there is such a theme.

    Raises:
        SpecError: there is none; names the nearest.
    """
    _refuse(wrong_theme(name, known))


def check_keys(keys: Mapping[str, str]) -> None:
    """See whether these actions can have these keys.

    Raises:
        SpecError: an action is not there, a key is none, or two actions of a screen have the same; all of it.
    """
    _refuse(wrong_keys(keys))


def wrong_theme(name: str, known: Iterable[str] | None = None) -> list[Problem]:
    """What is wrong with a theme: nothing if it is among those known, or else among all there are."""
    names = sorted(_themes() if known is None else known)
    if name in names:
        return []
    from seqlab.spec.problems import Problem, did_you_mean

    return [Problem(("theme",), f"{name!r} is not one of {did_you_mean(name, names)}")]


def wrong_keys(keys: Mapping[str, str]) -> list[Problem]:
    """What is wrong with keys for actions: each thing once, under the action that it is about."""
    if not keys:
        return []
    from seqlab.spec.problems import Problem

    actions, found = bound(), list[Problem]()
    moved: dict[str, Keys] = {}
    for name, text in keys.items():
        each = [key.strip() for key in text.split(",")]
        bad = [key for key in each if not is_key(key)]
        taken = sorted({_named(key) for key in each} & actions.reserved)
        if name not in actions.keys:
            found.append(Problem(("keys", name), _no_action(name, actions.keys)))
        elif bad:
            found.append(Problem(("keys", name), _no_key(bad[0])))
        elif taken:
            found.append(Problem(("keys", name), f"{taken[0]} belongs to the program and cannot be moved"))
        else:
            moved[name] = frozenset(map(_named, each))
    return found + [Problem(("keys", one), said) for one, said in _clashes(actions, moved)]


def is_key(name: str) -> bool:
    """Whether a terminal can send this: `p`, `f5`, `space`, `ctrl+t`, `full_stop`."""
    *modifiers, key = name.split("+") if len(name) > 1 else [name]
    if not set(modifiers) <= _MODIFIERS or modifiers != sorted(set(modifiers)):
        return False
    if key in _NAMED or len(key) == 1:
        return key.isprintable()
    character = key_to_character(key)
    return character is not None and key == _character_to_key(character)


@cache
def bound() -> Actions:
    """All actions of the lab, found where they are bound."""
    by_class = {
        cls: {binding.id: _keys(cls, binding.id) for binding in _own(cls) if binding.id} for cls in _classes()
    }
    everywhere = {name for cls in by_class if issubclass(cls, App) for name in by_class[cls]}
    keys: dict[str, Keys] = {}
    for name, each in chain.from_iterable(own.items() for own in by_class.values()):
        keys[name] = keys.get(name, frozenset()) | each
    together = [
        frozenset(own)
        | (everywhere if issubclass(cls, Screen) and not issubclass(cls, ModalScreen) else set())
        for cls, own in by_class.items()
    ]
    families = sorted({name.partition(".")[0] for name in keys})
    together += [frozenset(name for name in keys if name.startswith(f"{family}.")) for family in families]
    reserved = {binding.key for binding in App.BINDINGS if isinstance(binding, Binding) and binding.priority}
    return Actions(keys, tuple(together), frozenset(reserved | {App.COMMAND_PALETTE_BINDING}))


def _classes() -> Iterator[type[Any]]:
    """The classes of the lab that bind keys."""
    package = import_module("seqlab.tui")
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__ and "BINDINGS" in vars(cls):
                yield cls


def _own(cls: type[Any]) -> list[Binding]:
    return [binding for binding in cls.BINDINGS if isinstance(binding, Binding)]


def _keys(cls: type[Any], name: str) -> Keys:
    """The keys that a class gives to an action."""
    return frozenset(
        _named(key.strip()) for binding in _own(cls) if binding.id == name for key in binding.key.split(",")
    )


def _clashes(actions: Actions, moved: Mapping[str, Keys]) -> list[tuple[str, str]]:
    """The action that was moved onto another one's key, and what to say of it; each pair once."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    for names in actions.together:
        for one, other in combinations(sorted(names, key=lambda name: (name not in moved, name)), 2):
            shared = moved.get(one, actions.keys[one]) & moved.get(other, actions.keys[other])
            meant = actions.keys[one] & actions.keys[other]
            if one in moved and shared and not meant:
                said = f"{min(shared)} is the key of {other} too; two actions of a screen need two keys"
                found[frozenset({one, other})] = one, said
    return list(found.values())


def _named(key: str) -> str:
    """A key as Textual calls it."""
    return _character_to_key(key) if len(key) == 1 else key


def _themes() -> list[str]:
    from textual.theme import BUILTIN_THEMES

    from seqlab.tui import themes

    return [*BUILTIN_THEMES, themes.DARK.name, themes.LIGHT.name]


def _no_action(name: str, known: Iterable[str]) -> str:
    """Why there is no such action, with those whose names begin alike; or else how names may begin."""
    from seqlab.spec.problems import did_you_mean

    family = name.partition(".")[0]
    alike = sorted(each for each in known if each.startswith(f"{family}."))
    if not alike:
        families = sorted({each.partition(".")[0] for each in known})
        return f"there is no such action; names begin with {did_you_mean(family, families)}"
    return f"there is no such action; there are {did_you_mean(name, alike)}"


def _no_key(key: str) -> str:
    return (
        f"{key!r} is not the name of a key; keys are called p, P, space, enter, f5, left, full_stop, ctrl+t"
    )


def _refuse(problems: list[Problem]) -> None:
    if problems:
        from seqlab.spec.problems import SpecError

        raise SpecError(problems)
