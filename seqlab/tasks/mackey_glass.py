"""Mackey-Glass: forecast a chaotic series one step ahead, and afterwards run free on one's own forecasts.

x'(t) = 0.2 x(t-τ) / (1 + x(t-τ)¹⁰) - 0.1 x(t), once a model of blood cells (Mackey & Glass 1977), seen as
tanh(x - 1) at every whole t (Jaeger 2001). Over one delay all that is fed back is known already, and the
equation is linear in x; so a whole delay is integrated at once, for all sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.tasks.base import Batch, Rung, Task

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and its derivative at points in time: twice [n, count]."""

DECAY = 0.1
"""What is lost of x in a unit of time."""
SUBSTEPS = 4
"""Runge-Kutta steps in a unit of time."""
TRANSIENT, TURNS = 1_000, 100
"""Steps from a history to the attractor, left out of every sequence; up to how many more are left out.

Sequences keep in step with each other for long, whatever their histories: the number left out is random over
two turns of the series, so that each is at another place in its turn. Precision is not needed there: what
they lead to is one more history. So they are integrated with one Runge-Kutta step in a unit of time.
"""

_LEFT_OUT = (TRANSIENT + TURNS) // SUBSTEPS
"""What is left out costs as much as so many steps of a sequence."""
_MEASURED_ON = 320_000
"""Values that the rungs are measured on, together with what is left out."""


