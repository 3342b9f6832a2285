"""Where the time of a step goes: clocks around methods of the trainer, for as long as somebody wants to know.

Nothing in training knows of them. While a `Profile` is entered, the methods it watches are hidden behind
timed ones in the objects themselves; afterwards these are as they were.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeAlias

from seqlab.training.trainer import Trainer

BESIDE = " beside"
"""What is appended to a part's name for the time of other threads."""

Watched: TypeAlias = tuple[object, str, str]
"""An object, the name of one of its methods, and what its time is counted as."""


class Profile:
    """Measures methods while it is entered, each without the measured ones that it calls.

    In the thread that entered it, time is that of the clock, waiting included; in others it is processor
    time, and counted by itself.

    Args:
        watched: the methods.

    Attributes:
        times: (part, seconds) of each call, in the order in which they ended; the part of one in another
            thread has `BESIDE` appended.
    """

    def __init__(self, watched: Iterable[Watched]) -> None:
        self._watched = tuple(watched)
        self._within = threading.local()
        self._home = 0
        self.times: list[tuple[str, float]] = []

    def totals(self) -> dict[str, float]:
        """Seconds of each part."""
        totals: defaultdict[str, float] = defaultdict(float)
        for part, seconds in self.times:
            totals[part] += seconds
        return totals

    def __enter__(self) -> Profile:
        self._home = threading.get_ident()
        for target, name, part in self._watched:
            setattr(target, name, self._timed(getattr(target, name), part))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for target, name, _ in self._watched:
            delattr(target, name)  # the method of its class shows again

    def _timed(self, method: Callable[..., Any], part: str) -> Callable[..., Any]:
        within, times = self._within, self.times

        def timed(*arguments: Any, **named: Any) -> Any:
            at_home = threading.get_ident() == self._home
            clock = time.perf_counter if at_home else time.thread_time
            outer, within.inner = getattr(within, "inner", 0.0), 0.0
            start = clock()
            try:
                return method(*arguments, **named)
            finally:
                took = clock() - start
                times.append((part if at_home else part + BESIDE, took - within.inner))
                within.inner = outer + took

        return timed


def parts_of_a_step(trainer: Trainer) -> Iterator[Watched]:
    """The methods between which a step is divided."""
    yield trainer, "draw", "data"
    yield trainer, "apply", "update"
    for work in trainer.passes:
        for name in ("reset", "take_weights", "forward", "loss"):
            yield work, name, "forward"
        yield work, "backward", "backward"


def parts_of(totals: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Shares of the time of some steps.

    Data is what training waits for, not what is drawn beside it; update is the norm, clipping and the
    optimiser. All else is split between forward and backward as the threads spent their time in the two.
    These may be several at once: so it is their processor time, scaled to that of the clock, and holds what
    surrounds it: handing out slices, waiting for the last one, adding up their gradients.
    """
    data, update = totals["data"] / seconds, totals["update"] / seconds
    ahead, back = (totals[part] + totals[part + BESIDE] for part in ("forward", "backward"))
    forward = ahead / (ahead + back)
    rest = 1 - data - update
    return {"data": data, "forward": rest * forward, "backward": rest * (1 - forward), "update": update}
