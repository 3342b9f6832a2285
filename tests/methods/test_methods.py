"""Declared choices: losses by their naive formulas, hyperparameters in the kernels' order."""

import numpy as np
import pytest

from seqlab.kernels import losses, optimizers
from seqlab.methods import CLIPS, LOSSES, OPTIMIZERS
from tests.reference import losses as reference


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_naive_formula_and_has_a_kernel(name: str):
    draw = np.random.default_rng(0)
    outputs = draw.standard_normal((4, 3, 5))
    mask = (draw.random((4, 3)) < 0.6).astype(float)
    classes = name == "cross_entropy"
    targets = draw.integers(0, 5, (4, 3)) if classes else draw.standard_normal((4, 3, 5))
    scale = LOSSES[name].scale(mask.sum(), 5)
    assert scale == pytest.approx(1 / mask.sum() / (1 if classes else 5))
    assert LOSSES[name].value(outputs, targets, mask) == pytest.approx(
        getattr(reference, name)(outputs, targets, mask, scale)[0], rel=1e-12
    )
    assert callable(getattr(losses, name))


def test_a_loss_over_nothing_is_zero():
    assert LOSSES["mse"].value(np.ones((2, 2, 1)), np.zeros((2, 2, 1)), np.zeros((2, 2))) == 0.0


def test_every_optimiser_has_a_kernel_and_gives_its_hyperparameters_in_the_kernels_order():
    assert list(OPTIMIZERS) == ["adam", "rmsprop", "sgd"]
    assert OPTIMIZERS["adam"](lr=0.5).hyperparameters() == (0.5, 0.9, 0.999, 1e-8)
    assert OPTIMIZERS["rmsprop"](lr=0.5, momentum=0.25).hyperparameters() == (0.5, 0.99, 1e-8, 0.25)
    assert OPTIMIZERS["sgd"](lr=0.5, momentum=0.25).hyperparameters() == (0.5, 0.25)
    assert all(callable(getattr(optimizers, name)) for name in OPTIMIZERS)


def test_there_are_three_ways_to_clip():
    assert list(CLIPS) == ["norm", "value", "none"]
