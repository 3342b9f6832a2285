"""The page on cells, docs/cells.md, made from the cells themselves: python docs/cells.py.

Equations, sources, options, states and weights are what the classes in `seqlab.cells` declare, drawings are
in `docs/drawings`, presets are those that use the cell, and costs are what `benchmarks.cells` measured.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

from seqlab.cells import CELLS, Cell, State
from seqlab.choices import FieldDescription, describe
from seqlab.methods import INITIALISERS
from seqlab.spec import load_spec, presets
from seqlab.tui.wording import shown

HERE = Path(__file__).parent
PAGE = HERE / "cells.md"
DRAWINGS = HERE / "drawings"
COSTS = HERE.parent / "benchmarks" / "results" / "cells.json"

MACKEY_GLASS = HERE.parent / "benchmarks" / "ESN.md"

PRESET = {"rnn": "vanishing", "lstm": "adding-lstm", "gru": "adding-gru"}
"""What shows best what a cell is for, where many presets use it."""
UNITS = 32
"""H where weights are counted."""
BASE = "rnn"
"""What costs are ratios to."""
KINDS = {"gate": "0 to 1", "signed": "-1 to 1", "free": "without bounds"}

PREFACE = """# Cells

Made by `python docs/cells.py` from what the cells declare of themselves. The tests evaluate the equations on
this page and compare each gate and state with what the compiled kernels find, so it says what the code does.

Row vectors: x_t are the inputs [F], h_t the states [H] at timestep t, W is [F,H], U is [H,H] and b is [H].
σ(a) = 1/(1 + e^(-a)), ∘ is elementwise. Gates and states have the names by which the panels show them.
"""

LEGEND = """## How to read the drawings

One timestep: what comes in stands on the left, what goes out on the right.

    ┌─────┐     A box has weights of its own. It adds up x_t W + h_{t-1} U + b, of what comes in of these,
    │  σ  │     and of a c that comes in p∘c; then it takes σ, tanh or φ of the sum, if it names one. In a
    └─────┘     double frame the weights are never trained.
    (tanh)      Round brackets have none: a plain function of what comes in.
    ⊙  ⊕        What comes in is multiplied, or added, element by element.
    ┬ ┴ ├ ┤     A line branches.
    ┼           Two lines cross and do not meet.
    f │         A line is called what the equations call it.
"""

SHARED = """\
## What all cells share

A cell is chosen by `model.cell`. Any of them that has a memory runs in both directions, too: `bilstm` is an
`lstm` with `bidirectional = true`, and so are `birnn`, `bigru` and the like.

- Readout: y_t = h_t V + d, of the uppermost layer.
- Start: h_0 = 0, and c_0 = 0.
- Layers: h_t of one is x_t of the next.
- Bidirectional (Schuster & Paliwal 1997): h_t = [→h_t, ←h_t]. ←h_t has weights of its own, and runs from the
  sequence's last step to its first.
- Residual (He et al. 2016): h_t + x_t goes on in place of h_t, where both are equally wide.
- Dropout with probability p (Gal & Ghahramani 2016): h_t∘m goes on in place of h_t, but not from the last
  layer. m_j is 0 with probability p, else 1/(1 - p), drawn for each sequence and the same at all its steps;
  in evaluation it is 1.
- Layer normalisation (Ba, Kiros & Hinton 2016), where a cell has it: over a sequence's row, of all gates
  together, N(a) = (a - mean(a))/√(variance(a) + 10⁻⁵). The gains g_x, g_h and g_c start from 1, b_c from 0.
"""

ENCODER = """## Encoder, decoder and attention

In the task `reverse` all is read before anything is answered, by two stacks of the same cell with weights
of their own (Cho et al. 2014; Sutskever, Vinyals & Le 2014): the encoder E reads, and from its last states,
layer by layer, the decoder D starts. What D reads is a start sign, then the answer before: the right one in
training (teacher forcing, Williams & Zipser 1989), its own when it runs free.

