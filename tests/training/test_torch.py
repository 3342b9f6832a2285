"""Outputs, states and all gradients are PyTorch's, from its own weights; tests/fixtures/make.py made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqlab.training.network import Network, Pass
from tests.conftest import small

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("torch-*.npz"))
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def network_of(path: Path, precision: str, weights: dict[str, np.ndarray]) -> Network:
    _, *name, layers, direction = path.stem.split("-")
    cell = dict(zip(("cell", "activation"), name, strict=False))
    model = {**cell, "hidden": 4, "layers": int(layers), "bidirectional": direction == "both"}
    spec = small({"name": "copy", "symbols": 2, "delay": 3, "alphabet": 2}, model, precision=precision)
    network = Network(spec)
    network.parameters.load_torch(weights)
    return network


def assert_close(found, expected, precision, what):
    error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-12)
    assert error <= TOLERANCE[precision], (what, error)


def test_there_are_fixtures_of_every_cell_depth_and_direction():
    assert len(FIXTURES) == 16


@pytest.mark.parametrize("padding", ["equal", "padded"])
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_outputs_states_and_gradients_are_those_of_torch(path, precision, padding):
    with np.load(path) as file:
        kept = dict(file)
    weights = {name.removeprefix("weights/"): value for name, value in kept.items() if "weights/" in name}
    expected = {
        name.removeprefix(f"{padding}/"): value for name, value in kept.items() if name.startswith(padding)
    }
    network = network_of(path, precision, weights)
    x, lengths = kept["x"].astype(precision), expected["lengths"]
    mask = np.arange(len(x))[:, None] < lengths
    work, gradients = Pass(network, 4, len(x)), network.empty()
    work.reset()
    y = work.forward(x, 0, lengths).copy()
    loss = work.loss(kept["classes"], mask.astype(precision), 1 / mask.sum())
    work.backward(x, gradients)

    assert_close(y[mask], expected["y"][mask], precision, "outputs")
    assert loss == pytest.approx(float(expected["loss"]), rel=TOLERANCE[precision])
    seen = work.observed()
    h = np.concatenate([seen[-1]["h"], *(seen[-1][name] for name in seen[-1] if name == "h_reverse")], axis=2)
    assert_close(h[mask], expected["h"][mask], precision, "states")
    ends = np.arange(4), lengths - 1
    for state in ("h", "c"):
        if f"final/{state}" in expected:
            directions = [
                (name, layer) for layer in seen for name in (state, f"{state}_reverse") if name in layer
            ]
            for final, (name, layer) in zip(expected[f"final/{state}"], directions, strict=True):
                # The backward direction ends at the first step.
                last = layer[name][0] if "reverse" in name else layer[name][ends[1], ends[0]]
                assert_close(last, final, precision, name)

    # PyTorch's two biases have equal gradients, but where the GRU's second one stands apart.
    found = gradients.to_torch()
    for name, value in found.items():
        wanted = expected[f"gradients/{name}"]
        if name.startswith("bias_hh"):
            apart = slice(8, None) if "gru" in path.stem else slice(0, 0)
            value, wanted = value[apart], wanted[apart]
        assert_close(value, wanted, precision, name)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_padding_changes_no_bit_of_outputs_states_and_loss(path):
    with np.load(path) as file:
        kept = dict(file)
    weights = {name.removeprefix("weights/"): value for name, value in kept.items() if "weights/" in name}
    network = network_of(path, "float32", weights)
    x, lengths = kept["x"].astype(np.float32), np.array([5, 3, 2, 1])
    found = []
    for padding in (0, 2):
        padded = np.full((5 + padding, *x.shape[1:]), 7.0, np.float32)
        padded[:5] = x[:5]
        mask = (np.arange(len(padded))[:, None] < lengths).astype(np.float32)
        work, gradients = Pass(network, 4, len(padded)), network.empty()
        work.reset()
        y = work.forward(padded, 0, lengths)
        classes = np.zeros((len(padded), 4), np.int64)
        classes[:5] = kept["classes"][:5]
        loss = work.loss(classes, mask, 1 / mask.sum())
        valid = mask[:5] > 0
        states = [values[:5][valid] for layer in work.observed() for values in layer.values()]
        found.append([y[:5][valid].copy(), np.array(loss), *(state.copy() for state in states)])
        work.backward(padded, gradients)
        found[-1].append(gradients.flat)
    *short, gradient = found[0]
    *long, longer = found[1]
    for a, b in zip(short, long, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.linalg.norm(gradient - longer) <= 1e-6 * np.linalg.norm(gradient)
