"""Generate: a frequency comes in at the first step and nothing after it; give the sine of that frequency.

The frequency f is drawn evenly between those of the longest and the shortest period, so that no two sequences
need have the same. It comes as a vector: channels stand for frequencies at even distances, and the two on
either side of f share 1 between them, the nearer one having more. The target at step t = 1..T is sin(2πft).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqlab.tasks.base import Batch, Memory, Rung, Task
from seqlab.tasks.sine import Period, wave


class Generate(Task):
    """A vector of channels in at the first step, zeros after it; the sine out at every step."""

    summary: ClassVar[str] = "one-to-many: a sine from its frequency"
    rank: ClassVar[int] = 4
    loss: ClassVar[str] = "mse"
    judged: ClassVar[bool] = False

    name: Literal["generate"] = "generate"
    length: int = Field(
        50, ge=2, le=100_000, description="length of a sequence", json_schema_extra={"unit": "timesteps"}
    )
    period: Annotated[
        tuple[Period, Period],
        Field(
            strict=False,
            description="shortest and longest period; frequencies are drawn evenly between",
            json_schema_extra={"unit": "timesteps"},
        ),
    ] = (10.0, 25.0)
    channels: int = Field(6, ge=2, le=256, description="how many of them tell the frequency")

    @model_validator(mode="after")
    def _periods_ascend(self) -> Self:
        if self.period[0] >= self.period[1]:
            raise ValueError(f"period: {list(self.period)} should go from a shorter to a longer one")
        return self

    @property
    def timesteps(self) -> int:
        """T = length."""
        return self.length

    @property
    def features(self) -> int:
        """As many as there are channels."""
        return self.channels

    @property
    def outputs(self) -> int:
        """The value of the sine."""
        return 1

    def loss_steps(self) -> NDArray[np.int64]:
        """Every step."""
        return np.arange(self.length)

    def memory(self) -> Memory:
        """The frequency, which is asked for from the first step on."""
        return Memory("the frequency", told=1, answered=1)

    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw the frequencies."""
        place = rng.random((count, size))
        inputs = np.zeros((count, self.length, size, self.channels), np.float32)
        between = place[:, :, None] * (self.channels - 1) - np.arange(self.channels)
        inputs[:, 0] = np.maximum(0, 1 - np.abs(between))
        slow, fast = self._omegas()
        omega = (slow + (fast - slow) * place).reshape(-1)
        waves = wave(self.length + 1, omega, np.zeros_like(omega))[1:]
        targets = waves.reshape(self.length, count, size, 1).swapaxes(0, 1).astype(np.float32, order="C")
        mask = np.ones((self.length, size), np.float32)
        return [Batch(inputs[n], targets[n], mask) for n in range(count)]

    def rungs(self) -> tuple[Rung, ...]:
        """E[sin²ωt] for 0, E[sin²ωt] - E[sin ωt]² for the mean wave, averaged over t."""
        mean, square = self._moments()
        return (
            Rung("zero", "predict 0", float(square.mean())),
            Rung("mean", "mean wave", float((square - mean**2).mean())),
        )

    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """0; at each step the mean of all sines, which needs no frequency."""
        mean, _ = self._moments()
        shape = batch.targets.shape
        return {
            ("eval/loss", "zero"): np.zeros(shape),
            ("eval/loss", "mean"): np.broadcast_to(mean[:, None, None], shape).copy(),
        }

    def _omegas(self) -> tuple[float, float]:
        """The lowest and the highest angular frequency."""
        shortest, longest = self.period
        return 2 * np.pi / longest, 2 * np.pi / shortest

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E[sin ωt] and E[sin²ωt] = (1 - E[cos 2ωt])/2 for t = 1..T and ω even between two limits.

        With their middle m and distance d these are sin(mt) and cos(2mt), times sin(x)/x at dt/2 and at dt.
        """
        slow, fast = self._omegas()
        middle, distance = (slow + fast) / 2, fast - slow
        t = np.arange(1, self.length + 1)
        mean = np.sin(middle * t) * np.sinc(distance * t / (2 * np.pi))
        return mean, (1 - np.cos(2 * middle * t) * np.sinc(distance * t / np.pi)) / 2
