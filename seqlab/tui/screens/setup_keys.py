"""The keys of Setup, and the words that help explains it with."""

from __future__ import annotations

from textual.binding import Binding, BindingType

_MOVE = Binding.Group("move", compact=True)

WORDS = (
    "Choose a task, a cell and a truncation, or take a preset, and start.\n"
    "Values in grey are defaults; an emptied field goes back to its own. The bar under Truncation "
    "shows the sequence, the walls that cut its gradient, where the loss sits, and how far back its "
    "credit reaches. It states reach and no more: what the network learns all the same is for the run "
    "to show.\n"
    "A rung is the loss of a predictor that knows less than the task needs. Parameters and memory are "
    "exact; the time appears once the worker has measured a step of this very run."
)
BINDINGS: list[BindingType] = [
    Binding("enter", "start", "start", id="setup.start", tooltip="Start the run, from any field"),
    Binding("tab", "app.focus_next", "next", id="setup.tab", tooltip="Go to the next field or list"),
    Binding("shift+tab", "app.focus_previous", "previous field", show=False, id="setup.shift_tab"),
    Binding(
        "up",
        "step(-1)",
        "previous field",
        group=_MOVE,
        id="setup.up",
        tooltip="The field or choice above",
    ),
    Binding(
        "down", "step(1)", "next field", group=_MOVE, id="setup.down", tooltip="The field or choice below"
    ),
    Binding("slash", "find", "presets", key_display="/", id="setup.find", tooltip="Find a preset by name"),
    Binding("escape", "back", "back to the form", show=False, id="setup.back"),
    Binding(
        "pagedown",
        "scroll_about(1)",
        "text down",
        show=False,
        id="setup.about_down",
        tooltip="Scroll the text about the preset down",
    ),
    Binding(
        "pageup",
        "scroll_about(-1)",
        "text up",
        show=False,
        id="setup.about_up",
        tooltip="Scroll the text about the preset up",
    ),
]
