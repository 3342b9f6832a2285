"""Warming up: import Numba, compile what a spec needs, and measure one step of it, ahead of the run."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from seqlab.runs.launch import chosen_threads
from seqlab.spec import Spec, validate
from seqlab.spec.plan import slices, step_bytes
from seqlab.worker import ahead

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer

_MEASURED_SECONDS = 0.3
_MOST_WORK = 2_000_000_000
"""Multiply-adds of a forward pass that can be tried out while a person is choosing: about a second."""
_MOST_BYTES = 2 << 30


class Warmth:
    """What this process has imported and compiled so far.

    Args:
        say: is told the states by name: `state`, `cell`, `seconds`, `step_ms`, `run_seconds`.
        interrupted: whether something else is waiting, so that measuring should stop.
    """

    def __init__(self, say: Callable[..., None], interrupted: Callable[[], bool]) -> None:
        self.say = say
        self._interrupted = interrupted
        self._imported = False
        self._ahead: ahead.Second | None = None
        self._compiled: dict[tuple[object, ...], float] = {}

    def warm(self, choice: Mapping[str, Any]) -> None:
        """Import, compile and measure for a resolved spec, saying where it is."""
        spec = validate(choice)
        self.load(spec)
        seconds = self.compile(spec)
        ready = {"state": "ready", "cell": spec.model.cell, "seconds": round(seconds, 3)}
        self.say(**ready)
        if not self._interrupted() and _can_be_tried(spec):
            self.say(**ready, **self._measure(spec))

    def load(self, spec: Spec) -> float:
        """Import Numba and everything that training needs; returns the seconds it took.

        Args:
            spec: what will be compiled next; if nothing of it is, a second process begins with it at once.
        """
        if self._imported:
            return 0.0
        self.say(state="importing")
        start = time.perf_counter()
        self._ahead = ahead.start(spec)
        import seqlab.training.trainer  # noqa: F401

        self._imported = True
        return time.perf_counter() - start

    def compile(self, spec: Spec) -> float:
        """Compile every kernel that a spec uses, or load it from the cache; returns the seconds it took.

        A tiny network of the same kind goes once through everything; shapes are not part of what is compiled.
        With a second processor and nothing in the cache, a second process does half of it (`ahead`).
        """
        training = spec.training
        key = (
            spec.model.kernel,
            spec.model.attention,
            spec.loss_name,
            training.precision,
            training.optimizer.name,
            training.clip.kind,
        )
        if key not in self._compiled:
            self.say(state="compiling", cell=spec.model.cell)
            start = time.perf_counter()
            second, self._ahead = self._ahead or ahead.start(spec), None
            trainer = tiny_trainer(spec)
            if second is not None:
                second.share(kernels_of(spec, trainer))
            trainer.advance()
            trainer.evaluate()
            trainer.probe.look()
            self._compiled[key] = time.perf_counter() - start
        return self._compiled[key]

    def _measure(self, spec: Spec) -> dict[str, Any]:
        from seqlab.training.ridge import trainer_for

        trainer = trainer_for(spec, threads_for(spec))
        try:
            trainer.advance()
            times: list[float] = []
            start = time.perf_counter()
            while not times or (time.perf_counter() - start < _MEASURED_SECONDS and not self._interrupted()):
                before = time.perf_counter()
                if trainer.advance().diverged:
                    return {}
                times.append(time.perf_counter() - before)
            before = time.perf_counter()
            trainer.evaluator.evaluate(chunks=1)
            chunk = time.perf_counter() - before
            before = time.perf_counter()
            trainer.probe.look()
            look = time.perf_counter() - before
        finally:
            trainer.close()
        step = statistics.median(times)
        training = spec.training
        seconds = (
            training.steps * step
            + training.steps / training.eval_every * chunk * trainer.evaluator.chunks
            + min(200, training.steps / training.frame_every) * look
        )
        return {"step_ms": step * 1e3, "run_seconds": seconds}


def threads_for(spec: Spec) -> int:
    """`SEQLAB_THREADS`, else as many as there are processors and slices.

    Raises:
        RunError: the variable does not hold a number of threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return chosen_threads(os.environ) or min(cores, len(slices(spec)))


def tiny_trainer(spec: Spec) -> Trainer:
    """A trainer of the same kind, as small as can be."""
    from seqlab.training.ridge import trainer_for

    tiny = spec.model_copy(
        update={
            "task": type(spec.task).model_validate({"name": spec.task.name}),
            "model": spec.model.model_copy(update={"hidden": 1, "layers": 1}),
            "training": spec.training.model_copy(
                update={"batch_size": 1, "truncation": 0, "eval_sequences": 1, "update": "sequence"}
            ),
        }
    )
    return trainer_for(tiny)


def kernels_of(spec: Spec, trainer: Trainer) -> list[Callable[[], object]]:
    """Calls that compile a step's kernels, one or a few each, in about the order of a step.

    The layers go before the packing of their weights, though these are nothing yet: they call the product of
    matrices, as `layers_backward` does, which a second process so finds compiled when it gets there.
    """
    import numpy as np

    from seqlab.training.decoder import EncoderDecoder
    from seqlab.training.gradients import clip_gradient

    part, work, gradients = trainer.draw()[0], trainer.passes[0], trainer.network.empty()
    stack = work.decoder if isinstance(work, EncoderDecoder) else work
    steps = slice(0, len(stack.outputs()))
    inputs, targets, mask = part.inputs[steps], part.targets[steps], part.mask[steps]
    huge = np.full(1, 1e30, spec.training.precision)
    calls: list[Callable[[], object]] = [
        lambda: stack.layers_forward(inputs, 0),
        stack.take_weights,
        stack.readout_forward,
        lambda: stack.loss(targets, mask, 1.0),
        lambda: stack.readout_backward(gradients),
        lambda: stack.layers_backward(inputs, gradients, 0, across=False),
    ]
    if not spec.model.closed_form:
        calls += [
            lambda: trainer.apply(0.0),
            lambda: clip_gradient(spec.training.clip, huge, math.inf, [huge]),
        ]
    return calls


def _can_be_tried(spec: Spec) -> bool:
    model = spec.model
    cells = spec.task.timesteps * spec.training.batch_size * model.layers
    work = cells * len(model.gates) * model.hidden * (model.hidden + spec.task.features)
    return work <= _MOST_WORK and step_bytes(spec) <= _MOST_BYTES
