"""The data: one file per task, with its fields, its batches and its rungs. No Numba here.

A new task is one new file with a subclass of `Task`; `TASKS` finds it.
"""

from seqlab.choices import discover
from seqlab.tasks.base import Batch, Memory, Rung, Signs, Split, Task

TASKS: dict[str, type[Task]] = discover(__name__, Task)  # type: ignore[type-abstract]
"""Every task by its name."""

__all__ = ["TASKS", "Batch", "Memory", "Rung", "Signs", "Split", "Task"]
