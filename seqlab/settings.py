"""What a person wants of the lab on every run: theme, rates, characters, keys. They stand in `config.toml`.

The file is `$SEQLAB_CONFIG`, else `config.toml` in the platform's folder for settings; without it everything
has its default. `seqlab config path` names it, and `seqlab config show` prints what is in force, to begin a
file with. Errors are told as those of a spec are: every one at once, with file and line.
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


def key_hint(app: object, action: str, key: str) -> str:
    """The key of an action as the lab's own words name it: `‹y›`, or what the person has put in its place."""
    return f"‹{settings_of(app).keys.get(action, key).partition(',')[0]}›"


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
        path: the file; None for `config_path()`. There need not be one.
        chosen: what the command line says instead; None says nothing.

    Raises:
        SpecError: the file cannot be read, or something in it is wrong; all of it, with file and line.
    """
    path = path or config_path()
    said = {name: value for name, value in chosen.items() if value is not None}
    if not said and not path.exists():
        return Settings()
    # Not for everybody's first paint.
    from pydantic import TypeAdapter, ValidationError

    from seqlab.spec.problems import Problem, SpecError, problems_of

    text = _text(path)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError([Problem((), f"not a TOML file: {error}", str(path))]) from None
    try:
        return TypeAdapter(Settings).validate_python({**data, **said})
    except ValidationError as error:
        problems = problems_of(error, {**data, **said}, Settings)
        raise SpecError([_located(problem, path, text, said) for problem in problems]) from None


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


def _text(path: Path) -> str:
    from seqlab.spec.problems import Problem, SpecError

    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SpecError([Problem((), f"cannot be read: {error.strerror}", str(path))]) from None
    except UnicodeDecodeError as error:
        message = f"not a TOML file: byte {error.start} is not UTF-8 text"
        raise SpecError([Problem((), message, str(path))]) from None


def _located(problem: Problem, path: Path, text: str, said: dict[str, Any]) -> Problem:
    from seqlab.spec.problems import Problem, line_of

    name = str(problem.path[0]) if problem.path else ""
    if name in said:
        return Problem((), problem.message, f"--{name.replace('_', '-')}")
    line = line_of(text, problem.path)
    return Problem(problem.path, problem.message, f"{path}:{line}" if line else str(path))
