"""Runs to export: one that was trained, and ways to make others whose weights are random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.exports import FORMATS, Export, export
from seqlab.runs import layout
from seqlab.runs.checkpoint import save_checkpoint
from seqlab.runs.run import Run
from seqlab.spec import Spec
from seqlab.training.network import Network
from tests.conftest import small
from tests.worker.conftest import train_here

COPY = {"name": "copy", "symbols": 2, "delay": 3, "alphabet": 2}
"""Four inputs and three outputs, seven timesteps."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two layers that were trained under truncation."""
    spec = small(
        {"name": "sine", "length": 12, "horizon": 3},
        {"cell": "gru", "layers": 2},
        truncation=5,
        log_every=3,
        eval_every=10,
        frame_every=5,
    )
    return train_here(layout.create_run(spec, tmp_path_factory.mktemp("runs")))


def weights_of(spec: Spec, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights, biases and peepholes too, by PyTorch's names."""
    network = Network(spec)
    network.parameters.flat[:] = np.random.default_rng(seed).normal(0, 0.4, network.parameters.flat.shape)
    for named in network.parameters.named:
        if "leak" in named:
            named["leak"][:] = network.cell.leak
    return network.parameters.to_torch()


def run_of(spec: Spec, out: Path, weights: dict[str, np.ndarray] | None = None) -> Run:
    """A run that is nothing but a checkpoint of step 7."""
    folder = layout.create_run(spec, out)
    weights = weights_of(spec) if weights is None else weights
    save_checkpoint(folder, 7, {f"model.{name}": value for name, value in weights.items()})
    return Run(folder)


def exported(to: str, run: Run, out: Path | None, step: int | None = None, outputs: Any = None) -> Export:
    return export(FORMATS[to].model_validate({}), run, step, out, outputs)


def encoded(cell: str, **fields: Any) -> Spec:
    """An encoder and a decoder of 4 units."""
    return small({"name": "reverse", "symbols": 3, "alphabet": 3}, {"cell": cell, "hidden": 4, **fields})


def model(cell: str, precision: str = "float32", **fields: Any) -> Spec:
    """A spec with a cell of 4 units."""
    task = {"length": 7} if cell == "esn" else COPY  # whose readout is fitted to values
    return small(task, {"cell": cell, "hidden": 4, **fields}, precision=precision)