{encoder}
With `attention = true` the decoder looks back (Luong, Pham & Manning 2015, the general form). e_j are the
states of the encoder's uppermost layer at its steps j = 1 … S, s_t those of the decoder's.

    score_tj = s_t A e_j
    attention_tj = exp(score_tj) / Σ_k exp(score_tk)
    context_t = Σ_j attention_tj e_j
    y_t = [s_t, context_t] V + d

{attention}
(·) is the inner product with each e_j, (Σ) the sum over j, softmax is over j, too. A is [H,H], V is [2H,O].
The panels show `attention` as a heatmap, encoder steps × decoder steps.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page as it should be."""
    encoder = ENCODER.format(encoder=drawing("encoder-decoder"), attention=drawing("attention"))
    cells = "\n".join(section(name) for name in CELLS)
    return "\n".join([PREFACE, overview(), LEGEND, shared(), cells, encoder, measured()])


def overview() -> str:
    """A row for each cell."""
    lines = ["| cell | | gates and states | weights | a step, × rnn |", "|---|---|---|--:|--:|"]
    for name, cell in CELLS.items():
        states = " ".join(state.name for state in cell(cell=name).states())
        ratios = costs()["ratios"][name]
        lines.append(
            f"| [{name}](#{name}) | {cell.summary} | {states} | {count(cell):,} | {median(ratios):.2g} |"
        )
    return "\n".join([*lines, "", f"Weights: of one layer with {UNITS} units and one input.", ""])


def shared() -> str:
    """What is said once for all cells."""
    starts = [f"| `{name}` | {start.summary} |" for name, start in INITIALISERS.items()]
    return "\n".join([SHARED, *options(describe(Cell)), "", "| init | |", "|---|---|", *starts, ""])


def section(name: str) -> str:
    """All of one cell."""
    cell = CELLS[name]
    own = tuple(field for field in describe(cell) if field not in describe(Cell))
    return "\n".join(
        [
            f"## {name}",
            "",
            f"{cell.summary[0].upper()}{cell.summary[1:]}.",
            "",
            f"Source: {cell.source}.",
            "",
            *(f"    {line}" for line in cell.equations.splitlines()),
            "",
            *drawings(name),
            *changes(name),
            "",
            "- Shown: " + ", ".join(_state(state) for state in cell(cell=name).states()) + ".",
            f"- Weights: {weights(cell)}; {count(cell):,} with {UNITS} units and one input.",
            *shown_by(name),
            *found_here(name),
            "",
            *([*options(own), ""] if own else ()),
        ]
    )


def drawing(name: str) -> str:
    """A drawing as a block of code."""
    return "".join(f"    {line}\n" for line in (DRAWINGS / f"{name}.txt").read_text().splitlines())


def drawings(name: str) -> Iterator[str]:
    """A cell's drawing, and those of its settings that have one of their own."""
    yield drawing(name)
    for setting in CELLS[name].changes:
        other = drawing_of(name, setting)
        if (DRAWINGS / f"{other}.txt").exists():
            yield f"With `{setting}`:\n"
            yield drawing(other)


def drawing_of(cell: str, setting: str) -> str:
    """The drawing of a cell with a setting: `gru-reset-before`."""
    return f"{cell}-{setting.replace(' = ', '-').replace(chr(34), '')}"


def changes(name: str) -> Iterator[str]:
    """What settings change, and what a step costs with each."""
    yield "| with | in place of the above | a step, × rnn |"
    yield "|---|---|--:|"
    yield f"| nothing else | | {spread(costs()['ratios'][name])} |"
    for setting, change in CELLS[name].changes.items():
        equations = "<br>".join(f"`{_escaped(line)}`" for line in change.splitlines())
        yield f"| `{setting}` | {equations} | {spread(costs()['ratios'][label(name, setting)])} |"


def options(fields: Sequence[FieldDescription]) -> Iterator[str]:
    """A row for each field."""
    yield "| option | default | from – to | |"
    yield "|---|---|---|---|"
    for field in fields:
        default = "see right" if field.default is None else shown(field.default)
        zero = f" ({field.zero})" if field.zero else ""
        bounds = "true, false" if field.kind == "boolean" else f"{field.bounds} {field.unit}".strip()
        yield f"| `{field.name}` | {default}{zero} | {bounds} | {_escaped(field.help)} |"


