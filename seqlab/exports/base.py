"""What a way out of the lab is: what it can say, what it needs, and the files that it writes.

A format makes its files in memory; `export` writes them when all of them are there. So nothing is written of
what is refused, and a file that stood there before is replaced in one piece.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from seqlab.choices import Choice
from seqlab.runs import files
from seqlab.runs.layout import RunError

if TYPE_CHECKING:
    from seqlab.cells import Cell
    from seqlab.runs.run import Run
    from seqlab.runs.tensors import Tensors
    from seqlab.spec import Spec

Outputs = Callable[["Spec", "Tensors", NDArray[Any], "NDArray[Any] | None"], NDArray[Any]]
"""Ours: (spec, weights by name, inputs [T, B, F], lengths [B] or None) -> outputs [T, B, O], float32."""

Said = Mapping[str, Mapping[str, Collection[Any]]]
"""By cell, the values that its fields may have for a format to say it; other fields as by default."""

RECURRENT = r"((en|de)coder\.)?(weight|bias)_(ih|hh)_l\d+(_reverse)?|readout\.(weight|bias)|attention\.weight"
"""PyTorch's names of a recurrent network's weights."""

_EVERYONE_SAYS = {"cell", "hidden", "layers", "bidirectional", "attention"}
_OF_TRAINING = {
    *("dropout", "init", "chrono", "forget_bias"),
    *("spectral_radius", "input_scale", "bias_scale", "density", "ridge", "washout"),
}
"""Fields of a cell that matter before or while it is trained; afterwards they are in its weights."""


@dataclass(frozen=True)
class Export:
    """What a format made of a run.

    Attributes:
        files: their contents by path.
        notes: lines about what was made, for people.
        snippet: code that reads the files; may be empty.
    """

    files: Mapping[Path, bytes]
    notes: tuple[str, ...] = ()
    snippet: str = ""


class Format(Choice):
    """A format.

    Class attributes:
        extra: the extra of this package with the libraries that it needs, if any.
        libraries: their names for `import`.
        of_a_step: whether it shows a run at one step, so that there is a choice of it.
    """

    discriminator: ClassVar[str] = "to"
    extra: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()
    of_a_step: ClassVar[bool] = True

    to: str

    @abstractmethod
    def make(self, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
        """Make the files, in memory.

        Args:
            run: what to export.
            step: at which of its steps; None for the last there is.
            out: where the files shall be; see `place`.
            outputs: what the network says, to check with.

        Raises:
            RunError: the run lacks what is needed, or the format cannot say it.
        """


def export(to: Format, run: Run, step: int | None, out: Path | None, outputs: Outputs) -> Export:
    """Make the files and write them. Arguments as for `Format.make`.

    Raises:
        RunError: a library is missing, or see `Format.make`: then nothing is written. Or a file cannot be.
    """
    require(to, *to.libraries)
    if step is not None and not to.of_a_step:
        raise RunError(f"{to.to} holds every step: --step does not go with it")
    made = to.make(run, step, out, outputs)
    for path, content in made.files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.replace(path, content)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}") from error
    return made


def require(to: Format, *libraries: str) -> None:
    """Look whether libraries that a format needs are installed.

    Raises:
        RunError: one is not; says how to get it.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise RunError(
            f"{to.to} needs {' and '.join(missing)}, which is not installed: pip install 'seqlab[{to.extra}]'"
        )


def place(run: Run, out: Path | None, suffix: str) -> Path:
    """Where a file goes: `out`, or, in that folder or this one, the run's name with a suffix."""
    name = f"{run.name}{suffix}"
    if out is None:
        return Path(name)
    return out / name if out.is_dir() else out


def weights(run: Run, step: int | None, places: str) -> tuple[int, dict[str, NDArray[Any]]]:
    """A step, and the weights after it by PyTorch's names.

    Args:
        run: whose.
        step: which; None for the last checkpoint's.
        places: a regular expression for the names that the format has a place for.

    Raises:
        RunError: there is no such checkpoint, or it holds more than there are places for.
    """
    checkpoint = run.checkpoint(step)
    found = checkpoint.weights
    homeless = [name for name in found if not re.fullmatch(places, name)]
    if homeless:
        raise RunError(f"{run.name}: there is no place for its weights {', '.join(homeless)}")
    return checkpoint.step, found


def refuse(whose: str, reasons: Collection[str]) -> None:
    """Raise a RunError if there are reasons why a format, as in "PyTorch", cannot say something."""
    if reasons:
        raise RunError("\n".join(f"{whose} cannot say this: {reason}" for reason in reasons))


def unsaid(cell: Cell, said: Said) -> list[str]:
    """What a format cannot say of a cell, each with what it can.

    Args:
        cell: the cell.
        said: what can be said.
    """
    if cell.cell not in said:
        return [f"model.cell = {_toml(cell.cell)}: it can say {', '.join(said)}"]
    reasons = []
    for name, value in cell:
        if name in _EVERYONE_SAYS | _OF_TRAINING:
            continue
        values = said[cell.cell].get(name)
        if values is None:
            values = (type(cell).model_fields[name].get_default(call_default_factory=False),)
        if value not in values:
            known = ", ".join(map(_toml, values))
            reasons.append(f"model.{name} = {_toml(value)}: it can say {name} = {known}")
    return reasons


def _toml(value: Any) -> str:
    return json.dumps(value)
