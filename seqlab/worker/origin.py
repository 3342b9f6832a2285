"""What a fork begins with: the weights of another run at one of its steps, made again.

From the checkpoint in the fork's folder the other run is gone on with as it went, under its spec and with its
changes, up to the step of the fork; so the weights there have the other run's bits, whether it kept them or
not. Then the fork takes them over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.runs.fork import Origin, load_origin
from seqlab.runs.layout import ORIGIN, RunError
from seqlab.runs.record import differences, environment
from seqlab.runs.tensors import Tensors
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec
from seqlab.spec.schema import Fork
from seqlab.worker.changes import spec_at
from seqlab.worker.orders import Orders
from seqlab.worker.stopping import Stopping
from seqlab.worker.warmth import Warmth, threads_for


class StoppedError(Exception):
    """Somebody wants the run to stop before it has begun.

    Attributes:
        step: where the other run was gone on with to.
    """

    def __init__(self, step: int) -> None:
        self.step = step


@dataclass(frozen=True)
class Begun:
    """What a fork begins with.

    Attributes:
        tensors: the state of the other run's trainer at the step of the fork.
        same_optimizer: whether it is one that the fork's optimiser can go on with.
        wall: seconds of training up to there.
        stopping: how it stood with early stopping there, if the fork follows the same metric.
    """

    tensors: Tensors
    same_optimizer: bool
    wall: float
    stopping: Mapping[str, Any] | None


def begun(spec: Spec, writer: RunWriter, orders: Orders, warmth: Warmth, now: Mapping[str, Any]) -> Begun:
    """Go from the checkpoint in a fork's folder to its first step, and say so.

    Args:
        spec: the fork's.
        writer: writes its events and status.
        orders: tells whether it is to stop.
        warmth: what is compiled already.
        now: the environment.

    Raises:
        StoppedError: it was to stop.
        RunError: what the folder says of the origin cannot be repeated.
    """
    fork, folder = spec.fork, writer.folder / ORIGIN
    assert fork is not None
    origin = load_origin(writer.folder, spec)
    base = origin.checkpoint
    before = environment(folder)
    changed = differences(before, now) if before else []
    writer.event("forked", step=base.step, run=fork.run, at=fork.step, environment_differs=changed)
    tensors, wall = base.tensors, float(base.metadata.get("wall", 0.0))
    if base.step < fork.step:
        words = f"going from step {base.step:,} to {fork.step:,} as {fork.run} did"
        writer.set_status(state="training", step=base.step, message=words)
        if changed:
            bits = "in another environment, so not with the bits of its origin"
            writer.trouble("origin", f"{bits}: {'; '.join(changed)}")
        began = time.perf_counter()
        tensors = _made_again(origin, fork, folder, threads_for(spec), warmth, writer, orders)
        wall += time.perf_counter() - began
        writer.set_status(step=fork.step, message="")
    same = origin.spec.training.optimizer.name == spec.training.optimizer.name
    return Begun(tensors, same, wall, _stopping(origin, spec))


def _stopping(origin: Origin, spec: Spec) -> Mapping[str, Any] | None:
    """How the other run stood with early stopping at the step of the fork.

    Which of its checkpoints was the best is left out: the fork has none of them.
    """
    stop = origin.spec.training.stop
    if not stop.metric or stop.metric != spec.training.stop.metric:
        return None
    exact = float if spec.training.precision == "float64" else np.float32
    stopping = Stopping(stop, origin.checkpoint.metadata.get("stopping"))
    for step, value in origin.followed():
        stopping.look(step, float(exact(value)))
    if stopping.struck:  # whoever forks it there wants it to go on
        stopping.renew()
    return {**stopping.state(), "best": None, "best_step": None}


def _made_again(
    origin: Origin,
    fork: Fork,
    folder: Path,
    threads: int,
    warmth: Warmth,
    writer: RunWriter,
    orders: Orders,
) -> Tensors:
    """The state of the origin's trainer at the step of the fork."""
    warmth.compile(origin.spec)
    from seqlab.training.trainer import Trainer

    def in_force(step: int) -> Spec:
        return spec_at(origin.spec, origin.changes, step, folder)

    steps = {change.step for change in origin.changes}
    trainer = Trainer(in_force(origin.checkpoint.step), threads)
    try:
        trainer.restore(origin.checkpoint.step, origin.checkpoint.tensors)
        while trainer.step < fork.step:
            writer.set_status(step=trainer.step)
            if orders.stop_asked():
                raise StoppedError(trainer.step)
            if trainer.step + 1 in steps:
                trainer.change(in_force(trainer.step + 1))
            result = trainer.advance()
            if result.diverged:
                raise RunError(f"{fork.run} diverges here at step {result.step:,}: {result.diverged}")
        return trainer.state()
    finally:
        trainer.close()