class MackeyGlass(Task):
    """A series whose change depends on its value τ steps ago; predict x at t+1 from what came up to t."""

    summary: ClassVar[str] = "many-to-many: a chaotic series, one step ahead"
    rank: ClassVar[int] = 4
    loss: ClassVar[str] = "mse"
    judged: ClassVar[bool] = False
    lead: ClassVar[int] = 1

    name: Literal["mackey_glass"] = "mackey_glass"
    length: int = Field(
        200, ge=2, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )
    tau: int = Field(
        17,
        ge=5,
        le=100,
        description="τ, the delay of the feedback: from 5 on it oscillates, from 17 on it is chaotic",
        json_schema_extra={"unit": "timesteps"},
    )
    horizon: int = Field(
        84,
        ge=0,
        le=2_000,
        description="steps to run free after the end; 0 for none",
        json_schema_extra={"unit": "timesteps"},
    )

    @property
    def timesteps(self) -> int:
        """T = length."""
        return self.length

    @property
    def features(self) -> int:
        """The value."""
        return 1

    @property
    def outputs(self) -> int:
        """The next value."""
        return 1

    @property
    def forecast_horizon(self) -> int:
        """As set by `horizon`."""
        return self.horizon

    def loss_steps(self) -> NDArray[np.int64]:
        """Every step."""
        return np.arange(self.length)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw T + 1 + horizon values: the inputs, the targets one step on, and the future."""
        length, total = self.length, self.length + 1 + horizon
        values = series(rng, count * size, total, self.tau).reshape(total, count, size, 1)
        drawn = values.swapaxes(0, 1).astype(np.float32, order="C")
        mask = np.ones((length, size), np.float32)
        return [
            Batch(
                inputs=drawn[n, :length],
                targets=drawn[n, 1 : length + 1],
                mask=mask,
                future=drawn[n, length + 1 :] if horizon else None,
            )
            for n in range(count)
        ]

    def drawn_together(self, size: int) -> int:
        """As many numbers as for other tasks, counting those that are left out."""
        return max(1, super().drawn_together(size) * self.length // (self.length + _LEFT_OUT))

    def rungs(self) -> tuple[Rung, ...]:
        """The mean, the last value, and the line through the last two, as `measured` finds them."""
        found = measured(self.tau, self.horizon)
        line = ((self.length - 1) * found.line + found.repeat) / self.length
        rungs = [
            Rung("mean", "predict the mean", found.variance),
            Rung("repeat", "repeat last value", found.repeat),
            Rung("line", "go on straight", line),
        ]
        if self.horizon:
            free = [
                Rung("repeat", "repeat last value", found.free, metric="eval/forecast"),
                Rung("mean", "predict the mean", found.variance, metric="eval/forecast"),
            ]
            rungs += sorted(free, key=lambda rung: -rung.value)
        return tuple(rungs)

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """The mean; the last value; the last value and its last change once more (none at the first step)."""
        inputs = batch.inputs.astype(np.float64)
        mean = measured(self.tau, self.horizon).mean
        guesses = {
            ("eval/loss", "mean"): np.full(inputs.shape, mean),
            ("eval/loss", "repeat"): inputs,
            ("eval/loss", "line"): inputs + np.diff(inputs, axis=0, prepend=inputs[:1]),
        }
        if batch.future is not None:
            guesses["eval/forecast", "repeat"] = np.broadcast_to(inputs[-1], batch.future.shape).copy()
            guesses["eval/forecast", "mean"] = np.full(batch.future.shape, mean)
        return guesses


class Measured:
    """What rungs are made of, over values x of sequences [t, ·].

    Attributes:
        mean: E[x].
        variance: E[(x - mean)²].
        repeat: E[(x_{t+1} - x_t)²].
        line: E[(x_{t+1} - 2 x_t + x_{t-1})²].
        free: E[(x_{t+d} - x_t)²], averaged over d = 2..horizon+1, from every tenth t on; 0 without a horizon.
    """

    def __init__(self, x: NDArray[np.float64], horizon: int) -> None:
        self.mean = float(x.mean())
        self.variance = float(x.var())
        self.repeat = float(np.mean(np.diff(x, axis=0) ** 2))
        self.line = float(np.mean(np.diff(x, 2, axis=0) ** 2))
        starts = range(0, len(x) - horizon - 1, 10) if horizon else ()
        drifts = [np.mean((x[start + 2 : start + 2 + horizon] - x[start]) ** 2) for start in starts]
        self.free = float(np.mean(drifts)) if drifts else 0.0


@lru_cache(maxsize=64)
def measured(tau: int, horizon: int) -> Measured:
    """The rungs' values, which have no closed form: measured on sequences from a seed of their own.

    Each has horizon + 302 steps; there are as many of them as make 320,000 values with those left out, at
    least 32. On other seeds, the variance comes out within a hundredth.
    """
    steps = horizon + 302
    count = max(32, _MEASURED_ON // (_LEFT_OUT + steps))
    return Measured(series(np.random.Generator(np.random.Philox(0)), count, steps, tau), horizon)


def series(rng: np.random.Generator, count: int, steps: int, tau: int) -> NDArray[np.float64]:
    """tanh(x - 1) at `steps` whole steps on the attractor: [steps, count].

    Each sequence starts from a history of its own: a sine of period 50, near the series' own, with level
    U[0.7, 1.1], amplitude U[0, 0.4] and random phase.
    """
    values = np.empty((-(-steps // tau) * tau, count))
    for start, (x, _) in zip(range(0, steps, tau), delays(*_history(rng, count, tau), tau), strict=False):
        values[start : start + tau] = x[SUBSTEPS::SUBSTEPS]
    return np.tanh(values[:steps] - 1)


def _history(rng: np.random.Generator, count: int, tau: int) -> Curve:
    """A delay on the attractor, to start a sequence from, in SUBSTEPS points for each unit of time."""
    level, amplitude, phase = rng.random((3, count))
    level, amplitude, phase = 0.7 + 0.4 * level, 0.4 * amplitude, 2 * np.pi * phase
    first = rng.integers(0, TURNS, count)
    omega = 2 * np.pi / 50
    angle = omega * np.arange(tau + 1)[:, None] + phase
    history = level + amplitude * np.sin(angle), amplitude * omega * np.cos(angle)
    kept, needed = [], TURNS + tau + 1
    for done, curve in zip(range(tau, TRANSIENT + needed + tau, tau), delays(*history, tau), strict=False):
        if done > TRANSIENT:
            kept.append(curve)
    chosen = first + np.arange(tau + 1)[:, None], np.arange(count)
    x, slope = (np.concatenate([curve[n][1:] for curve in kept])[chosen] for n in (0, 1))
    return _refined(x, slope)


def _refined(x: NDArray[np.float64], slope: NDArray[np.float64]) -> Curve:
    """SUBSTEPS points for each, on the cubics through two points with their slopes (Hermite)."""
    part = (np.arange(SUBSTEPS) / SUBSTEPS)[:, None]
    here, there, leaving, coming = x[:-1, None], x[1:, None], slope[:-1, None], slope[1:, None]
    square, cube = 3 * (there - here) - 2 * leaving - coming, 2 * (here - there) + leaving + coming
    values = here + part * (leaving + part * (square + part * cube))
    slopes = leaving + part * (2 * square + part * 3 * cube)
    ends = ((values, x), (slopes, slope))
    fine, steep = (np.concatenate([inner.reshape(-1, x.shape[1]), last[-1:]]) for inner, last in ends)
    return fine, steep


def delays(x: NDArray[np.float64], slope: NDArray[np.float64], tau: float) -> Iterator[Curve]:
    """The solution, a delay at a time, by the classical Runge-Kutta method of 4th order.

    The delayed value between two points is that of the cubic through both with their slopes (Hermite), which
    is of 4th order, too. With g for what is fed back, x' = g - 0.1 x; a Runge-Kutta step of such an equation
    is x_{n+1} = a x_n + c_n, where a is e^(-0.1h) to 4th order and c_n is a sum of g at the step's start,
    middle and end. So x_n = aⁿ (x_0 + Σ_{k<n} c_k / a^(k+1)).

    Args:
        x: the history at n + 1 points from -τ to 0, [n+1, count].
        slope: its derivative there.
        tau: the delay, n steps.

    Yields:
        The same for the next delay, from the last point of the one before on; in arrays of its own.
    """
    h = tau / (len(x) - 1)
    z = -DECAY * h
    power = (1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24) ** np.arange(len(x))[:, None]
    weights = [w * h / 6 / power[1:] for w in (1 + z + z**2 / 2 + z**3 / 4, 4 + 2 * z + z**2 / 2, 1.0)]
    while True:
        fed = _feedback(x)
        middle = x[:-1] + x[1:]
        middle *= 0.5
        middle += (h / 8) * (slope[:-1] - slope[1:])
        sums = np.empty_like(x)
        sums[0] = x[-1]
        np.multiply(_feedback(middle), weights[1], out=sums[1:])
        sums[1:] += weights[0] * fed[:-1]
        sums[1:] += weights[2] * fed[1:]
        x = np.cumsum(sums, axis=0, out=sums)
        x *= power
        slope = fed
        slope -= DECAY * x
        yield x, slope


def _feedback(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0.2 x / (1 + x¹⁰)."""
    square = x * x
    power = square * square
    power *= power
    power *= square
    power += 1
    np.divide(x, power, out=power)
    power *= 0.2
    return power
