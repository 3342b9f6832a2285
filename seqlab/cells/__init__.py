"""The cells: one file each, with what surrounds the compiled equations. No Numba here.

A new cell is one file here, one of the same name in `seqlab.kernels`, and its reference in the tests;
`CELLS` finds it.
"""

from seqlab.cells.base import Cell, State
from seqlab.choices import discover

CELLS: dict[str, type[Cell]] = discover(__name__, Cell)  # type: ignore[type-abstract]
"""Every cell by its name."""

__all__ = ["CELLS", "Cell", "State"]
