"""Training a readout in closed form: ridge regression on the states of a network that is not trained.

Each step adds its batch to what the readout is fitted to, and solves for the best readout of all so far:

    minimise over V, d:   Σ ‖h V + d - y‖² / N + β ‖V‖²

over all N unmasked steps, beyond the washout, of all batches (d costs nothing). What is kept of the past is
the triangular factor R of a QR decomposition of the rows (h, 1, y), which holds all that the solution needs
and, unlike sums of products, does not square the rounding errors; a batch joins it by decomposing R and its
rows once more. Everything here is in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels import optimizers
from seqlab.kernels.denormals import as_zeros
from seqlab.spec import Spec
from seqlab.spec.plan import factor_size
from seqlab.training.network import Pass
from seqlab.training.trainer import OPTIMIZER, Step, Trainer
from seqlab.training.truncation import Sequences


def trainer_for(spec: Spec, threads: int = 1) -> Trainer:
    """The trainer that a spec's cell needs; arguments as for `Trainer`."""
    return (RidgeTrainer if spec.model.closed_form else Trainer)(spec, threads)


class RidgeTrainer(Trainer):
    """A trainer that solves for the readout; its optimiser, clipping and schedule have nothing to do.

    Arguments and attributes as for `Trainer`.
    """

    def __init__(self, spec: Spec, threads: int = 1) -> None:
        super().__init__(spec, threads)
        self._slots = {}
        self._factor = np.zeros((factor_size(spec),) * 2)
        self._rows = 0

    @property
    def nbytes(self) -> int:
        """As for `Trainer`, and the factor."""
        return super().nbytes + self._factor.nbytes

    @as_zeros()
    def learn(self, parts: list[Sequences]) -> Step:
        """Make one step on a batch that is given: measure its loss, then fit the readout to it, too."""
        scale = self.spec.loss.scale(float(parts[0].mask.sum()), self.spec.task.outputs)

        def one(number: int) -> tuple[float, NDArray[np.float64]]:
            return self._look(number, parts[number], scale)

        found = self._team.map(one, range(len(parts)))
        for other in self._gradients[1:]:
            self._gradients[0].flat += other.flat
        loss = sum(value for value, _ in found)
        norm = float(optimizers.norm(self._gradients[0].flat))
        step = self.step + 1
        for what, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                return Step(step, loss, norm, clipped=False, lr=0.0, diverged=f"the {what} is not finite")
        self._fit(np.concatenate([rows for _, rows in found]))
        self.step = step
        return Step(step, loss, norm, clipped=False, lr=0.0)

    def state(self) -> dict[str, NDArray[Any]]:
        """As for `Trainer`, with the factor instead of an optimiser's slots."""
        factor, rows = self._factor.copy(), np.array([self._rows], np.int64)
        return {**super().state(), f"{OPTIMIZER}factor": factor, f"{OPTIMIZER}rows": rows}

    def restore(self, step: int, tensors: Mapping[str, NDArray[Any]], *, optimizer: bool = True) -> None:
        """As for `Trainer`; without the factor there would be nothing to go on with."""
        super().restore(step, tensors)
        factor = tensors[f"{OPTIMIZER}factor"]
        if factor.shape != self._factor.shape:
            raise ValueError(f"the factor has shape {factor.shape}, the spec needs {self._factor.shape}")
        self._factor = factor.copy()
        self._rows = int(tensors[f"{OPTIMIZER}rows"][0])

    def _look(self, number: int, part: Sequences, scale: float) -> tuple[float, NDArray[np.float64]]:
        """The loss of a slice, with the readout's gradient; and its rows (h, 1, y)."""
        work, gradients = self.passes[number], self._gradients[number]
        washout = self.spec.model.washout  # type: ignore[attr-defined]
        assert isinstance(work, Pass)  # the readout of a decoder is trained to tell classes
        work.reset()
        gradients.flat[:] = 0
        rows, total, batch = [], 0.0, slice(part.first, part.first + work.batch)
        for window in self._windows:
            cut = slice(window.start, window.stop)
            if self._resets:
                work.clear_states()
            work.forward(part.inputs[cut], part.first, part.lengths)
            mask = part.counted(window)
            total += work.loss(part.targets[cut], mask, scale, part.first)
            work.readout_backward(gradients)
            fitted = mask[:, batch] > 0
            fitted[: max(0, washout - window.start)] = False
            h, y = work.top()[fitted], part.targets[cut][:, batch][fitted]
            rows.append(np.concatenate([h, np.ones((len(h), 1)), y], axis=1, dtype=np.float64))
            if window.following != window.stop:
                work.go_back_to(window.following - window.start)
        return total, np.concatenate(rows)

    def _fit(self, rows: NDArray[np.float64]) -> None:
        """Add rows to the factor, and solve for the readout."""
        if not len(rows):
            return
        self._factor = np.asarray(np.linalg.qr(np.concatenate([self._factor, rows]), mode="r"))
        self._rows += len(rows)
        width = self.spec.model.width
        ridge = math.sqrt(self.spec.model.ridge * self._rows)  # type: ignore[attr-defined]
        cost = np.concatenate([ridge * np.eye(width), np.zeros((width, 1))], axis=1)
        left = np.concatenate([self._factor[: width + 1, : width + 1], cost])
        right = np.concatenate([self._factor[: width + 1, width + 1 :], np.zeros((width, self._outputs))])
        solution = np.linalg.lstsq(left, right, rcond=None)[0]
        V, d = self.network.parameters.readout
        V[...], d[...] = solution[:-1], solution[-1]

    @property
    def _outputs(self) -> int:
        return self.spec.task.outputs
