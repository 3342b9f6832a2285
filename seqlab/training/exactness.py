"""Is the gradient right? Every block of parameters against central differences, in float64.

What truncated backpropagation computes is the derivative of the windows' losses with the states at the
start of each window held as they are, and with dropout's masks held too; so that is what is differenced. Each
entry takes three central differences, of steps h, 2h and 4h, whose combination
(64 D(h) - 20 D(2h) + D(4h)) / 45 is exact to sixth order (Richardson). Where these show that the loss is not
smooth within the step, or differ from the gradient, a smaller h is tried; a wrong gradient is wrong at each.
Entries that are smooth at none have a kink of the activation or of the loss at hand: there is no derivative
to compare with, and they are left out and counted. What rounding of the loss alone makes of a difference is
not held against a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqlab.spec import Spec
from seqlab.spec.credit import windows
from seqlab.spec.plan import longest_window
from seqlab.training.decoder import new_pass
from seqlab.training.joints import dropout_masks
from seqlab.training.network import Network
from seqlab.training.parameters import Parameters
from seqlab.training.truncation import Sequences, sweep

TOLERANCE = 1e-6
"""The largest relative error of a block that is right."""
ENTRIES = 200
"""Entries of a block that are compared, drawn by the seed, where it has more."""
SEQUENCES = 4
"""Sequences of the batch: more of them show nothing new."""

_STEPS = (1e-3, 1e-4, 1e-5)
"""h, from the one with the least rounding to the one with the least else."""
_ROUNDING = 4.0
"""Roundings of the loss in a difference, times 1/h."""
_BESIDE = 0.02
"""How far the weights lie from the first ones at which a spec is compared; see `beside_the_first`."""
_KINK = 1e-7
"""How far two differences may lie apart, as a share of their size, whatever the reason."""
_ALMOST_NOTHING = 1e-12


@dataclass(frozen=True)
class Block:
    """How a block of parameters compares.

    Attributes:
        name: its name in the checkpoint, such as `weight_hh_l0`, or the core's own.
        shape: of the whole block.
        compared: entries that were compared.
        kinks: entries that were left out, as a kink lies within the step.
        error: ‖a - n‖ / max(‖a‖, ‖n‖, 1e-12) over the entries compared.
        rounding: how much of an error rounding of the loss alone can make.
        worst: the entry with the largest |a - n|.
        analytic: the gradient there.
        numeric: the central difference there.
    """

    name: str
    shape: tuple[int, ...]
    compared: int
    kinks: int
    error: float
    rounding: float
    worst: tuple[int, ...]
    analytic: float
    numeric: float

    @property
    def right(self) -> bool:
        """Whether the error is within `TOLERANCE`, or rounding; one that is not a number is not."""
        return self.error <= max(TOLERANCE, self.rounding)


def in_float64(spec: Spec) -> Spec:
    """The same spec in double precision, on as few sequences as show everything."""
    training = spec.training
    few = min(SEQUENCES, training.batch_size)
    changed = training.model_copy(update={"precision": "float64", "batch_size": few})
    return spec.model_copy(update={"training": changed})


def compare(
    spec: Spec, entries: int = ENTRIES, weights: NDArray[np.float64] | None = None
) -> Iterator[Block]:
    """Compare the gradient of the spec's first step with central differences, block by block.

    Args:
        spec: with precision float64 (see `in_float64`).
        entries: of each block, at most.
        weights: θ, flat, at which to compare; None for those that the spec starts from.
    """
    network = Network(spec)
    if weights is not None:
        network.parameters.flat[:] = weights
    training = spec.training
    batch = spec.task.batch(training.seed, "train", 1, training.batch_size)
    problem = _Problem(network, Sequences.of(network, batch))
    gradients = problem.gradient()
    draw = np.random.default_rng(training.seed)
    names = [*(f"{stack.replace('.', ', ')}layer {part}" for stack, part in spec.parts()), "readout"]
    for owner, parameters, found in zip(names, network.parameters.named, gradients.named, strict=True):
        for name, block in parameters.items():
            if not block.size:  # what a cell has only with another option
                continue
            chosen = np.sort(draw.permutation(block.size)[:entries])
            yield _compare(f"{owner}: {name}", block, found[name].ravel()[chosen], chosen, problem.loss)


class _Problem:
    """A loss as a function of the network's parameters, with everything else held."""

    def __init__(self, network: Network, sequences: Sequences) -> None:
        spec = network.spec
        self._network, self._sequences = network, sequences
        self._windows = windows(spec.task.timesteps, spec.training.cut)
        self._resets = spec.training.at_walls == "reset"
        self._scale = spec.loss.scale(float(sequences.mask.sum()), spec.task.outputs)
        self._pass = new_pass(network, sequences.inputs.shape[1], longest_window(spec))
        self._pass.masks = dropout_masks(spec, 1)
        self._starts = list(self._states())

    def gradient(self) -> Parameters:
        """The gradient that training would use, before clipping."""
        gradients = self._network.empty()
        self._pass.reset()
        sweep(self._pass, self._sequences, self._windows, self._scale, gradients, reset=self._resets)
        return gradients

    def loss(self) -> float:
        """The loss at the parameters as they are, each window from its held start."""
        work, sequences, total = self._pass, self._sequences, 0.0
        work.take_weights()
        for window, states in zip(self._windows, self._starts, strict=True):
            cut = slice(window.start, window.stop)
            work.set_states(states)
            work.forward(sequences.inputs[cut], 0, sequences.lengths)
            total += work.loss(sequences.targets[cut], sequences.counted(window), self._scale)
        return total

    def _states(self) -> Iterator[list[tuple[NDArray[np.float64], ...]]]:
        """The states at the start of each window."""
        work, sequences = self._pass, self._sequences
        work.reset()
        for window in self._windows:
            if self._resets:
                work.clear_states()
            yield work.states()
            work.forward(sequences.inputs[window.start : window.stop], 0, sequences.lengths)
            if window.following != window.stop:
                work.go_back_to(window.following - window.start)