def weights(cell: type[Cell]) -> str:
    """Shapes of one layer's parameters, such as `W [F,4H]`."""
    features, hidden = 7, 1_009  # primes that no product of others is
    shapes = cell(cell=cell.key(), hidden=hidden).parameter_shapes(features)

    def letter(size: int) -> str:
        many, rest = divmod(size, hidden)
        if many and not rest:
            return f"{many if many > 1 else ''}H"
        return "F" if size == features else str(size)

    return ", ".join(f"{name} [{','.join(map(letter, shape))}]" for name, shape in shapes.items())


def count(cell: type[Cell]) -> int:
    """Numbers in the parameters of one layer with `UNITS` units and one input."""
    return sum(prod(shape) for shape in cell(cell=cell.key(), hidden=UNITS).parameter_shapes(1).values())


def shown_by(name: str) -> Iterator[str]:
    """The preset that shows what a cell is for, and the others that use it."""
    best, *others = users(name)
    also = f". Also {', '.join(f'`{preset}`' for preset in others)}" if others else ""
    yield f"- Preset: `{best}`, {load_spec(best).title}{also}."


def found_here(name: str) -> Iterator[str]:
    """What of a published result was found here, where there is one."""
    if name != "esn":
        return
    row = r"^\| (median|published|least, most) \| ([^|]*?) \|$"
    rows = dict(re.findall(row, MACKEY_GLASS.read_text(), re.MULTILINE))
    yield (
        "- On Mackey-Glass, τ = 17, 84 steps on its own outputs, with 400 units: NRMSE "
        f"{rows['median']} in the median over ten seeds ({rows['least, most'].replace(', ', ' to ')}), "
        f"beside {rows['published']} in Jaeger (2001). The method, and what differs: "
        "[benchmarks/ESN.md](../benchmarks/ESN.md)."
    )


def users(name: str) -> list[str]:
    """The presets of a cell, the one first that shows best what it is for."""
    found = [preset for preset in presets() if load_spec(preset).model.cell == name]
    return sorted(found, key=lambda preset: preset != PRESET.get(name))


def models() -> dict[str, dict[str, Any]]:
    """What costs are measured of: every cell, and every cell with each setting that changes its equations."""
    found = {}
    for name, cell in CELLS.items():
        found[name] = {"cell": name}
        for setting in cell.changes:
            found[label(name, setting)] = {"cell": name, **tomllib.loads(setting)}
    return found


def label(cell: str, setting: str) -> str:
    """How a cell with a setting is named in `models`."""
    return f"{cell}, {setting}"


def spread(ratios: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


@cache
def costs() -> dict[str, Any]:
    """What `benchmarks.cells` found."""
    found: dict[str, Any] = json.loads(COSTS.read_text())
    return found


def measured() -> str:
    """How costs were measured."""
    found = costs()
    sizes = found["sizes"]
    return "\n".join(
        [
            "## What a step costs",
            "",
            f"A step of training on adding with H = {sizes['hidden']}, B = {sizes['batch']} and "
            f"T = {sizes['length']}, on one thread, in float32: forward, full backpropagation, clipping by "
            "the norm and Adam; that of an `esn` is forward, a look at its gradient, and a solution for its "
            f"readout. All in turns in one process; × {BASE} is the ratio to a turn of `{BASE}` just before, "
            f"median (least to most) of {len(found['ratios'][BASE])} rounds. "
            f"`{BASE}` itself took {found['step_ms'][BASE]:.2g} ms.",
            "",
            f"{found['machine']}.",
            "",
            "    python -m benchmarks.cells",
            "",
        ]
    )


def _state(state: State) -> str:
    return f"`{state.name}` {state.label} ({KINDS[state.kind]})"


def _escaped(text: str) -> str:
    """As it stands in a table, where a bar would end the column."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
