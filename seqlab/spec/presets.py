"""The presets: TOML files beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path


def presets() -> dict[str, Path]:
    """Every preset's file by its name, in alphabetical order."""
    return {path.stem: path for path in sorted(_folder().glob("*.toml"))}


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"
