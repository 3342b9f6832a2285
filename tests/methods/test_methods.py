"""Declared choices: losses by their naive formulas, hyperparameters in the kernels' order."""

import numpy as np
import pytest
from pydantic import ValidationError

from seqlab.kernels import losses, optimizers
from seqlab.methods import CLIPS, LOSSES, OPTIMIZERS
from seqlab.methods.noise import gradient_noise
from tests.reference import losses as reference


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_naive_formula_and_has_a_kernel(name: str):
    draw = np.random.default_rng(0)
    outputs = draw.standard_normal((4, 3, 5))
    mask = (draw.random((4, 3)) < 0.6).astype(float)
    classes = name == "cross_entropy"
    values = draw.random((4, 3, 5)) if name == "binary_cross_entropy" else draw.standard_normal((4, 3, 5))
    targets = draw.integers(0, 5, (4, 3)) if classes else values
    scale = LOSSES[name].scale(mask.sum(), 5)
    assert scale == pytest.approx(1 / mask.sum() / (1 if classes else 5))
    assert LOSSES[name].value(outputs, targets, mask) == pytest.approx(
        getattr(reference, name)(outputs, targets, mask, scale)[0], rel=1e-12
    )
    assert callable(getattr(losses, name))


def test_a_loss_over_nothing_is_zero():
    assert LOSSES["mse"].value(np.ones((2, 2, 1)), np.zeros((2, 2, 1)), np.zeros((2, 2))) == 0.0


def test_which_losses_can_stand_in_for_a_tasks_own():
    fitting = {own: [name for name, loss in LOSSES.items() if loss.fits(LOSSES[own])] for own in LOSSES}
    values = ["mse", "mae", "huber"]
    assert fitting == {
        "mse": values,
        "mae": values,
        "huber": values,
        "cross_entropy": ["cross_entropy"],
        "binary_cross_entropy": ["binary_cross_entropy"],
    }


def test_every_optimiser_has_a_kernel_and_gives_its_hyperparameters_in_the_kernels_order():
    assert list(OPTIMIZERS) == ["adam", "adamw", "rmsprop", "sgd"]
    assert OPTIMIZERS["adam"](lr=0.5).hyperparameters() == (0.5, 0.9, 0.999, 1e-8)
    assert OPTIMIZERS["adamw"](lr=0.5).hyperparameters() == (0.5, 0.9, 0.999, 1e-8, 0.01)
    assert OPTIMIZERS["adam"](lr=0.5).hyperparameters(0.25) == (0.25, 0.9, 0.999, 1e-8)
    assert OPTIMIZERS["rmsprop"](lr=0.5, momentum=0.25).hyperparameters() == (0.5, 0.99, 1e-8, 0.25)
    assert OPTIMIZERS["sgd"](lr=0.5, momentum=0.25).hyperparameters() == (0.5, 0.25, 0.0)
    assert OPTIMIZERS["sgd"](lr=0.5, momentum=0.25, nesterov=True).hyperparameters() == (0.5, 0.25, 1.0)
    assert all(callable(getattr(optimizers, name)) for name in OPTIMIZERS)


def test_defaults_are_pytorchs():
    defaults = {name: optimizer().hyperparameters() for name, optimizer in OPTIMIZERS.items()}
    assert defaults == {
        "adam": (1e-3, 0.9, 0.999, 1e-8),
        "adamw": (1e-3, 0.9, 0.999, 1e-8, 1e-2),
        "rmsprop": (1e-2, 0.99, 1e-8, 0.0),
        "sgd": (1e-3, 0.0, 0.0),
    }


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValidationError, match="there is no momentum to look ahead with"):
        OPTIMIZERS["sgd"](nesterov=True)


def test_there_are_four_ways_to_clip():
    assert list(CLIPS) == ["norm", "value", "layer", "none"]


@pytest.mark.parametrize("update", [1, 2, 1000])
def test_gradient_noise_has_the_variance_of_the_paper(update: int):
    noise = gradient_noise(0.3, 7, update, 200_000)
    assert noise.mean() == pytest.approx(0, abs=5e-3)
    assert noise.var() == pytest.approx(0.3 / (1 + update) ** 0.55, rel=0.02)


def test_gradient_noise_is_a_function_of_seed_and_update_alone():
    noise = gradient_noise(0.3, 7, 5, 50)
    np.testing.assert_array_equal(noise, gradient_noise(0.3, 7, 5, 50))
    for other in (gradient_noise(0.3, 8, 5, 50), gradient_noise(0.3, 7, 6, 50)):
        assert np.abs(np.corrcoef(noise, other)[0, 1]) < 0.5
        assert not np.isin(noise, other).any()