def beside_the_first(spec: Spec) -> NDArray[np.float64]:
    """Weights θ, flat, a little beside those that a spec starts from.

    There biases are 0, and where inputs are, too, a relu stands right at its kink.
    """
    weights = Network(spec).parameters.flat
    draw = np.random.default_rng(spec.training.seed)
    near: NDArray[np.float64] = weights + _BESIDE * draw.standard_normal(weights.size)
    return near


def _compare(
    name: str,
    block: NDArray[np.float64],
    analytic: NDArray[np.float64],
    entries: NDArray[np.int64],
    loss: Callable[[], float],
) -> Block:
    flat, here = block.reshape(-1), loss()  # a view: blocks are contiguous
    numeric, smooth = np.zeros(len(entries)), np.zeros(len(entries), np.bool_)
    off, rounding = np.full(len(entries), np.inf), np.zeros(len(entries))
    enough = 0.1 * TOLERANCE * max(np.linalg.norm(analytic) / len(entries) ** 0.5, _ALMOST_NOTHING)
    for step in _STEPS:
        again = np.flatnonzero(~(smooth & (off <= np.maximum(enough, rounding))))
        if not again.size:
            break
        found, lawful = _derivatives(flat, entries[again], loss, here, step)
        missed = np.abs(found - analytic[again])
        better = lawful & ~(missed >= off[again])  # what is not a number is taken, and so never right
        chosen = again[better]
        numeric[chosen], off[chosen], smooth[chosen] = found[better], missed[better], True
        rounding[chosen] = _ROUNDING * np.finfo(np.float64).eps * abs(here) / step
    kept = analytic[smooth], numeric[smooth]
    largest = max(*(float(np.linalg.norm(one)) for one in kept), _ALMOST_NOTHING)
    worst = int(np.argmax(np.where(smooth, off, -1)))
    return Block(
        name=name,
        shape=block.shape,
        compared=int(smooth.sum()),
        kinks=int((~smooth).sum()),
        error=float(np.linalg.norm(off[smooth]) / largest) if smooth.any() else np.nan,
        rounding=float(np.linalg.norm(rounding[smooth]) / largest),
        worst=tuple(int(index) for index in np.unravel_index(entries[worst], block.shape)),
        analytic=float(analytic[worst]),
        numeric=float(numeric[worst]),
    )


def _derivatives(
    flat: NDArray[np.float64],
    entries: NDArray[np.int64],
    loss: Callable[[], float],
    here: float,
    step: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The derivative of the loss, which is `here` now, for some entries, and where the loss is smooth."""
    losses = np.array([_losses_around(flat, entry, loss, step) for entry in entries]) - here
    steps = step * np.array([[1], [2], [4]])
    below, above = losses[:, 2::-1].T, losses[:, 3:].T
    slopes, bends = (above - below) / (2 * steps), (above + below) / steps
    size = np.maximum(np.abs(slopes[0]), np.linalg.norm(slopes[0]) / len(entries) ** 0.5)
    little = _KINK * size + 1e3 * np.finfo(np.float64).eps * abs(here) / step
    # Of a smooth loss, differences over h, 2h and 4h lie apart as h², and second ones, less h f'', as h³.
    smooth = _follows(slopes[0] - slopes[1], slopes[1] - slopes[2], 4, little)
    smooth &= _follows(bends[1] - 2 * bends[0], bends[2] - 2 * bends[1], 8, little)
    return (64 * slopes[0] - 20 * slopes[1] + slopes[2]) / 45, smooth


def _losses_around(
    flat: NDArray[np.float64], entry: int, loss: Callable[[], float], step: float
) -> list[float]:
    """The loss with an entry changed by -4h, -2h, -h, h, 2h and 4h."""
    before, found = flat[entry], []
    for times in (-4, -2, -1, 1, 2, 4):
        flat[entry] = before + times * step
        found.append(loss())
    flat[entry] = before
    return found


def _follows(
    first: NDArray[np.float64], second: NDArray[np.float64], times: float, little: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where the second is so many times the first, or both are little; NaN is left to the comparison."""
    lawful = np.abs(second - times * first) <= 0.2 * np.abs(second)
    return lawful | ~(np.maximum(np.abs(first), np.abs(second) / times) > little)
