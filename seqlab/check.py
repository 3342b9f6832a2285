"""`seqlab check`: whether the gradient of a spec is right, by central differences in float64.

python -m seqlab.check REQUEST
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from seqlab import console
from seqlab.process import serve
from seqlab.spec import validate
from seqlab.training.exactness import TOLERANCE, Block, beside_the_first, compare, in_float64

if TYPE_CHECKING:
    from rich.table import Table


def main(request: str) -> int:
    """Compare, at weights a little beside those that the spec starts from, and print.

    Args:
        request: JSON: `spec`, a resolved spec; `entries` of each block, at most; whether to print `json`.

    Returns:
        0, or 1 if a block is wrong.
    """
    asked = json.loads(request)
    spec = in_float64(validate(asked["spec"]))
    console.say("compiling for float64, then comparing")
    blocks = []
    for block in compare(spec, asked["entries"], beside_the_first(spec)):
        blocks.append(block)
        if asked["json"]:
            console.emit(**asdict(block), right=block.right)
        else:
            console.say(f"{block.name} {list(block.shape)}: {block.error:.1e}")
    worst = max(blocks, key=lambda block: (not block.right, block.error))
    wrong = not all(block.right for block in blocks)
    if asked["json"]:
        console.emit(worst=worst.name, error=worst.error, right=not wrong)
    else:
        from rich.console import Console

        Console(highlight=False).print(table(blocks))
        found = f"worst {worst.error:.1e}, {worst.name} {list(worst.worst)}"
        found += f"; at most {TOLERANCE:g} or rounding is right"
        print(("WRONG: " if wrong else "right: ") + found)
    return int(wrong)


def table(blocks: Sequence[Block]) -> Table:
    """Every block, for people."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for heading in (
        "block",
        "shape",
        "compared",
        "kinks",
        "error",
        "rounding",
        "worst at",
        "gradient",
        "difference",
    ):
        shown.add_column(heading, justify="left" if heading == "block" else "right")
    for block in blocks:
        shown.add_row(
            block.name,
            " × ".join(map(str, block.shape)),
            f"{block.compared:,}",
            f"{block.kinks:,}",
            f"{block.error:.1e}",
            f"{block.rounding:.1e}",
            ", ".join(map(str, block.worst)),
            f"{block.analytic:.6g}",
            f"{block.numeric:.6g}",
            style="" if block.right else "bold red",
        )
    return shown


if __name__ == "__main__":
    serve(main)
