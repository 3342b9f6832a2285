"""Sine: forecast a sum of sines one step ahead, and afterwards run free on one's own forecasts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.tasks.base import Batch, Rung, Task, normal

Period = Annotated[float, Field(ge=2.0, le=1e6, strict=False)]

_MEAN_SQUARE_AMPLITUDE = 7 / 12
"""E[A²] for A ~ U[1/2, 1]: (1 - 1/8) / (3 · 1/2)."""


class Sine(Task):
    """A sum of sines with random periods, phases and amplitudes; predict x at t+1 from what came up to t."""

    summary: ClassVar[str] = "many-to-many: a sum of sines, one step ahead"
    rank: ClassVar[int] = 3
    loss: ClassVar[str] = "mse"
    judged: ClassVar[bool] = False
    lead: ClassVar[int] = 1

    name: Literal["sine"] = "sine"
    length: int = Field(
        100, ge=2, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )
    sines: int = Field(1, ge=1, le=16, description="how many sines are added up")
    period: Annotated[
        tuple[Period, Period],
        Field(
            strict=False,
            description="shortest and longest period, drawn log-uniformly between",
            json_schema_extra={"unit": "timesteps"},
        ),
    ] = (10.0, 50.0)
    noise: float = Field(
        0.0, ge=0.0, le=10.0, description="standard deviation of noise on inputs and targets"
    )
    horizon: int = Field(
        50,
        ge=0,
        le=10_000,
        description="steps to run free after the end; 0 for none",
        json_schema_extra={"unit": "timesteps"},
    )

    @model_validator(mode="after")
    def _periods_ascend(self) -> Sine:
        if self.period[0] > self.period[1]:
            raise ValueError(f"period: {list(self.period)} should go from the shortest to the longest")
        return self

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
        low, high = self.period
        shape = (self.sines, count * size)
        frequency = 2 * np.pi / (low * (high / low) ** rng.random(shape))
        phase = 2 * np.pi * rng.random(shape)
        amplitude = 0.5 + 0.5 * rng.random(shape)
        waves = sum(amplitude[n] * wave(total, frequency[n], phase[n]) for n in range(self.sines))
        clean = waves.reshape(total, count, size, 1).swapaxes(0, 1)
        series = clean.astype(np.float32, order="C")
        if self.noise:
            series += np.float32(self.noise) * normal(rng, *series.shape)
        mask = np.ones((length, size), np.float32)
        return [
            Batch(
                inputs=series[n, :length],
                targets=series[n, 1 : length + 1],
                mask=mask,
                future=series[n, length + 1 :] if horizon else None,
                known={"clean": clean[n, 1 : length + 1]},
            )
            for n in range(count)
        ]

    def rungs(self) -> tuple[Rung, ...]:
        """n·E[A²]/2 + σ² for 0; n·E[A²]·E[1 - cos(2πd/P)] + 2σ² at lag d; σ² for the clean value."""
        power, variance = self.sines * _MEAN_SQUARE_AMPLITUDE, self.noise**2
        rungs = [
            Rung("zero", "predict 0", power / 2 + variance),
            Rung("repeat", "repeat last value", power * self._drift(1, 1) + 2 * variance),
            Rung("clean", "clean value", variance),
        ]
        if self.horizon:
            free = power * self._drift(2, self.horizon + 1) + 2 * variance
            rungs += [
                Rung("repeat", "repeat last value", free, metric="eval/forecast"),
                Rung("zero", "predict 0", power / 2 + variance, metric="eval/forecast"),
            ]
        return tuple(rungs)

    def _drift(self, first: int, last: int) -> float:
        """E[1 - cos(2πd/P)] over lags d = first..last and log-uniform P, by the midpoint rule in log P.

        The mean over lags is closed: Σ cos(ωd) = cos(ω(first+last)/2)·sin(nω/2)/sin(ω/2) for n lags
        (Dirichlet).
        """
        low, high = np.log(self.period[0]), np.log(self.period[1])
        omega = 2 * np.pi / np.exp(low + (high - low) * (np.arange(20_000) + 0.5) / 20_000)
        count = last - first + 1
        cosine = np.cos(omega * (first + last) / 2) * np.sin(count * omega / 2) / (count * np.sin(omega / 2))
        return float(1 - cosine.mean())

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """0; the last value seen; the value without its noise; for the forecast the last input, and 0."""
        inputs = batch.inputs.astype(np.float64)
        guesses = {
            ("eval/loss", "zero"): np.zeros(inputs.shape),
            ("eval/loss", "repeat"): inputs,
            ("eval/loss", "clean"): batch.known["clean"],
        }
        if batch.future is not None:
            guesses["eval/forecast", "repeat"] = np.broadcast_to(inputs[-1], batch.future.shape).copy()
            guesses["eval/forecast", "zero"] = np.zeros(batch.future.shape)
        return guesses


def wave(total: int, frequency: NDArray[np.float64], phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """sin(ωt + φ) for t = 0..total-1: [total, size].

    It is the imaginary part of e^(i(ωt + φ)), and n values of that times e^(iωn) are the next n: the number
    of values doubles with each product, so that rounding errors add up over log₂(total) products alone.
    """
    values = np.empty((total, len(frequency)), np.complex128)
    values[0] = np.exp(1j * phase)
    done = 1
    while done < total:
        more = min(done, total - done)
        turn = np.exp(1j * done * frequency)
        np.multiply(values[:more], turn, out=values[done : done + more])
        done += more
    return values.imag
