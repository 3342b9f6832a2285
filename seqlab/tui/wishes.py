"""What the settings may wish for: a theme that there is, keys for actions that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from textual.binding import Binding

from seqlab.settings import config_path

_SCREENS = {
    "seqlab.tui.app": ("LabApp",),
    "seqlab.tui.screens.setup": ("SetupScreen",),
    "seqlab.tui.screens.lab": ("LabScreen",),
    "seqlab.tui.screens.runs": ("RunsScreen",),
}
"""Where the actions are that can have another key."""


def check_theme(name: str, known: Iterable[str]) -> None:
    """See whether there is such a theme.

    Raises:
        SpecError: there is none; names the nearest.
    """
    if name not in set(known):
        from seqlab.spec.problems import did_you_mean

        _refuse("theme", f"{name!r} is not one of {did_you_mean(name, sorted(known))}")


def check_keys(keys: Mapping[str, str]) -> None:
    """See whether there are such actions.

    Raises:
        SpecError: there is one that is not; names the nearest.
    """
    if not keys:
        return
    from seqlab.spec.problems import did_you_mean

    known = _actions()
    for name in keys:
        if name not in known:
            _refuse(f"keys.{name}", f"there is no such action; there are {did_you_mean(name, sorted(known))}")


def _actions() -> set[str]:
    found: set[str] = set()
    for module, names in _SCREENS.items():
        for name in names:
            bindings: list[Any] = getattr(import_module(module), name).BINDINGS
            found |= {each.id for each in bindings if isinstance(each, Binding) and each.id}
    return found


def _refuse(field: str, why: str) -> None:
    from seqlab.spec.problems import Problem, SpecError

    raise SpecError([Problem((field,), why, str(config_path()))])
