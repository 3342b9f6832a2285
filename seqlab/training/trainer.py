"""The trainer: one step after another, as `seqlab.spec` defines them, and the evaluations between.

Step n (from 1) draws batch n, takes its loss and gradient at θ of step n-1, and updates to θ of step n.
Nothing here looks at a clock, a file or the number of threads: the same spec gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels import optimizers
from seqlab.kernels.denormals import as_zeros
from seqlab.methods import Optimizer
from seqlab.spec import Spec
from seqlab.spec.credit import Window, windows
from seqlab.spec.plan import longest_window, slices
from seqlab.training.decoder import new_pass
from seqlab.training.evaluation import Evaluation, Evaluator
from seqlab.training.gradients import clip_gradient, layers_of, regularise
from seqlab.training.joints import dropout_masks
from seqlab.training.network import Network
from seqlab.training.parameters import Parameters
from seqlab.training.probe import Probe
from seqlab.training.team import Team
from seqlab.training.truncation import Sequences, sweep

MODEL, OPTIMIZER = "model.", "optimizer."
"""Prefixes of tensors in a checkpoint."""


@dataclass(frozen=True)
class Step:
    """What one step measured, at the weights before its update.

    Attributes:
        step: its number, from 1.
        loss: the mean loss of its batch.
        grad_norm: ‖g‖ of the loss's gradient, before clipping and all that is added; the largest of the
            windows' where each makes an update.
        clipped: whether clipping changed the gradient.
        lr: the learning rate that the schedule gave it.
        diverged: in words what was not finite, if anything; then there was no update.
    """

    step: int
    loss: float
    grad_norm: float
    clipped: bool
    lr: float
    diverged: str = ""


class Trainer:
    """A network in training.

    Args:
        spec: what to train.
        threads: how many threads work on the slices of a batch; changes no bit of any result.

    Attributes:
        network: the network; its parameters change in place.
        passes: what goes through the slices of a batch, one for each.
        step: steps made so far.
        probe: looks at the network.
        evaluator: evaluates it.
    """

    def __init__(self, spec: Spec, threads: int = 1) -> None:
        self.spec = spec
        self.step = 0
        self.network = Network(spec)
        self._update = getattr(optimizers, self.optimizer.name)
        self._slots = {name: self.network.empty() for name in self.optimizer.slots}
        self._updates = 0
        # Beyond this a kept square would be infinite, and freeze its weight.
        self._largest = float(np.finfo(self.network.dtype).max) ** (0.5 if self.optimizer.squares else 1)
        self._slices = slices(spec)
        self._gradients = [self.network.empty() for _ in self._slices]
        self._layers = layers_of(spec, self._gradients[0].flat)
        self._resets = spec.training.at_walls == "reset"
        self._team = Team(min(threads, len(self._slices)))
        self._cut(self.network)
        self.evaluator = Evaluator(self.network, self._team.map)

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser in force, with the learning rate that the schedule starts from."""
        return self.spec.training.optimizer

    @property
    def sequences(self) -> int:
        """How many sequences were trained on so far."""
        return self.step * self.spec.training.batch_size

    @property
    def learning_rate(self) -> float:
        """That of the next step: what the schedule makes of the optimiser's."""
        training = self.spec.training
        return training.schedule.rate(self.optimizer.lr, self.step + 1, training.steps)

    @property
    def nbytes(self) -> int:
        """Memory of a step but for its batch: weights, gradients, slots and the buffers of the passes."""
        vectors = [self.network.parameters, *self._slots.values(), *self._gradients]
        return sum(vector.flat.nbytes for vector in vectors) + sum(work.nbytes for work in self.passes)

    @property
    def state_bytes(self) -> int:
        """Memory of what `state` returns, but for a few numbers."""
        return sum(vector.flat.nbytes for vector in self._vectors())

    def advance(self) -> Step:
        """Make one step.

        A loss or gradient that is not finite makes no update: the weights and the optimiser stay those
        before this step, and the step is not counted.
        """
        return self.learn(self.draw())

    def learn(self, parts: list[Sequences]) -> Step:
        """Make one step on a batch that is given, cut into slices as `draw` does."""
        if self.spec.training.update == "window" and len(self._windows) > 1:
            result = self._update_each_window(parts)
        else:
            loss, _ = self.backpropagate(parts)
            result = self.apply(loss)
        if not result.diverged:
            self.step += 1
        return result

    def backpropagate(self, parts: list[Sequences]) -> tuple[float, Parameters]:
        """The loss of a batch and its gradient at the present weights; its arrays are used again."""
        scale = self.spec.loss.scale(_losses(parts), self.spec.task.outputs)
        return self._backpropagate(parts, self._windows, scale, fresh=True), self._gradients[0]

    def draw(self) -> list[Sequences]:
        """The batch of the next step, cut into slices."""
        training = self.spec.training
        batch = self.spec.task.batch(training.seed, "train", self.step + 1, training.batch_size)
        whole = Sequences.of(self.network, batch)
        return [replace(whole, first=start) for start, _ in self._slices]

    def evaluate(self) -> Evaluation:
        """Evaluate on the held-out split at the present weights."""
        return self.evaluator.evaluate()

    def state(self) -> dict[str, NDArray[Any]]:
        """θ and the optimiser's state, as copies under PyTorch's names: what a checkpoint holds."""
        tensors = {MODEL + name: value for name, value in self.network.parameters.to_torch().items()}
        for slot, values in self._slots.items():
            tensors.update({f"{OPTIMIZER}{slot}.{name}": value for name, value in values.to_torch().items()})
        tensors[f"{OPTIMIZER}updates"] = np.array([self._updates], np.int64)
        return tensors

    def restore(self, step: int, tensors: Mapping[str, NDArray[Any]], *, optimizer: bool = True) -> None:
        """Go on from what `state` returned after `step` steps.

        Args:
            step: see above.
            tensors: likewise.
            optimizer: whether its state is taken over, too, or begins afresh.

        Raises:
            KeyError: a tensor is missing.
            ValueError: a tensor does not fit the spec.
        """
        self.network.parameters.load_torch(tensors, MODEL)
        self.step = step
        if optimizer:
            for slot, values in self._slots.items():
                values.load_torch(tensors, f"{OPTIMIZER}{slot}.")
            self._updates = int(tensors[f"{OPTIMIZER}updates"][0])

    def change(self, spec: Spec) -> None:
        """Go on under a spec that differs in what is steerable alone (see `seqlab.spec.steerable`).

        Who looks through the probe meanwhile still looks through the one from before.

        Raises:
            MemoryError: there is not enough for it; then nothing has changed.
        """
        network, before = self.network.under(spec), self.spec.training
        evaluator = self.evaluator
        if spec.training.eval_sequences != before.eval_sequences:
            evaluator = Evaluator(network, self._team.map)
        if spec.training.cut != before.cut:
            self._cut(network)
        self.spec, self.network, self.evaluator = spec, network, evaluator

    def close(self) -> None:
        """Let the threads go."""
        self._team.close()

    def _cut(self, network: Network) -> None:
        """Make what depends on how sequences are cut into windows: all of it, or, if that fails, nothing."""
        spec = network.spec
        window = longest_window(spec)
        passes = [new_pass(network, stop - start, window) for start, stop in self._slices]
        probe = Probe(network)
        self.passes, self.probe = passes, probe
        self._windows = windows(spec.task.timesteps, spec.training.cut)

    def _update_each_window(self, parts: list[Sequences]) -> Step:
        """One update after each window that has a loss, scaled by the window's own count."""
        task, loss = self.spec.task, self.spec.loss
        before = self._snapshot()
        total = norm = 0.0
        clipped = False
        for number, window in enumerate(self._windows):
            count = _losses(parts, window.block, window.stop)
            scale = loss.scale(count, task.outputs)
            value = self._backpropagate(parts, [window], scale, fresh=number == 0)
            if not count:
                continue
            result = self.apply(value)
            if result.diverged:
                self._restore_snapshot(before)
                return result
            total += value * count
            norm, clipped = max(norm, result.grad_norm), clipped or result.clipped
        return Step(self.step + 1, total / _losses(parts), norm, clipped, self.learning_rate)

    def _backpropagate(
        self, parts: list[Sequences], over: Iterable[Window], scale: float, *, fresh: bool
    ) -> float:
        """Loss and gradient of some windows, the first from states of zero if `fresh`.

        The gradient is left in `self._gradients[0]`.
        """
        over = tuple(over)
        if fresh:
            masks = dropout_masks(self.spec, self.step + 1)
            for work, (start, stop) in zip(self.passes, self._slices, strict=True):
                work.masks = masks and [mask[start:stop] for mask in masks]

        def one(number: int) -> float:
            work = self.passes[number]
            if fresh:
                work.reset()
            else:
                work.take_weights()
            self._gradients[number].flat[:] = 0
            return sweep(work, parts[number], over, scale, self._gradients[number], reset=self._resets)

        losses = self._team.map(one, range(len(parts)))
        # In the order of the slices, whatever the order in which threads finished.
        for other in self._gradients[1:]:
            self._gradients[0].flat += other.flat
        return sum(losses)

    @as_zeros()
    def apply(self, loss: float) -> Step:
        """Clip the gradient that the passes left, add what the spec adds to it, and update the weights.

        If something is not finite, the weights stay as they are.
        """
        gradient, theta = self._gradients[0].flat, self.network.parameters.flat
        norm, lr, step = float(optimizers.norm(gradient)), self.learning_rate, self.step + 1
        for what, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                return Step(step, loss, norm, clipped=False, lr=lr, diverged=f"the {what} is not finite")
        clipped = clip_gradient(self.spec.training.clip, gradient, norm, self._layers)
        size = 0.0 if clipped else norm
        if regularise(self.spec.training, theta, gradient, self._updates + 1):
            size = float(optimizers.norm(gradient))
        if not size <= self._largest:
            what = "the square of the gradient is not finite"
            return Step(step, loss, norm, clipped=False, lr=lr, diverged=what)
        self._updates += 1
        self._update(
            theta,
            gradient,
            tuple(slot.flat for slot in self._slots.values()),
            self._updates,
            np.array(self.optimizer.hyperparameters(lr)),
        )
        return Step(step, loss, norm, clipped, lr)

    def _snapshot(self) -> list[NDArray[Any]]:
        return [vector.flat.copy() for vector in self._vectors()] + [np.array(self._updates)]

    def _restore_snapshot(self, saved: list[NDArray[Any]]) -> None:
        for vector, value in zip(self._vectors(), saved[:-1], strict=True):
            vector.flat[:] = value
        self._updates = int(saved[-1])

    def _vectors(self) -> list[Parameters]:
        return [self.network.parameters, *self._slots.values()]


def _losses(parts: Sequence[Sequences], start: int = 0, stop: int | None = None) -> float:
    """How many losses there are in a stretch of timesteps of the batch that the parts share."""
    return float(parts[0].mask[start:stop].sum())
