"""Steering a run: keys become command files, and what was asked for is known until the worker has done it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from seqlab.runs import control
from seqlab.runs.layout import RunError
from seqlab.spec.steerable import LEARNING_RATE, STEERABLE, value_of
from seqlab.tui.panels.moment import Moment
from seqlab.tui.wording import shown

Say = Callable[[str, str], None]
"""Is given words for the person, and their severity ("information", "warning", "error")."""

_RATES = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
"""Learning rates go by steps of about 1.25, as preferred numbers do (ISO 3, R10)."""
_WHAT = {
    "pause": "pause",
    "step": "make a step",
    "rate": "change the learning rate",
    "steer": "change anything",
    "stop": "stop",
}
"""The actions of the screen in words."""
_PAST = {"failed": "over: it failed", "diverged": "over: it diverged"}
PATIENCE = 2.0
"""Seconds after which a wish is settled by the state alone, where nothing had to happen for it."""


class _Wish(NamedTuple):
    """What is asked for by a command, the event that answers it, and the state that it leads to."""

    command: str
    event: str
    state: str


_WISHES = {
    "pausing": _Wish("pause", "paused", "paused"),
    "going on": _Wish("continue", "continued", "training"),
    "stopping": _Wish("stop", "stopped", "stopped"),
}


class Steering:
    """Sends commands to a run, and says why one cannot be sent.

    The files are written in a thread, one after the other: the disk may be slow.

    Args:
        folder: the run.
        say: shows words.

    Attributes:
        asked: what the worker was asked for and has not done yet, such as "pausing"; "" for nothing.
        values_asked: the values it was asked for and has not taken yet, by the paths of their fields.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self.asked = ""
        self.values_asked: dict[str, Any] = {}
        self._folder = folder
        self._say = say
        self._asked_at = 0.0
        self._seen: int | None = None
        self._writer = ThreadPoolExecutor(1, "steering")
        self._sent: deque[Future[None]] = deque()

    def close(self) -> None:
        """No more commands; those that were given are still sent."""
        self._writer.shutdown(wait=False)

    @property
    def waits(self) -> bool:
        """Whether the worker was asked for something that it has not done yet."""
        return bool(self.asked or self.values_asked)

    @property
    def rate_asked(self) -> float | None:
        """The learning rate it was asked for and has not taken yet, or None."""
        return self.values_asked.get(LEARNING_RATE.field)

    @property
    def wishes(self) -> str:
        """All that was asked for in words, but for the learning rate, which is shown beside that in force."""
        values = [
            f"{STEERABLE[field].short} → {shown(value)}"
            for field, value in self.values_asked.items()
            if field != LEARNING_RATE.field
        ]
        return ", ".join(filter(None, (self.asked, *values)))

    def why_not(self, moment: Moment | None, action: str) -> bool:
        """Say why an action of the screen ("pause", "steer" and so on) cannot be taken now; whether so."""
        return self._steerable(moment, _WHAT[action]) is None

    def pause(self, moment: Moment | None) -> bool:
        """Pause, or go on if it is paused or about to be; True if something was sent."""
        if (moment := self._steerable(moment, _WHAT["pause"])) is None:
            return False
        paused = self.asked == "pausing" if self.asked else moment.state == "paused"
        return self._ask("continue" if paused else "pause", "going on" if paused else "pausing")

    def step(self, moment: Moment | None) -> bool:
        """Make a single step; a run under way is paused first."""
        if (moment := self._steerable(moment, _WHAT["step"])) is None:
            return False
        if moment.state == "paused" or self.asked == "pausing":
            self._send("step")
            return True
        self._ask("pause", "pausing")
        self._send("step")
        return True

    def rate(self, moment: Moment | None, by: int) -> bool:
        """Turn the learning rate up (1) or down (-1)."""
        if (moment := self._steerable(moment, _WHAT["rate"])) is None:
            return False
        rate = self.rate_asked or moment.live.learning_rate
        if not 0 < rate < math.inf:
            self._say(f"cannot turn a learning rate of {rate:g} up or down", "warning")
            return False
        return self.change(moment, {LEARNING_RATE.field: next_rate(rate, by)})

    def change(self, moment: Moment | None, values: Mapping[str, Any]) -> bool:
        """Ask for other values of fields, by their paths; True if one is not so yet, nor asked for."""
        if (moment := self._steerable(moment, _WHAT["steer"])) is None:
            return False
        other = {
            field: value
            for field, value in values.items()
            if value != self.values_asked.get(field, _in_force(moment, field))
        }
        for field, value in other.items():
            self._send("set", field, value)
        self.values_asked |= other
        self._asked_at = time.monotonic()
        return bool(other)

    def stop(self, moment: Moment | None) -> bool:
        """Stop the run; one that is still being prepared stops as soon as it trains."""
        if moment is None or moment.over:
            self._steerable(moment, _WHAT["stop"])
            return False
        return self._ask("stop", "stopping")

    def follow(self, moment: Moment) -> None:
        """Forget what was asked for once it is done or can no longer be; say what failed or was refused."""
        while self._sent and self._sent[0].done():
            try:
                self._sent.popleft().result()
            except RunError as error:
                self._forget()
                self._say(str(error), "error")
        events = moment.snapshot.events
        for event in events[len(events) if self._seen is None else self._seen :]:
            self._hear(event)
        self._seen = len(events)
        late = time.monotonic() - self._asked_at > PATIENCE
        if moment.over or (self.asked and late and moment.state == _WISHES[self.asked].state):
            self.asked = ""
        if moment.over or late:  # what was so already needs no change
            values = {} if moment.over else self.values_asked
            self.values_asked = {
                field: value for field, value in values.items() if _in_force(moment, field) != value
            }

    def _hear(self, event: Mapping[str, Any]) -> None:
        """Settle what an event settles: somebody else may have asked for something else meanwhile."""
        kind, field = event["event"], event.get("field")
        if kind == "refused":
            command = event.get("command", "obey")
            self.values_asked.pop(str(field), None)
            if self.asked and command == _WISHES[self.asked].command:
                self.asked = ""
            self._say(f"refused to {command}: {event.get('why', '')}", "warning")
        elif kind == "changed" and field in self.values_asked:
            if self.values_asked[field] == event.get("value"):
                del self.values_asked[field]
        elif self.asked and kind == _WISHES[self.asked].event:
            self.asked = ""

    def _steerable(self, moment: Moment | None, what: str) -> Moment | None:
        """The moment if the run can be steered now; else says why not."""
        if moment is None:
            self._say(f"cannot {what}: there is no run to see yet", "warning")
        elif moment.state == "lost":
            self._say(f"cannot {what}: the run has no worker any more", "warning")
        elif moment.over:
            self._say(f"cannot {what}: the run is {_PAST.get(moment.state, moment.state)}", "warning")
        elif moment.doing:
            self._say(f"cannot {what} yet: {moment.doing}", "warning")
        else:
            return moment
        return None

    def _forget(self) -> None:
        self.asked, self.values_asked = "", {}

    def _ask(self, command: str, words: str) -> bool:
        self._send(command)
        self.asked, self._asked_at = words, time.monotonic()
        return True

    def _send(self, command: str, field: str | None = None, value: Any = None) -> None:
        self._sent.append(self._writer.submit(control.send, self._folder, command, field, value))


def _in_force(moment: Moment, field: str) -> Any:
    return moment.live.in_force(field, value_of(moment.snapshot.spec, field))


def next_rate(rate: float, by: int) -> float:
    """The next learning rate of the R10 series, down (-1) or up (1)."""
    power = math.floor(math.log10(rate))
    series = [float(f"{base * 10.0**e:.3g}") for e in (power - 1, power, power + 1) for base in _RATES]
    if by > 0:
        return min(each for each in series if each > rate * 1.01)
    return max(each for each in series if each < rate * 0.99)
