"""Ways out of the lab: each file here writes runs in a format that other programs read.

A new format is one file with a class derived from `Format`; `FORMATS` finds it, and the command line takes
its choices, its help and its errors from there. Libraries that a format needs are imported only once it is
asked for.
"""

from seqlab.choices import discover
from seqlab.exports.base import Export, Format, export

FORMATS: dict[str, type[Format]] = discover(__name__, Format)  # type: ignore[type-abstract]
"""Every format by its name."""

__all__ = ["FORMATS", "Export", "Format", "export"]
