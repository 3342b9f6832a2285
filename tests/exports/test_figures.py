"""Figures show the run: its loss and rungs, its gradients and walls, all its gates and states."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from seqlab.exports import figures
from seqlab.runs.layout import create_run
from tests.conftest import small
from tests.exports.conftest import exported
from tests.worker.conftest import train_here

SIGNATURES = {"png": b"\x89PNG\r\n", "svg": b"<?xml"}


@pytest.mark.parametrize("to", ["png", "svg"])
def test_three_figures_are_written_beside_each_other_and_equal_runs_have_equal_ones(to, trained, tmp_path):
    made = exported(to, trained, tmp_path / f"fig.{to}", step=10)
    assert [path.name for path in made.files] == [
        f"fig-{name}.{to}" for name in ("loss", "gradient", "gates")
    ]
    for path in made.files:
        assert path.read_bytes().startswith(SIGNATURES[to])
    if to == "svg":
        for path in made.files:
            ElementTree.parse(path)
        again = exported(to, trained, tmp_path / "again.svg", step=10)
        assert list(again.files.values()) == list(made.files.values())


def test_the_loss_has_both_curves_and_every_rung_that_can_be_drawn(trained):
    (axes,) = figures.loss(trained, trained.frame(), 10).axes
    train, held_out, *levels, mark = axes.lines
    np.testing.assert_array_equal(train.get_ydata(), trained.metrics["train/loss"].values)
    np.testing.assert_array_equal(held_out.get_xdata(), trained.metrics["eval/loss"].steps)
    rungs = [rung for rung in trained.rungs if rung.metric == "eval/loss"]
    assert [level.get_ydata()[0] for level in levels] == [rung.height for rung in rungs if rung.height > 0]
    assert {text.get_text() for text in axes.texts} == {rung.label for rung in rungs if rung.height > 0}
    assert mark.get_xdata()[0] == 10


def test_the_gradient_has_a_line_for_each_layer_and_what_truncation_cuts_off(trained):
    frame = trained.frame(10)
    (axes,) = figures.gradient(trained, frame, None).axes
    drawn = {(line.get_linestyle(), line.get_color()): line.get_ydata() for line in axes.lines[:6]}
    for layer, color in enumerate(("C0", "C1")):
        for name, style in (("gradient", "-"), ("gradient_full", "--"), ("credit", ":")):
            np.testing.assert_array_equal(drawn[style, color], frame.tensors[f"layer{layer}/{name}"])
    assert [line.get_xdata()[0] for line in axes.lines[6:]] == [5.5, 10.5]


def test_where_no_gradient_can_be_there_is_none(tmp_path):
    run = train_here(create_run(small({"length": 10}, truncation=4, steps=2), tmp_path))
    (axes,) = figures.gradient(run, run.frame(), None).axes
    y = axes.lines[0].get_ydata()
    assert np.isnan(y[:8]).all()
    assert np.isfinite(y[8:]).all()


def test_every_gate_and_state_is_a_heatmap_in_each_layer(trained):
    frame = trained.frame()
    drawn = figures.gates(trained, frame, None)
    images = [image.get_array() for axes in drawn.axes for image in axes.images]
    assert len(images) == 2 * 4
    for number, array in enumerate(images):
        layer, name = divmod(number, 4)
        np.testing.assert_array_equal(array.T, frame.tensors[f"layer{layer}/state/{'rznh'[name]}"])


def test_both_directions_have_rows_of_their_own(tmp_path):
    run = train_here(create_run(small(model={"bidirectional": True}, steps=2), tmp_path))
    drawn = figures.gates(run, run.frame(), None)
    assert sum(bool(axes.images) for axes in drawn.axes) == 2 * 6
    assert "backwards\nunit" in {axes.get_ylabel() for axes in drawn.axes}
