"""The instant rival of a run: an echo state network on the same task, whose readout is fitted at once.

Its spec follows from the run's alone: the same task, seed and precision, the run's own first batches, and its
own eval split. It is small enough to be there while the run has hardly begun.
"""

from __future__ import annotations

from typing import Any

from seqlab.spec.files import validate
from seqlab.spec.plan import PROBE_SEQUENCES, step_bytes
from seqlab.spec.schema import Spec

UNITS = (200, 100, 50)
"""Sizes of the reservoir; the rival has the largest with which it is there in an instant."""
RESERVOIR: dict[str, Any] = {
    "cell": "esn",
    "spectral_radius": 1.2,
    "leak": 0.5,
    "input_scale": 1.5,
    "bias_scale": 0.5,
    "ridge": 1e-5,
}
"""One reservoir for every task, those of waves above all; it is not tuned to any of them."""
_ROWS = 30_000
"""Unmasked steps that the readout is fitted to, about: many times its weights."""
_TIMESTEPS = 200_000
"""Timesteps of all its batches together, at most, where few of them are unmasked."""
_BATCHES = 50
"""At most: after each the readout is solved for anew."""
_WORK = 4e10
"""Multiply-adds within the reservoir, at most: some seconds."""
_BYTES = 1 << 30
_WINDOW = 256
"""Timesteps that are run together; the readout is the same with any number."""


def rival_of(spec: Spec) -> Spec:
    """The spec of a run's rival.

    Raises:
        ValueError: there is none; the message says why.
    """
    if spec.model.closed_form:
        raise ValueError(f"the readout of {spec.model.cell} is fitted at once itself")
    if spec.loss_name != "mse":
        raise ValueError(
            f"a rival is fitted to values by least squares, but the loss here is {spec.loss_name}"
        )
    for units in UNITS:
        rival = _with_units(spec, units)
        if _work(rival) <= _WORK and step_bytes(rival) <= _BYTES:
            return rival
    raise ValueError(
        f"batches of {spec.training.batch_size:,} and an eval split of {spec.training.eval_sequences:,} "
        f"sequences, {spec.task.timesteps:,} steps each, are too much for a rival in an instant"
    )


def has_rival(spec: Spec) -> bool:
    """Whether there is one."""
    try:
        rival_of(spec)
    except ValueError:
        return False
    return True


def _with_units(spec: Spec, units: int) -> Spec:
    """The rival with a reservoir of so many units.

    Raises:
        SpecError: an echo state network cannot do what the task asks for.
    """
    task, training = spec.task, spec.training
    rows = training.batch_size * len(task.loss_steps())
    timesteps = training.batch_size * task.timesteps
    steps = max(1, min(training.steps, _BATCHES, -(-_ROWS // rows), _TIMESTEPS // timesteps))
    return validate(
        {
            "task": task.model_dump(mode="json"),
            "model": {**RESERVOIR, "hidden": units},
            "training": {
                "steps": steps,
                "batch_size": training.batch_size,
                "seed": training.seed,
                "precision": training.precision,
                "loss": training.loss,
                "truncation": _WINDOW if task.timesteps > _WINDOW else 0,
                "eval_every": steps,
                "eval_sequences": training.eval_sequences,
            },
        }
    )


def _work(rival: Spec) -> float:
    """Multiply-adds of h U in fitting, evaluating and looking through the probe, there and back."""
    task, training = rival.task, rival.training
    fitted = training.steps * training.batch_size * task.timesteps
    evaluated = training.eval_sequences * (task.timesteps + task.forecast_horizon)
    looked = 10 * PROBE_SEQUENCES * task.timesteps
    return float(fitted + evaluated + looked) * rival.model.hidden**2
