"""How a matrix of units against time lies on the cells of a heatmap: which place shows which values."""

from __future__ import annotations

from dataclasses import dataclass

from seqlab.tui.widgets.raster import cell_of


@dataclass(frozen=True)
class Grid:
    """How [units, time] values lie on `rows` × `columns` cells.

    Attributes:
        half: whether a row holds two places, one above the other.
    """

    units: int
    timesteps: int
    rows: int
    columns: int
    half: bool

    @property
    def slots(self) -> int:
        """Places down that there are."""
        return self.rows * (2 if self.half else 1)

    @property
    def places(self) -> int:
        """Places down that differ."""
        return min(self.units, self.slots)

    @property
    def height(self) -> int:
        """Places down that a unit takes."""
        return max(1, self.slots // self.units)

    def spot(self, unit: int, time: int) -> tuple[int, int]:
        """The middle of the block of places (down, across) that shows a value."""
        down = (
            unit * self.height + self.height // 2
            if self.units <= self.slots
            else cell_of(unit, self.units, self.slots)
        )
        across = cell_of(time, self.timesteps, self.columns)
        if self.timesteps < self.columns:
            following = (
                cell_of(time + 1, self.timesteps, self.columns) if time + 1 < self.timesteps else self.columns
            )
            across = (across + following - 1) // 2
        return down, across

    def share(self, down: int, across: int) -> tuple[slice, slice] | None:
        """The units and timesteps behind a place, None outside."""
        place = down // self.height
        if not (0 <= place < self.places and 0 <= across < self.columns):
            return None
        return _share(place, self.units, self.places), _share(across, self.timesteps, self.columns)


def _share(cell: int, count: int, cells: int) -> slice:
    start = cell * count // cells
    return slice(start, max(start + 1, (cell + 1) * count // cells))
