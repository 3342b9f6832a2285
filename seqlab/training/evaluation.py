"""Evaluation on a fixed held-out split: loss, accuracy, and the forecast that runs free on its own outputs.

The split is drawn from the task's fields alone, in chunks, and run through short windows, so that neither
its size nor the length of its sequences costs memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels.denormals import as_zeros
from seqlab.methods import LOSSES
from seqlab.spec.credit import windows
from seqlab.tasks import Batch, Rung
from seqlab.training.decoder import AnyPass, EncoderDecoder, new_pass
from seqlab.training.network import Network
from seqlab.training.truncation import Sequences

CHUNK = 128
"""Sequences that are run together, at most."""
_CHUNK_BYTES = 16 << 20
"""What a chunk and the guesses of its rungs may take; long sequences are run in smaller chunks."""
WINDOW = 64
"""Timesteps that are run together: nothing goes back, so nothing needs to be kept."""
_KEPT_BYTES = 20 << 20
"""Up to this size the split is drawn once and kept; anew, it costs a hundredth of what running it does."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, at the weights as they stand.

    Attributes:
        loss: mean over the whole split.
        accuracy: share of right answers, where the task has any.
        forecast: mean squared error of the free-running forecast, where there is one.
        free_accuracy: share of right answers of a decoder that reads its own, where there is one.
    """

    loss: float
    accuracy: float | None
    forecast: float | None
    free_accuracy: float | None


@dataclass(frozen=True)
class MeasuredRung:
    """A rung by its formula (in `rung.value`) and as measured on the run's own eval split."""

    rung: Rung
    measured: float


class Evaluator:
    """Evaluates a network on its eval split.

    Args:
        network: what to evaluate.
        parallel: a map that may use threads; results come in the items' order.
    """

    def __init__(
        self, network: Network, parallel: Callable[[Callable[[int], Any], Iterable[int]], list[Any]]
    ) -> None:
        self._network = network
        self._parallel = parallel
        spec = network.spec
        task, count = spec.task, spec.training.eval_sequences
        drawn = 4 * task.timesteps * (task.features + task.outputs + 1)
        guesses = 8 * task.timesteps * task.outputs * len(task.rungs())
        chunk = max(1, min(CHUNK, _CHUNK_BYTES // (drawn + guesses)))  # by the task's fields alone
        self._sizes = [min(chunk, count - start) for start in range(0, count, chunk)]
        whole = spec.model.bidirectional or task.encoder_steps
        self._windows = windows(task.timesteps, 0 if whole else WINDOW)
        self._idle: list[AnyPass] = []
        self._keep = drawn * count <= _KEPT_BYTES
        self._kept: dict[int, tuple[Batch, Sequences]] = {}

    @property
    def chunks(self) -> int:
        """In how many chunks the split is run."""
        return len(self._sizes)

    def evaluate(self, chunks: int | None = None) -> Evaluation:
        """Run the whole split forward, or only its first chunks."""
        sums = np.sum(self._parallel(self._chunk, range(self.chunks if chunks is None else chunks)), axis=0)
        loss, unmasked, right, asked, squares, steps, free = (float(value) for value in sums)
        task = self._network.spec.task
        return Evaluation(
            loss=loss * self._network.spec.loss.scale(unmasked, task.outputs),
            accuracy=right / asked if asked else None,
            forecast=squares / steps if steps else None,
            free_accuracy=free / asked if task.encoder_steps else None,
        )

    def rungs(self) -> list[MeasuredRung]:
        """Measure every rung on the split."""
        task, loss = self._network.spec.task, self._network.spec.loss
        totals: defaultdict[tuple[str, str], float] = defaultdict(float)
        counts: defaultdict[str, float] = defaultdict(float)
        for number in range(len(self._sizes)):
            self._guess(number, totals, counts)
        scales = {
            "eval/loss": loss.scale(counts["eval/loss"], task.outputs),
            "eval/forecast": LOSSES["mse"].scale(counts["eval/forecast"], task.outputs),
        }
        return [
            MeasuredRung(rung, totals[rung.metric, rung.name] * scales[rung.metric]) for rung in task.rungs()
        ]

    def _guess(
        self, number: int, totals: defaultdict[tuple[str, str], float], counts: defaultdict[str, float]
    ) -> None:
        """Add the losses of a chunk's guesses, by (metric, name), and their number, by metric."""
        batch, _ = self._data(number)
        for key, guess in self._network.spec.task.guesses(batch).items():
            free = key[0] == "eval/forecast"
            targets = batch.future if free else batch.targets
            mask = np.ones(guess.shape[:2]) if free else batch.mask
            measure = LOSSES["mse"] if free else self._network.spec.loss
            totals[key] += measure.total(guess, np.asarray(targets), mask)
        counts["eval/loss"] += float(batch.mask.sum())
        counts["eval/forecast"] += self._forecast_steps(batch)

    def _data(self, number: int) -> tuple[Batch, Sequences]:
        if number in self._kept:
            return self._kept[number]
        batch = self._network.spec.task.batch(0, "eval", number, self._sizes[number])
        drawn = batch, Sequences.of(self._network, batch)
        if self._keep:
            self._kept[number] = drawn
        return drawn

    @as_zeros()
    def _chunk(self, number: int) -> NDArray[np.float64]:
        """Sums: loss, unmasked steps, right, asked, squared errors of forecasts, forecasts, right free."""
        task = self._network.spec.task
        batch, sequences = self._data(number)
        work = self._take(self._sizes[number])
        work.reset()
        loss = right = asked = 0.0
        outputs = np.empty(0)
        for window in self._windows:
            cut = slice(window.start, window.stop)
            outputs = work.forward(sequences.inputs[cut], 0, sequences.lengths)
            loss += work.loss(sequences.targets[cut], sequences.mask[cut], 1.0)
            if task.judged:
                hits, questions = task.correct(outputs, sequences.targets[cut], sequences.mask[cut])
                right, asked = right + hits, asked + questions
        squares = free = 0.0
        if isinstance(work, EncoderDecoder):
            free, _ = task.correct(work.run_free(sequences.inputs), sequences.targets, sequences.mask)
        elif batch.future is not None:
            forecast = run_free(work, outputs[-1:], len(batch.future))
            squares = float(np.sum((forecast.astype(np.float64) - batch.future) ** 2))
        self._idle.append(work)
        unmasked, steps = float(batch.mask.sum()), self._forecast_steps(batch) * task.outputs
        return np.array([loss, unmasked, right, asked, squares, steps, free])

    def _take(self, batch: int) -> AnyPass:
        """A pass that no other thread uses; popping and appending are atomic."""
        fitting = [work for work in self._idle if work.batch == batch]
        for work in fitting:
            try:
                self._idle.remove(work)
            except ValueError:
                continue
            return work
        return new_pass(self._network, batch, self._windows[0].stop)

    @staticmethod
    def _forecast_steps(batch: Batch) -> float:
        return 0.0 if batch.future is None else float(batch.future.shape[0] * batch.future.shape[1])


def run_free(work: AnyPass, first: NDArray[Any], horizon: int) -> NDArray[Any]:
    """Go on from the states that the last window left, on the network's own outputs.

    Args:
        work: the pass, after the last window of a sequence.
        first: its output at the last step, [1, B, O], the first input; O must equal F.
        horizon: how many steps.

    Returns:
        The outputs [horizon, B, O].
    """
    outputs = np.empty((horizon, *first.shape[1:]), first.dtype)
    value = first.copy()
    for step in range(horizon):
        value[:] = work.forward(value)
        outputs[step] = value[0]
    return outputs
