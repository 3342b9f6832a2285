"""Threads that share out work: the caller's, and some that wait for it.

A step of a small network takes a millisecond or two, so handing over must cost less than the thread pools of
the standard library do, which make a future and several locks for each piece of work.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")

_Work = Callable[[], None]


class Team:
    """Threads that end with `close`, or when nobody holds the team any more.

    Args:
        threads: how many, the caller's included.
    """

    def __init__(self, threads: int) -> None:
        self._others = threads - 1
        self._todo: SimpleQueue[_Work | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self.close = weakref.finalize(self, _dismiss, self._todo, self._others)
        for number in range(self._others):
            name, queues = f"slice_{number}", (self._todo, self._done)
            threading.Thread(target=_help, args=queues, name=name, daemon=True).start()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply to all items, the threads taking one after another; results in the items' order.

        What a thread raises is raised here, once all have come to their end.
        """
        todo = list(items)
        if len(todo) < 2 or not self._others:
            return [function(item) for item in todo]
        results: dict[int, Result] = {}
        numbers = itertools.count()

        def work() -> None:
            while (number := next(numbers)) < len(todo):
                results[number] = function(todo[number])

        others = min(self._others, len(todo) - 1)
        for _ in range(others):
            self._todo.put(work)
        try:
            work()
        finally:
            errors = [self._done.get() for _ in range(others)]
        for error in filter(None, errors):
            raise error
        return [results[number] for number in range(len(todo))]


def _help(todo: SimpleQueue[_Work | None], done: SimpleQueue[BaseException | None]) -> None:
    while (work := todo.get()) is not None:
        try:
            work()
            done.put(None)
        except BaseException as error:  # raised by `map`
            done.put(error)
        del work  # with all that it holds, while there is nothing to do


def _dismiss(todo: SimpleQueue[_Work | None], others: int) -> None:
    for _ in range(others):
        todo.put(None)
