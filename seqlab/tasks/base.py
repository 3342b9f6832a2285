"""What a task is: its fields, the data it draws, and the rungs by which a loss is read."""

from __future__ import annotations

import math
import threading
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.choices import Choice

Split = Literal["train", "eval", "probe"]

EVAL_SEED = 0x5E91AB
"""Eval and probe data come from this seed alone, so that they are the same for every training seed."""

_SPLITS: dict[Split, int] = {"train": 0, "eval": 1, "probe": 2}

_NUMERALS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

_TOGETHER = 1 << 17
"""Numbers of inputs and outputs, in training batches that are drawn at once."""


@dataclass(frozen=True)
class Batch:
    """One batch of sequences, time-major.

    Attributes:
        inputs: float32 [T, B, F].
        targets: float32 [T, B, O], or int64 classes [T, B].
        mask: float32 [T, B], 1 where the loss counts.
        lengths: int64 [B], how many timesteps of each sequence there are, the rest being padding where the
            mask is 0; None if all have T.
        future: float32 [horizon, B, O], what a forecast that runs free after step T should say; None
            without one, as in training, where nothing runs free.
        known: what the task knows and the network is not told (the clean signal behind the noise, say), by
            name.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    mask: NDArray[np.float32]
    lengths: NDArray[np.int64] | None = None
    future: NDArray[np.float32] | None = None
    known: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """The loss of a predictor that knows less than the task needs.

    Attributes:
        name: how claims refer to it.
        label: how plots name it.
        value: its loss by formula.
        metric: the metric that it is a rung of.
    """

    name: str
    label: str
    value: float
    metric: str = "eval/loss"


@dataclass(frozen=True)
class Memory:
    """What a task asks a network to keep.

    Attributes:
        what: in words, as in "the first marker".
        told: the last timestep, from 1, at which it can be shown.
        answered: the first timestep, from 1, whose loss depends on it.
    """

    what: str
    told: int
    answered: int


@dataclass(frozen=True)
class Signs:
    """How a task of symbols is written down. Each is one character; a single answer at the end may be a word.

    Attributes:
        inputs: one for each input, of which one is on at a step.
        classes: one for each class.
        fillers: how many inputs, counted from the first, say nothing.
        blank: whether the first class is that of nothing to say, which is not judged.
    """

    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    fillers: int = 0
    blank: bool = False


class Task(Choice):
    """A sequence task. A subclass declares its fields and draws its data; it knows nothing of networks.

    Its mask says where it has outputs; its summary begins with its shape, such as many-to-one.

    Class attributes:
        loss: the key of the loss in `seqlab.methods.LOSSES`.
        judged: whether single answers are right or wrong, so that there is an accuracy.
        lead: the target of step t is what step t + lead of the sequence holds, where it is a forecast.
    """

    loss: ClassVar[str]
    judged: ClassVar[bool] = True
    lead: ClassVar[int] = 0

    name: str

    @property
    @abstractmethod
    def timesteps(self) -> int:
        """T, the length of every sequence."""

    @property
    @abstractmethod
    def features(self) -> int:
        """F, the width of the input."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """O, the width of the network's output: values, or classes."""

    @property
    def forecast_horizon(self) -> int:
        """How many steps the network runs free on its own outputs after step T; 0 for none."""
        return 0

    @property
    def encoder_steps(self) -> int:
        """How many steps an encoder reads before a decoder with weights of its own goes on; 0 for neither."""
        return 0

    def feed(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """What a network that runs free reads after it has said `outputs` [..., O]: [..., F]."""
        return outputs

    @abstractmethod
    def loss_steps(self) -> NDArray[np.int64]:
        """The timesteps (from 0, ascending) at which a sequence can have a loss."""

    def signs(self) -> Signs | None:
        """How its symbols are written; None if its inputs and outputs are numbers."""
        return None

    def memory(self) -> Memory | None:
        """What must be kept from one stretch of the sequence to another; None if nothing in particular."""
        return None

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int, size: int, horizon: int) -> list[Batch]:
        """Draw `count` batches of `size` sequences from `rng`, and what follows them for `horizon` steps.

        All at once, with the batches along a first axis: most of the time for a small one is overhead. Each
        array of a batch is contiguous; batches may share one.
        """

    @abstractmethod
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs by formula, highest first."""

    @abstractmethod
    def guesses(self, batch: Batch) -> dict[tuple[str, str], NDArray[np.float64]]:
        """What each rung's predictor says on `batch`, by (metric, name).

        The arrays have the shape of the network's outputs, [T, B, O] (logits for classes), or for
        `eval/forecast` [horizon, B, O]; their loss is the rung as measured.
        """

    def correct(self, outputs: NDArray[Any], targets: NDArray[Any], mask: NDArray[Any]) -> tuple[int, int]:
        """Count right answers and answers in a window of outputs.

        Args:
            outputs: [t, B, O], any window of the sequence.
            targets: the same window of the targets.
            mask: the same window of the mask.

        Returns:
            (right, asked).
        """
        raise TypeError(f"{self.name} does not judge single answers")

    def batch(self, seed: int, split: Split, step: int, size: int) -> Batch:
        """Batch number `step` of a split: a pure function of (seed, split, step) and the task's fields.

        Training batches are drawn several at a time, the next ones by a thread while these are used. The
        arrays are shared by all who ask for a batch; they are not to be written to.

        Args:
            seed: the training seed; eval and probe data do not depend on it.
            split: `train`, `eval` or `probe`.
            step: which batch, from 0.
            size: how many sequences.
        """
        if split != "train":
            rng = _streams.at(EVAL_SEED, _SPLITS[split] << 56 | step)
            return self.draw(rng, 1, size, self.forecast_horizon)[0]
        number, place = divmod(step, self.drawn_together(size))
        if _streams.drawn.key != (self, seed, number, size):
            _streams.drawn = self._block(seed, number, size)
        return _streams.drawn.batches[place]

    def drawn_together(self, size: int) -> int:
        """How many training batches of `size` sequences are drawn at once."""
        return max(1, _TOGETHER // (self.timesteps * size * (self.features + self.outputs)))

    def _block(self, seed: int, number: int, size: int) -> _Block:
        """A block of training batches: the one that was begun, or a new one. Then the next is begun."""
        block = _streams.begun.result() if _streams.begun is not None else _NONE
        if block.key != (self, seed, number, size):
            block = self._draw_block(seed, number, size)
        in_order = number == 0 or _streams.drawn.key == (self, seed, number - 1, size)
        _streams.begun = _beside.submit(self._draw_block, seed, number + 1, size) if in_order else None
        return block

    def _draw_block(self, seed: int, number: int, size: int) -> _Block:
        rng = _streams.at(seed, _SPLITS["train"] << 56 | number)
        return _Block((self, seed, number, size), self.draw(rng, self.drawn_together(size), size, 0))


@dataclass(frozen=True)
class _Block:
    """Training batches that were drawn together, and what they were drawn for."""

    key: tuple[Any, ...]
    batches: list[Batch]


_NONE = _Block((), [])


def numerals(count: int) -> tuple[str, ...]:
    """Signs for so many symbols: 1 to 9, the letters, and what Unicode has from Ā on."""
    more = (chr(0x100 + place) for place in range(count - len(_NUMERALS)))
    return (*_NUMERALS[:count], *more)


def right_classes(outputs: NDArray[Any], classes: NDArray[Any], asked: NDArray[np.bool_]) -> tuple[int, int]:
    """Among the steps that are asked [t, B], how many have the right class, and how many there are."""
    right = (outputs.argmax(axis=-1) == classes) & asked
    return int(right.sum()), int(asked.sum())


def uniform(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """U[0, 1) in float32: multiples of 2⁻²⁴.

    The same numbers as `rng.random` gives, in half the time: two come from each word of the stream, and the
    words are taken all at once.
    """
    count = math.prod(shape)
    words = rng.bit_generator.random_raw((count + 1) // 2).view(np.uint32)[:count]
    words >>= 8
    return np.multiply(words, np.float32(2**-24), dtype=np.float32, casting="unsafe").reshape(shape)


def normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """N(0, 1) in float32, from pairs of uniform numbers (Box & Muller 1958); none is beyond 5.8."""
    count = math.prod(shape)
    radius, angle = uniform(rng, 2, (count + 1) // 2)
    radius = np.sqrt(-2 * np.log(1 - radius))
    angle *= np.float32(2 * np.pi)
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))[:count].reshape(shape)


class _Streams(threading.local):
    """Random streams by key, and the training batches drawn last and next.

    Philox is counter-based: distinct keys give independent streams without any hashing. One generator in each
    thread is set to the start of the stream asked for, which takes a tenth of the time of making one.
    """

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._start = self._bits.state
        self._generator = np.random.Generator(self._bits)
        self.drawn = _NONE
        self.begun: Future[_Block] | None = None

    def at(self, *key: int) -> np.random.Generator:
        """The stream of a key of two 64-bit numbers, valid until the next call in the same thread."""
        state = self._start
        state["state"] = {"counter": np.zeros(4, np.uint64), "key": np.array(key, dtype=np.uint64)}
        self._bits.state = state
        return self._generator


_streams = _Streams()
_beside = ThreadPoolExecutor(1, "data")
