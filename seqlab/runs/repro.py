"""The command that trains a run again, for somebody who does not have its folder, where there is one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec

_WORDS = ("title", "about", "expect")
"""Fields of a spec that change nothing about the training."""


def repro_command(spec: Spec, folder: Path, as_planned: bool = True) -> str:
    """`seqlab run PRESET -s …` for a run that a preset and a few fields describe; else `seqlab replay RUN`.

    Args:
        spec: of the run.
        folder: the run.
        as_planned: whether nothing but the spec decides what comes of it: no change on the way, no weights
            from elsewhere.
    """
    from seqlab.spec.files import load_spec
    from seqlab.spec.presets import presets

    wanted = _trained(spec)
    for name in presets() if as_planned and "fork" not in wanted else ():
        preset = load_spec(name)
        if preset.title == spec.title:
            overrides = [f"{path}={_value(value)}" for path, value in _differences(_trained(preset), wanted)]
            if _trained(load_spec(name, overrides)) == wanted:
                return shlex.join(
                    ["seqlab", "run", name, *(word for each in overrides for word in ("-s", each))]
                )
    return shlex.join(["seqlab", "replay", str(folder)])


def _trained(spec: Spec) -> dict[str, Any]:
    data = spec.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in data.items() if name not in _WORDS}


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Each field that has another value after, by its path."""
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from _differences(old, value, f"{path}{name}.")
        elif value != old:
            yield f"{path}{name}", value


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str) else tomli_w.dumps({"v": value}).partition("=")[2].strip()
