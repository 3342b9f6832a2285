"""The page on cells says what the cells are: it is made from them, and its equations are evaluated."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import numpy as np
import pytest

from docs.cells import DRAWINGS, PAGE, PRESET, costs, drawing_of, models, page, users
from seqlab.cells import CELLS, Cell
from tests.kernels.cases import cell_with, make_case, run_kernel

SETTINGS = [(name, setting) for name, cell in CELLS.items() for setting in ("", *cell.changes)]
DRAWN = {path.stem: path.read_text() for path in DRAWINGS.glob("*.txt")}
each_cell = pytest.mark.parametrize("name", CELLS)
each_drawing = pytest.mark.parametrize("name", DRAWN)

SIGMA, PHI = "σ(a) = 1/(1 + e^(-a))", "φ(a) = tanh(a)"
FUNCTIONS = {"tanh": np.tanh, "max": np.maximum, "clip": np.clip, "e": np.e, "abs": np.abs}
SAYS_GATE = "(?<![a-z]){}(?![a-z])"

LEFT, RIGHT, UP, DOWN = "─┐┘┤┬┴┼═╗╝", "─┌└├┬┴┼═╔╚╟", "│└┘├┤┴┼║╚╝╟", "│┌┐├┤┬┼║╔╗╟"
"""Characters whose line goes on to that side."""
ARROWS = {"←": (0, -1), "→": (0, 1), "↑": (-1, 0), "↓": (1, 0)}


def test_the_page_on_cells_is_what_they_declare():
    assert PAGE.read_text() == page()


def test_the_cost_of_every_cell_and_setting_is_measured():
    assert costs()["ratios"].keys() == models().keys()


@each_cell
def test_a_cell_names_its_source_and_a_preset_shows_what_it_is_for(name: str):
    assert re.search(r"\((19|20)\d\d\)", CELLS[name].source)
    assert users(name)
    assert PRESET.get(name, users(name)[0]) == users(name)[0]


@each_cell
def test_there_is_an_equation_for_every_gate_and_state(name: str):
    left_sides = [line.partition(" = ")[0] for line in CELLS[name].equations.splitlines()]
    for state in CELLS[name](cell=name).states():
        assert f"{state.name}_t" in left_sides


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_equations_say_what_the_kernels_compute(name: str, setting: str):
    case = make_case(cell_with("", name, **tomllib.loads(setting)), (4, 3, 5, 6), seed=8)
    cell = case.cell.shapes(hidden=6)
    result = run_kernel(case)
    found = cell.observe(result.carried, result.record)
    equations = changed(CELLS[name].equations, CELLS[name].changes.get(setting, ""))
    known = weights(cell, case.parameters)
    for t in range(4):
        said = dict(known, x_t=case.x[t])
        said |= {f"{n}_before": a[t] for n, a in zip(cell.carried_names, result.carried, strict=True)}
        for equation in equations:
            evaluate(equation, said)
        for state in cell.states():
            np.testing.assert_allclose(said[f"{state.name}_t"], found[state.name][t], rtol=1e-10, atol=1e-12)


@each_cell
def test_a_drawing_names_what_the_equations_do(name: str):
    cell = CELLS[name](cell=name)
    for part in {*cell.gates, *cell.carried_names, *(state.name for state in cell.states())}:
        assert re.search(SAYS_GATE.format(part), DRAWN[name]), part


def test_every_drawing_is_on_the_page():
    settings = {drawing_of(name, setting) for name, setting in SETTINGS if setting}
    assert DRAWN.keys() - settings == {*CELLS, "encoder-decoder", "attention"}
    for drawn in DRAWN.values():
        assert "".join(f"    {line}\n" for line in drawn.splitlines()) in page()


@each_drawing
def test_a_drawing_fits_a_terminal_of_80_columns(name: str):
    assert max(map(len, DRAWN[name].splitlines())) <= 76  # and 4 of indentation on the page


@each_drawing
def test_every_line_of_a_drawing_leads_from_something_to_something(name: str):
    rows = DRAWN[name].splitlines()
    width = max(map(len, rows))
    grid = [row.ljust(width) for row in rows]

    def at(row: int, column: int, down: int, right: int) -> str:
        """The neighbour on one side; to the left and right there may be a space between."""
        for distance in (1, 2) if right else (1,):
            r, c = row + down * distance, column + right * distance
            if 0 <= r < len(grid) and 0 <= c < width and grid[r][c] != " ":
                return grid[r][c]
        return " "

    lines = set(LEFT + RIGHT + UP + DOWN)
    sides = (((0, -1), LEFT, RIGHT), ((0, 1), RIGHT, LEFT), ((-1, 0), UP, DOWN), ((1, 0), DOWN, UP))
    for row, text in enumerate(grid):
        for column, mark in enumerate(text):
            where = f"{mark} in row {row + 1}, column {column + 1} of {name}"
            for step, ours, theirs in sides:
                other = at(row, column, *step)
                if mark in ours:
                    assert other != " ", where
                    assert other not in lines or other in theirs, where
            if mark in ARROWS:
                down, right = ARROWS[mark]
                assert at(row, column, down, right) != " ", where
                assert at(row, column, -down, -right) != " ", where


def changed(equations: str, change: str) -> list[str]:
    """The definitions of σ and φ and the equations, after a change as in `Cell.changes`."""
    lines = {line.partition(" = ")[0]: line for line in (SIGMA, PHI, *equations.splitlines())}
    for line in change.splitlines():
        new, instead, old = line.partition(" for ")
        if not instead:
            lines[line.partition(" = ")[0]] = line
        for left, text in lines.items() if instead else ():
            # W_i are columns of W, and so are those of what stands for x_t W.
            by_gate = re.sub(f"{re.escape(old)}_([a-z])", rf'of_gate({new}, "\1")', text)
            lines[left] = by_gate.replace(old, new) if by_gate == text else by_gate
    return [line for left, line in lines.items() if left.endswith(("_t", "(a)"))]


def weights(cell: Cell, parameters: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Parameters as equations call them, and the functions that equations know."""
    named = dict(zip(cell.parameter_shapes(5), parameters, strict=True))

    def of_gate(array: np.ndarray, gate: str) -> np.ndarray:
        return np.split(array, len(cell.gates), axis=-1)[cell.gates.index(gate)]

    def normalised(a: np.ndarray) -> np.ndarray:
        return (a - a.mean(1, keepdims=True)) / np.sqrt(a.var(1, keepdims=True) + 1e-5)

    gates = {f"{k}_{gate}": of_gate(named[k], gate) for k in "WUb" if k in named for gate in cell.gates}
    renamed = {"bn": "b_hn", "leak": "α"}
    others = {renamed.get(k, "_".join(k)): value for k, value in named.items()}
    return {**FUNCTIONS, **gates, **others, "of_gate": of_gate, "N": normalised}


def evaluate(equation: str, known: dict[str, Any]) -> None:
    """Work out one equation, and add what it defines to what is known."""
    left, _, right = equation.partition(" = ")
    code = right.replace("{t-1}", "before").replace("∘", "*").replace("^", "**")
    code = re.sub(r"\|(\w+)\|", r"abs(\1)", code)
    code = re.sub(r" ([WU])\b| ([WU]_)", r" @ \1\2", code)
    code = re.sub(r"([α\d)]) (?=[a-z])", r"\1 * ", code)
    if left.endswith("(a)"):
        known[left[0]] = lambda a: eval(code, dict(known, a=a))
    else:
        known[left] = eval(code, dict(known))
