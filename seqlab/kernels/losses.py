"""Losses over a window, and their derivatives, summed over the steps that count.

Each kernel returns `scale` times the sum of the losses of all (t,b) whose mask is not 0, added up in
float64, and writes dy = scale · ∂loss/∂y, which is 0 where the mask is 0. What stands in y or the targets
there is never looked at. A mean over N steps is a `scale` of 1/N; all but the cross-entropy of classes also
sum over the outputs, so their mean has 1/(N·O).

Shapes: y and dy [T,B,O]; targets and mask may hold more sequences, as slices of a batch share them.
"""

import math

import numpy as np
import numpy.typing as npt

from seqlab.kernels.jit import Array, jit


@jit
def mse(y: Array, target: Array, mask: Array, first: int, scale: float, dy: Array) -> float:
    """Squared error: loss = Σ_o (y_o - target_o)², ∂loss/∂y_o = 2 (y_o - target_o).

    Args:
        y: [T,B,O], the outputs.
        target: [T,·,O], what they should be, of sequences `first` to `first + B - 1`.
        mask: [T,·], 1 where the step counts, else 0.
        first: see `target`.
        scale: factor of loss and derivative.
        dy: [T,B,O], overwritten.

    Returns:
        scale · Σ loss; NaN or infinite if any output that counts makes it so.
    """
    T, B, O = y.shape  # noqa: E741
    factor = y.dtype.type(2.0 * scale)
    zero = y.dtype.type(0)
    total = 0.0
    for t in range(T):
        for b in range(B):
            if mask[t, first + b] == zero:
                dy[t, b, :] = zero
                continue
            row, wanted, drow = y[t, b], target[t, first + b], dy[t, b]
            for o in range(O):
                error = row[o] - wanted[o]
                total += np.float64(error) * np.float64(error)
                drow[o] = factor * error
    return scale * total


@jit
def cross_entropy(
    logits: Array, classes: npt.NDArray[np.int64], mask: Array, first: int, scale: float, dy: Array
) -> float:
    """Cross-entropy of a softmax: loss = -ln p_class, ∂loss/∂logit_o = p_o - [o = class].

    p = softmax(logits). The largest logit is taken off before the exponentials, so that none overflows.

    Args:
        logits: [T,B,O], the raw outputs.
        classes: [T,·] int64, the right class, 0 ≤ class < O where the mask is not 0; not checked here. Of
            sequences `first` to `first + B - 1`.
        mask: [T,·], 1 where the step counts, else 0.
        first: see `classes`.
        scale: factor of loss and derivative.
        dy: [T,B,O], overwritten.

    Returns:
        scale · Σ loss, in nats; NaN if any logit that counts is NaN or +infinity.
    """
    T, B, O = logits.shape  # noqa: E741
    zero = logits.dtype.type(0)
    total = 0.0
    for t in range(T):
        for b in range(B):
            if mask[t, first + b] == zero:
                dy[t, b, :] = zero
                continue
            row, drow, right = logits[t, b], dy[t, b], classes[t, first + b]
            largest = row[0]
            for o in range(1, O):
                largest = row[o] if row[o] > largest else largest
            others = 0.0
            for o in range(O):
                exponential = math.exp(np.float64(row[o]) - np.float64(largest))
                drow[o] = exponential
                others += exponential if o != right else 0.0
            offset = np.float64(row[right]) - np.float64(largest)
            exponentials = others + math.exp(offset)
            total += math.log(exponentials) - offset
            factor = scale / exponentials
            for o in range(O):
                drow[o] = factor * np.float64(drow[o])
            # Not p - 1, of which nothing would be left in float32 once p is near 1.
            drow[right] = -factor * others
    return scale * total


@jit
def mae(y: Array, target: Array, mask: Array, first: int, scale: float, dy: Array) -> float:
    """Absolute error: loss = Σ_o |y_o - target_o|, ∂loss/∂y_o = sign(y_o - target_o), 0 where they are equal.

    Arguments and result as for `mse`.
    """
    T, B, O = y.shape  # noqa: E741
    zero, slope = y.dtype.type(0), y.dtype.type(scale)
    total = 0.0
    for t in range(T):
        for b in range(B):
            if mask[t, first + b] == zero:
                dy[t, b, :] = zero
                continue
            row, wanted, drow = y[t, b], target[t, first + b], dy[t, b]
            for o in range(O):
                error = row[o] - wanted[o]
                total += abs(np.float64(error))
                # The last of the three is an error of 0, or not a number, and stays what it is.
                drow[o] = slope if error > zero else (-slope if error < zero else error)
    return scale * total


@jit
def huber(y: Array, target: Array, mask: Array, first: int, scale: float, dy: Array) -> float:
    """Huber's loss with δ = 1 (Huber 1964): Σ_o e²/2 where |e| ≤ 1, else |e| - 1/2, with e = y_o - target_o.

    ∂loss/∂y_o is e, held within ±1. Arguments and result as for `mse`.
    """
    T, B, O = y.shape  # noqa: E741
    zero, one, slope = y.dtype.type(0), y.dtype.type(1), y.dtype.type(scale)
    total = 0.0
    for t in range(T):
        for b in range(B):
            if mask[t, first + b] == zero:
                dy[t, b, :] = zero
                continue
            row, wanted, drow = y[t, b], target[t, first + b], dy[t, b]
            for o in range(O):
                error = row[o] - wanted[o]
                size = abs(np.float64(error))
                total += size - 0.5 if size > 1.0 else 0.5 * size * size
                held = one if error > one else error
                drow[o] = slope * (-one if held < -one else held)
    return scale * total


@jit
def binary_cross_entropy(
    logits: Array, target: Array, mask: Array, first: int, scale: float, dy: Array
) -> float:
    """Cross-entropy of sigmoids: with p = σ(logit_o), loss = -Σ_o (target_o ln p + (1 - target_o) ln(1 - p)).

    ∂loss/∂logit_o = p - target_o, as (1 - target_o) p - target_o (1 - p), in which nothing cancels where the
    target is 0 or 1. Only e^(-|logit|) is ever formed, so nothing overflows.

    Args:
        logits: [T,B,O], the raw outputs.
        target: [T,·,O], in [0, 1]; not checked here.
        mask: [T,·], 1 where the step counts, else 0.
        first: targets are of sequences `first` to `first + B - 1`.
        scale: factor of loss and derivative.
        dy: [T,B,O], overwritten.

    Returns:
        scale · Σ loss, in nats; NaN or infinite if any logit that counts is.
    """
    T, B, O = logits.shape  # noqa: E741
    zero = logits.dtype.type(0)
    total = 0.0
    for t in range(T):
        for b in range(B):
            if mask[t, first + b] == zero:
                dy[t, b, :] = zero
                continue
            row, wanted, drow = logits[t, b], target[t, first + b], dy[t, b]
            for o in range(O):
                logit, yes = np.float64(row[o]), np.float64(wanted[o])
                small = math.exp(-abs(logit))
                unlikely, likely = small / (1.0 + small), 1.0 / (1.0 + small)
                # What the outcome that the logit speaks against costs beyond the other.
                against = 1.0 - yes if logit > 0.0 else yes
                total += against * abs(logit) + math.log1p(small)
                p, other = (likely, unlikely) if logit > 0.0 else (unlikely, likely)
                drow[o] = scale * ((1.0 - yes) * p - yes * other)
    return scale * total
