"""The probe: a fixed batch through which every frame looks at the network.

It records what the panels show: the outputs, gates and states of its first sequence, the free-running
forecast, and for every timestep and layer how large the gradient is: under the run's truncation, under full
backpropagation, and for the last loss alone (credit), where vanishing is seen bare.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.spec.credit import Window, reached, windows
from seqlab.spec.plan import PROBE_SEQUENCES, longest_window
from seqlab.training.decoder import AnyPass, EncoderDecoder, new_pass
from seqlab.training.evaluation import run_free
from seqlab.training.network import Network
from seqlab.training.truncation import Sequences, sweep, sweep_back


@dataclass(frozen=True)
class Look:
    """What the probe saw at the weights of one moment.

    Attributes:
        tensors: a frame's arrays by name, float32.
        metrics: the `probe/…` figures of a row.
    """

    tensors: dict[str, NDArray[np.float32]]
    metrics: dict[str, float]


class Probe:
    """Looks at a network through the probe batch.

    Args:
        network: what to look at.
    """

    def __init__(self, network: Network) -> None:
        self._source = network
        # Weights of its own: training goes on with the others while another thread looks at these.
        self._network = copy(network)
        self._network.parameters = network.empty()
        spec = network.spec
        task = spec.task
        self.batch = task.batch(0, "probe", 0, PROBE_SEQUENCES)
        self._sequences = Sequences.of(network, self.batch)
        longest = longest_window(spec)
        self._windows = windows(task.timesteps, spec.training.cut)
        self._tiles = windows(task.timesteps, longest)
        self._resets = spec.training.at_walls == "reset"
        self._pass = new_pass(self._network, PROBE_SEQUENCES, longest)
        self._unused = network.empty()
        self._scale = spec.loss.scale(float(self.batch.mask.sum()), task.outputs)
        last = _last_losses(self.batch.mask)
        self._last = replace(self._sequences, mask=last.astype(network.dtype, copy=False))
        self._last_scale = spec.loss.scale(float(last.sum()), task.outputs)
        self._single_loss = bool((last == self.batch.mask).all())
        steps = np.flatnonzero(self.batch.mask.any(axis=1))
        self._last_step = int(steps[-1])
        reach = reached(task.timesteps, spec.training.cut, steps, passes=spec.model.passes)
        self._reaches_first = bool(reach[0])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The batch itself, as the run folder keeps it."""
        batch = self.batch
        kept = {"inputs": batch.inputs, "targets": batch.targets, "mask": batch.mask}
        some = {"future": batch.future, "lengths": batch.lengths}
        return kept | {name: values for name, values in some.items() if values is not None}

    def look(self, weights: NDArray[Any] | None = None) -> Look:
        """Run the probe, in any thread, but not in two at once.

        Args:
            weights: θ, flat, at which to run it; None for the network's present ones.
        """
        self._network.parameters.flat[:] = self._source.parameters.flat if weights is None else weights
        task, work = self._network.spec.task, self._pass
        tensors: dict[str, NDArray[np.float32]] = {}
        truncated = self._gradients(self._sequences, self._scale, full=False, seen=tensors)
        if isinstance(work, EncoderDecoder):
            tensors["free"] = work.run_free(self._sequences.inputs)[:, 0].astype(np.float32)
        elif self.batch.future is not None:
            last = self._carried() if self._resets else work.outputs()[-1:]
            forecast = run_free(work, last, task.forecast_horizon)
            tensors["forecast"] = forecast[:, 0].astype(np.float32)
        cut = len(self._windows) > 1
        full = self._gradients(self._sequences, self._scale, full=True) if cut else truncated
        credit = full if self._single_loss else self._gradients(self._last, self._last_scale, full=True)
        for layer, norms in enumerate(zip(truncated, full, credit, strict=True)):
            for name, values in zip(("gradient", "gradient_full", "credit"), norms, strict=True):
                tensors[f"layer{layer}/{name}"] = values.astype(np.float32)
        return Look(tensors, self._metrics(truncated, credit))

    def _carried(self) -> NDArray[Any]:
        """The last outputs [1, B, O] when states are carried from the first step on, as in an evaluation."""
        self._pass.reset()
        for window in self._tiles:
            self._pass.forward(self._sequences.inputs[window.start : window.stop], 0, self._sequences.lengths)
        return self._pass.outputs()[-1:]

    def _see(self, window: Window, work: AnyPass, tensors: dict[str, NDArray[np.float32]]) -> None:
        """Outputs, gates and states of the first sequence."""
        found = {"outputs": work.outputs()}
        for layer, named in enumerate(work.observed()):
            found.update({f"layer{layer}/state/{name}": values for name, values in named.items()})
        for name, values in found.items():
            if name not in tensors:
                tensors[name] = np.empty((self._network.spec.task.timesteps, values.shape[2]), np.float32)
            tensors[name][window.start : window.stop] = values[:, 0]

    def _gradients(
        self,
        sequences: Sequences,
        scale: float,
        *,
        full: bool,
        seen: dict[str, NDArray[np.float32]] | None = None,
    ) -> list[NDArray[np.float64]]:
        """‖∂L/∂h_t‖ [T] of each layer: the Frobenius norm over batch and units; on the way, fills `seen`.

        Where windows overlap, that of the sum of their derivatives.
        """
        norms = [np.zeros(self._network.spec.task.timesteps) for _ in range(self._network.cell.layers)]
        overlap: list[NDArray[np.float64]] = []

        def keep(window: Window, work: AnyPass) -> None:
            if seen is not None:
                self._see(window, work, seen)
            sums = [derivative.astype(np.float64) for derivative in work.derivatives()]
            for added, earlier in zip(sums, overlap, strict=bool(overlap)):
                added[: len(earlier)] += earlier
            # What the next window holds as well is not complete yet; what it overwrites is.
            overlap[:] = [each[window.following - window.start :] for each in sums]
            for values, each in zip(norms, sums, strict=True):
                rows = each.reshape(len(each), -1)
                values[window.start : window.stop] = np.sqrt(np.einsum("ti,ti->t", rows, rows))

        self._unused.flat[:] = 0
        if full:
            sweep_back(self._pass, sequences, self._tiles, scale, self._unused, keep)
        else:
            self._pass.reset()
            sweep(self._pass, sequences, self._windows, scale, self._unused, keep, reset=self._resets)
        return norms

    def _metrics(
        self, gradients: list[NDArray[np.float64]], credit: list[NDArray[np.float64]]
    ) -> dict[str, float]:
        """First and last of the top layer; beyond a wall there is no first gradient to speak of."""
        gradient, bare = gradients[-1], credit[-1]
        last = float(gradient[self._last_step])
        metrics = {"probe/gradient_last": last}
        if self._reaches_first:
            metrics["probe/gradient_first"] = float(gradient[0])
            metrics["probe/gradient_ratio"] = _ratio(float(gradient[0]), last)
        metrics["probe/credit_ratio"] = _ratio(float(bare[0]), float(bare[self._last_step]))
        return metrics


def _ratio(first: float, last: float) -> float:
    return first / last if last else float("nan")


def _last_losses(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask of each sequence's last unmasked step alone."""
    kept = np.zeros(mask.shape, mask.dtype)  # unlike zeros_like, takes no memory where nothing is written
    columns = np.flatnonzero(mask.any(axis=0))
    rows = len(mask) - 1 - np.argmax(mask[::-1] > 0, axis=0)
    kept[rows[columns], columns] = 1
    return kept
