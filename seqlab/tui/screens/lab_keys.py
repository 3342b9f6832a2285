"""The keys of the lab: to steer the run, to go back and forth in time, to choose what is shown."""

from __future__ import annotations

from typing import Any

from textual.binding import Binding, BindingType

STEERING = ("pause", "step", "rate", "steer", "stop")
"""Actions that need a worker."""
_RATE = Binding.Group("learning rate", compact=True)
_TIME = Binding.Group("time", compact=True)


def _key(key: str, action: str, description: str, tooltip: str, **more: Any) -> Binding:
    return Binding(
        key, action, description, tooltip=tooltip, id=f"lab.{description.replace(' ', '_')}", **more
    )


BINDINGS: list[BindingType] = [
    _key("space", "pause", "pause", "Pause the training, or let it go on"),
    _key("full_stop", "step", "step", "Pause, and make one step", key_display="."),
    _key("left_square_bracket", "rate(-1)", "learning rate down", "Lower the learning rate by a fifth",
         key_display="[", group=_RATE),
    _key("right_square_bracket", "rate(1)", "learning rate up", "Raise the learning rate by a quarter",
         key_display="]", group=_RATE),
    _key("t", "steer", "steer", "Change what can be changed while it trains"),
    _key("f", "fork", "fork", "Go on from this step in a second run, with something changed"),
    _key("left", "scrub(-1)", "scrub back", "Go back in time by a kept frame",
         key_display="←", group=_TIME),
    _key("right", "scrub(1)", "scrub forward", "Go forward in time by a kept frame",
         key_display="→", group=_TIME),
    _key("shift+left", "scrub(-10)", "scrub far back", "Go back by ten kept frames", show=False),
    _key("shift+right", "scrub(10)", "scrub far forward", "Go forward by ten kept frames", show=False),
    _key("home", "first", "first frame", "Go back to the first kept frame", show=False),
    _key("end", "live", "live", "Come back to the present", show=False),
    _key("g", "gate(1)", "gate", "Show the next gate or state"),
    _key("G", "gate(-1)", "gate back", "Show the gate or state before", show=False),
    _key("l", "layer", "layer", "Show the next layer"),
    _key("y", "log", "log", "Show the loss on a linear or a logarithmic axis"),
    _key("m", "maximise", "maximise", "Give one panel all the room, or go back to four"),
    _key("c", "copy", "copy", "Copy the command that repeats this run, and the panel's numbers", show=False),
    _key("e", "save", "save", "Save the screen as SVG, and the panel's numbers as CSV", show=False),
    _key("s", "stop", "stop", "Stop the run; it keeps a checkpoint and can be resumed"),
    _key("n", "new", "new", "Set up a new run; this one goes on"),
    _key("1", "panel(1)", "loss", "Go to the loss", show=False),
    _key("2", "panel(2)", "gradient", "Go to the gradient", show=False),
    _key("3", "panel(3)", "gates", "Go to the gates, where arrows move a cursor", show=False),
    _key("4", "panel(4)", "probe", "Go to the probe sequence", show=False),
    _key("tab", "app.focus_next", "next panel", "Go to the next panel", show=False),
    _key("shift+tab", "app.focus_previous", "panel before", "Go to the panel before", show=False),
]  # fmt: skip
