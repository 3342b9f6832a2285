"""Forking a run: a second one goes on from a step of it, with what is changed here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from seqlab.runs.layout import RunError
from seqlab.spec.problems import SpecError
from seqlab.tui.amendment import ForkDraft
from seqlab.tui.panels.moment import Moment
from seqlab.tui.screens.amend import AmendScreen

Start = Callable[[int, Sequence[str]], Awaitable[None]]
"""Makes a fork from a step on with overrides like `training.steps=100`, and opens the lab on it.

It raises RunError or SpecError if that cannot be.
"""


class ForkScreen(AmendScreen):
    """Starts a fork. What comes of it takes the place of the lab, and of this.

    Args:
        moment: the run that it goes on from, and the step that is shown of it.
        start: starts it.
    """

    BINDING_GROUP_TITLE = "Fork"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "start", id="fork.start", tooltip="Start the fork"),
    ]

    def __init__(self, moment: Moment, start: Start) -> None:
        self._start, self._fork = start, ForkDraft(moment, step_of(moment))
        self._starting = False
        super().__init__(
            self._fork,
            "",
            "enter start · esc leave it",
            "A second run goes on with the same weights and data and what you type; this one stays as it is.",
        )

    def follow(self) -> None:
        """Check the draft and show it, and what it resets."""
        super().follow()
        step = self._fork.step
        self.title_as(f"Fork at step {step:,}" if isinstance(step, int) else "Fork")
        self.note("\n".join(self._fork.notes))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While it starts there is nothing to leave any more, nor to start again."""
        return not (self._starting and action in ("start", "leave"))

    def action_start(self) -> None:
        """Start the fork, unless something is wrong."""
        self.settle()
        step = self._fork.step
        if self.checked.spec is not None and isinstance(step, int):
            self._starting = True
            self.tell("")
            self.note("one moment")
            self._begin(step, self._fork.overrides())

    @work
    async def _begin(self, step: int, overrides: Sequence[str]) -> None:
        try:
            await self._start(step, overrides)
        except (RunError, SpecError) as error:
            self._starting = False
            self.follow()
            self.tell(str(error))


def step_of(moment: Moment) -> int:
    """The step that a fork goes on from unless another one is typed.

    It is the one to which the person has gone back, or else the last; but a run that diverged has no weights
    left at that one: then that of the last frame which was kept before.
    """
    if moment.chosen is None and moment.state == "diverged":
        return max((step for step in moment.snapshot.kept if step < moment.step), default=0)
    return moment.at
