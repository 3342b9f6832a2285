"""Steering a run: what can be changed while it trains, a line each.

The worker is asked, and obeys before its next step, or refuses and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from seqlab.tui.amendment import Turns
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.steering import Steering
from seqlab.tui.screens.amend import AmendScreen


class SteerScreen(AmendScreen):
    """Asks for other values; true if the worker was asked for any.

    Args:
        now: the run as it is when this is called; it is there already.
        steering: asks its worker.
    """

    BINDING_GROUP_TITLE = "Steer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "change", id="steer.send", tooltip="Ask for what was typed"),
    ]

    def __init__(self, now: Callable[[], Moment | None], steering: Steering) -> None:
        moment = now()
        assert moment is not None
        self._now, self._steering = now, steering
        self._turns = Turns(moment, steering.values_asked)
        super().__init__(
            self._turns,
            "Steer",
            "enter change · esc leave it",
            "It acts from the next step on, and stands in the record of the run.",
        )

    def action_send(self) -> None:
        """Ask for what was typed, unless something of it is wrong or the run cannot be steered any more."""
        self.settle()
        moment = self._now()
        if not self.checked.problems and not self._steering.why_not(moment, "steer"):
            self.dismiss(self._steering.change(moment, self._turns.wanted()))
