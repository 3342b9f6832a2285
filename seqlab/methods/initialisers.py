"""Weight initialisation: how input and recurrent matrices start. Biases are 0, but for a cell's forget bias.

Matrices are drawn gate by gate in the core's layout, [in, H] a gate, in float64, so that a run in either
precision starts from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Init = Literal["uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal", "orthogonal"]
"""What every cell can start from; `INITIALISERS` has more."""

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]
"""(rng, rows, units) -> one gate's matrix [rows, units]."""


@dataclass(frozen=True)
class Initialiser:
    """A way to start a layer: `inputs` draws one gate of W [F, H], `recurrent` one gate of U [H, H]."""

    summary: str
    inputs: Draw
    recurrent: Draw


def uniform(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """U[±1/√H], PyTorch's default for recurrent layers."""
    limit = 1 / math.sqrt(units)
    return rng.uniform(-limit, limit, (rows, units))


def xavier_uniform(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """U[±√(6/(in + out))] for each gate by itself (Glorot & Bengio 2010, equation 16)."""
    limit = math.sqrt(6 / (rows + units))
    return rng.uniform(-limit, limit, (rows, units))


def xavier_normal(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """N(0, 2/(in + out)) for each gate by itself (Glorot & Bengio 2010, equation 12)."""
    return math.sqrt(2 / (rows + units)) * rng.standard_normal((rows, units))


def he_uniform(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """U[±√(6/in)], of the same variance as `he_normal`."""
    limit = math.sqrt(6 / rows)
    return rng.uniform(-limit, limit, (rows, units))


def he_normal(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """N(0, 2/in), meant for relu (He et al. 2015, equation 10)."""
    return math.sqrt(2 / rows) * rng.standard_normal((rows, units))


def orthogonal(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    """A random orthogonal matrix, by QR of normals with the signs fixed (Saxe et al. 2014)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, units)))
    return np.ascontiguousarray(q * np.sign(np.diag(r)))


def _identity(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    return np.eye(rows, units)


def _small_normal(rng: np.random.Generator, rows: int, units: int) -> NDArray[np.float64]:
    return 0.001 * rng.standard_normal((rows, units))


INITIALISERS: dict[str, Initialiser] = {
    "uniform": Initialiser("U[±1/√H], as PyTorch", uniform, uniform),
    "xavier_uniform": Initialiser("U[±√(6/(in+out))] a gate", xavier_uniform, xavier_uniform),
    "xavier_normal": Initialiser("N(0, 2/(in+out)) a gate", xavier_normal, xavier_normal),
    "he_uniform": Initialiser("U[±√(6/in)] a gate, for relu", he_uniform, he_uniform),
    "he_normal": Initialiser("N(0, 2/in) a gate, for relu", he_normal, he_normal),
    "orthogonal": Initialiser("orthogonal recurrence, Xavier inputs", xavier_uniform, orthogonal),
    "identity": Initialiser("identity recurrence, inputs N(0, 0.001²): the IRNN", _small_normal, _identity),
}
"""Every initialiser by its name. The identity is Le, Jaitly & Hinton (2015), meant for relu."""
