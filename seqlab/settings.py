"""What a person wants of the lab on every run: theme, rates, characters, keys. They stand in `config.toml`.

The file is `$SEQLAB_CONFIG`, which must be there, else `config.toml` in the platform's folder for settings;
without it everything has its default. `seqlab config path` names it, and `seqlab config show` prints what is
in force, to begin a file with. Errors are told as those of a spec are: every one at once, with file and line,
or with the option of the command line.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from seqlab.regular import MOST_SPEC_BYTES, read_named, why

if TYPE_CHECKING:
    from seqlab.spec.problems import Problem

FPS, FPS_REMOTE = 4.0, 2.5
"""Pictures a second at most on this machine, and over SSH; fewer where they cost too much."""
HEATMAP_FPS, HEATMAP_FPS_REMOTE = 2.0, 1.0
"""Heatmaps a second: most of what is sent of a picture is theirs."""


def _described(default: Any, description: str) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True)
class Settings:
    """How the lab looks and behaves, whatever run it shows. Checked by `load_settings` alone."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    theme: str = _described("seqlab-dark", "seqlab-dark, seqlab-light, or another one of Textual's")
    charset: Literal["auto", "braille", "block", "ascii"] = _described(
        "auto", "what curves are drawn with: auto (by locale and TERM), braille, block or ascii"
    )
    fps: Annotated[float, Ge(0), Le(30)] = _described(
        0.0, f"pictures a second; 0: up to {FPS:g}, {FPS_REMOTE:g} over SSH, fewer on a slow machine"
    )
    heatmap_fps: Annotated[float, Ge(0), Le(30)] = _described(
        0.0, f"heatmaps a second; 0: {HEATMAP_FPS:g}, {HEATMAP_FPS_REMOTE:g} over SSH"
    )
    mouse: bool = _described(True, "whether the mouse can be used; false leaves it to the terminal")
    notice: tuple[Literal["bell", "desktop"], ...] = _described(
        (), 'how the end of a run is told: "bell", "desktop" (OSC 9), both, or not at all'
    )
    keys: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"description": 'other keys for actions, as in "lab.pause" = "p"; ctrl+p names the actions'},
    )

    @property
    def pause(self) -> float:
        """Seconds between two pictures of a run that trains."""
        return 1 / (self.fps or (FPS_REMOTE if remote() else FPS))

    @property
    def heatmap_pause(self) -> float:
        """Seconds between two heatmaps of a run that trains."""
        chosen = self.heatmap_fps or (HEATMAP_FPS_REMOTE if remote() else HEATMAP_FPS)
        return max(1 / chosen, self.pause)


def settings_of(app: object) -> Settings:
    """The settings of an app; the defaults if it has none."""
    return getattr(app, "settings", None) or Settings()


def key_name(app: object, action: str, key: str) -> str:
    """The key of an action as the lab's own words name it: `y`, or what the person has put in its place.

    Args:
        app: whose settings count.
        action: the id of its binding.
        key: the name of its key if nobody has moved it, as it is to be written.
    """
    moved = settings_of(app).keys.get(action)
    return key if moved is None else shown_key(moved.partition(",")[0].strip())


def key_hint(app: object, action: str, key: str) -> str:
    """The same, between marks: `‹y›`."""
    return f"‹{key_name(app, action, key)}›"


def shown_key(key: str) -> str:
    """A key as words name it: `esc`, `/`, `pgup`, `ctrl+t`."""
    from textual.keys import format_key

    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    return "+".join([*modifiers, last if last == "enter" else format_key(last)])


def remote() -> bool:
    """Whether the terminal is at the other end of an SSH connection."""
    return "SSH_CONNECTION" in os.environ


def config_path() -> Path:
    """Where the settings are looked for: `$SEQLAB_CONFIG`, else the platform's place."""
    chosen = os.environ.get("SEQLAB_CONFIG")
    if chosen:
        return Path(os.path.expanduser(chosen))
    import platformdirs

    return Path(platformdirs.user_config_dir("seqlab")) / "config.toml"


def load_settings(path: Path | None = None, **chosen: Any) -> Settings:
    """Read the settings.

    Args:
        path: the file; None for `config_path()`. There need not be one, unless `$SEQLAB_CONFIG` names it.
        chosen: what the command line says instead; None says nothing.

    Raises:
        SpecError: the file cannot be read, or something in it is wrong; all of it, with file and line.
    """
    named = path is None and bool(os.environ.get("SEQLAB_CONFIG"))
    path = path or config_path()
    said = {name: value for name, value in chosen.items() if value is not None}
    text = _text(path, named)
    if not said and not text:
        return Settings()
    # Not for everybody's first paint.
    from pydantic import TypeAdapter, ValidationError

    from seqlab.spec.problems import Problem, SpecError, problems_of

    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError([Problem((), f"not a TOML file: {error}", str(path))]) from None
    wanted, found, problems = {**data, **said}, Settings(), list[Problem]()
    try:
        found = TypeAdapter(Settings).validate_python(wanted)
    except ValidationError as error:
        problems = problems_of(error, wanted, Settings)
    problems += _unheard_of(wanted)
    if problems:
        placed = sorted(
            (_located(problem, path, text, said) for problem in problems), key=lambda each: each[0]
        )
        raise SpecError([problem for _, problem in placed])
    return found


def to_toml(settings: Settings) -> str:
    """Settings as a file, with what each of them is."""
    import tomli_w

    lines = []
    for each in dataclasses.fields(Settings):
        name, value = each.name, getattr(settings, each.name)
        lines.append(f"# {each.metadata['description']}")
        if isinstance(value, dict):
            lines.append(tomli_w.dumps({name: value}).strip() if value else f"[{name}]")
        else:
            value = list(value) if isinstance(value, tuple) else value
            lines.append(tomli_w.dumps({name: value}).strip())
    return "\n".join(lines) + "\n"


def _unheard_of(wanted: Mapping[str, Any]) -> list[Problem]:
    """A theme, actions and keys that there are not, as far as they are written as such at all."""
    theme, keys = wanted.get("theme"), wanted.get("keys")
    named = (
        {name: key for name, key in keys.items() if isinstance(key, str)} if isinstance(keys, dict) else {}
    )
    if not named and not isinstance(theme, str):
        return []
    from seqlab.tui.wishes import wrong_keys, wrong_theme

    return (wrong_theme(theme) if isinstance(theme, str) else []) + wrong_keys(named)


def _text(path: Path, named: bool) -> str:
    """What is in the file; nothing if there is none, and there need not be one."""
    try:
        return read_named(path, MOST_SPEC_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        if not named:
            return ""
        problem = "there is no such file; SEQLAB_CONFIG names it"
    except UnicodeDecodeError as error:
        problem = f"not a TOML file: byte {error.start} is not UTF-8 text"
    except (OSError, ValueError) as error:
        problem = f"cannot be read: {why(error)}"
    from seqlab.spec.problems import Problem, SpecError

    raise SpecError([Problem((), problem, str(path))])


def _located(problem: Problem, path: Path, text: str, said: dict[str, Any]) -> tuple[int, Problem]:
    """The line that a problem is on, 0 for none, and the problem with its place."""
    from seqlab.spec.problems import Problem, line_of

    name = str(problem.path[0]) if problem.path else ""
    if name in said:
        return 0, Problem((), problem.message, f"--{name.replace('_', '-')}")
    line = line_of(text, problem.path) or 0
    return line, Problem(problem.path, problem.message, f"{path}:{line}" if line else str(path))
