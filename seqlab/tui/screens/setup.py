"""Setup: choose what to run, see what it will be, and start it.

The frame is painted before anything heavy is imported. Then a thread starts the worker, which imports and
compiles by itself, and imports what the form is made of; the form appears as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from seqlab.tui.widgets.keys import Keys
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec
    from seqlab.tui.app import LabApp
    from seqlab.tui.draft import Draft, Preset
    from seqlab.tui.standby import News, Standby
    from seqlab.tui.widgets.form import Form
    from seqlab.tui.widgets.preset_list import PresetList
    from seqlab.tui.widgets.summary import Summary

FIRST_PRESET = "adding-lstm"
"""What the form is filled from at first, if there is such a preset."""
TICK = 0.2
"""Seconds between looks at the worker."""
SETTLE = 0.4
"""Seconds without a change after which the worker is told of a choice."""

_MOVE = Binding.Group("move", compact=True)


class SetupScreen(Screen[None], inherit_bindings=False):
    """The form, the presets, and what the run will be.

    Args:
        overrides: `a.b=value` texts, applied to the form as it opens.
    """

    BINDING_GROUP_TITLE = "New run"
    HELP = (
        "Choose a task, a cell and a truncation, or take a preset, and press enter.\n"
        "Values in grey are defaults; an emptied field goes back to its own. The bar under Truncation "
        "shows the sequence, the walls that cut its gradient, where the loss sits, and how far back its "
        "credit reaches. It states reach and no more: what the network learns all the same is for the run "
        "to show.\n"
        "A rung is the loss of a predictor that knows less than the task needs. Parameters and memory are "
        "exact; the time appears once the worker has measured a step of this very run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
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
        Binding(
            "slash", "find", "presets", key_display="/", id="setup.find", tooltip="Find a preset by name"
        ),
        Binding("escape", "back", "back to the form", show=False, id="setup.back"),
    ]

    if TYPE_CHECKING:
        app: LabApp

    class Loaded(Message):
        """What the form is made of has been imported."""

        def __init__(self, draft: Draft, presets: Sequence[Preset], notice: str) -> None:
            super().__init__()
            self.draft, self.presets, self.notice = draft, presets, notice

    def __init__(self, overrides: Sequence[str] = ()) -> None:
        super().__init__()
        self._overrides = tuple(overrides)
        self._begun = False
        self._startable = False
        self._standby: Standby | None = None
        self._form: Form | None = None
        self._presets: PresetList | None = None
        self._summary: Summary | None = None
        self._settling: Timer | None = None
        self._ticker: Timer | None = None

    def compose(self) -> ComposeResult:
        """The frame; what goes into it comes later."""
        yield TopLine("new run")
        with Horizontal(id="columns"):
            experiment = Vertical(id="experiment")
            experiment.border_title = "Experiment"
            with experiment:
                yield Static("one moment", id="waiting")
                yield Static("", id="help", markup=False)
            with Vertical(id="side"):
                about = VerticalScroll(
                    Static("", markup=False), id="about", classes="-blank", can_focus=False
                )
                yield about
        yield Static("", id="notice", markup=False)
        yield Keys()
        yield TooSmall()

    @property
    def ready(self) -> bool:
        """Whether the form is there."""
        return self._form is not None and self._form.is_mounted

    @property
    def spec(self) -> Spec | None:
        """What would be started; None if that cannot be."""
        return None if self._form is None else self._form.checked.spec

    def on_screen_resume(self) -> None:
        """Keep a worker warm while this screen is in front; the first time, once its frame is painted."""
        if self._standby is None:
            self.call_after_refresh(self._begin)
        else:
            self._standby.start()
            self._standby.choose(self.spec)
        if self._ticker is not None:
            self._ticker.resume()

    def on_screen_suspend(self) -> None:
        """Leave the worker alone while another screen is in front."""
        if self._ticker is not None:
            self._ticker.pause()

    def _begin(self) -> None:
        if self.is_current and not self._begun:
            self._begun = True
            self._load()

    @work(thread=True)
    def _load(self) -> None:
        from seqlab.tui.standby import Standby

        self._standby = Standby(self.app.worker_factory)
        self._standby.start()
        # The rest is imported while the worker imports as well.
        from seqlab.spec.problems import SpecError
        from seqlab.tui.draft import Draft, load_presets
        from seqlab.tui.widgets import form, preset_list, summary  # noqa: F401

        draft, presets, notice = Draft(), load_presets(), ""
        first = next(
            (preset for preset in presets if preset.name == FIRST_PRESET), presets[0] if presets else None
        )
        try:
            if first is not None and first.data:
                draft.load(first)
            draft.override(self._overrides)
        except SpecError as error:
            notice = str(error)
        self.post_message(self.Loaded(draft, presets, notice))

    @on(Loaded)
    async def _show(self, event: Loaded) -> None:
        from seqlab.tui.widgets.form import Form
        from seqlab.tui.widgets.preset_list import PresetList
        from seqlab.tui.widgets.summary import Summary

        self._presets, self._summary, self._form = PresetList(), Summary(), Form(event.draft)
        with self.app.batch_update():
            await self.query_one("#waiting").remove()
            await self.query_one("#side").mount(self._presets, self._summary, before=0)
            await self.query_one("#experiment").mount(self._form, before=0)
            self._presets.show(event.presets)
            self._present(event.draft.preset)
            if event.notice:
                self.notice(event.notice)
        self.action_back()
        self._ticker = self.set_interval(TICK, self._look)
        self._look()

    def notice(self, words: str) -> None:
        """Say something above the keys; nothing if it is empty."""
        line = self.query_one("#notice", Static)
        line.update(words)
        line.display = bool(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Start is off while something on the form cannot be run."""
        if action == "start":
            return True if self.spec is not None else None
        if action == "find":
            return self._presets is not None and not self._presets.has_class("-finding")
        if action == "back":
            return self.has_class("-presets")
        return True

    def action_start(self) -> None:
        """Start the run: make its folder, send the worker there, open the lab on it."""
        from seqlab.runs.layout import RunError

        if self.spec is None or self._standby is None:
            return
        try:
            self.app.start_run(self.spec, self._standby)
        except RunError as error:
            self.notice(str(error))

    def action_step(self, by: int) -> None:
        """Go to the field above or below."""
        (self.focus_next if by > 0 else self.focus_previous)(".stop")

    def action_find(self) -> None:
        """Find a preset by name."""
        if self._presets is not None:
            self.add_class("-presets")
            self._presets.find()

    def action_back(self) -> None:
        """Back to the form from the presets."""
        self.remove_class("-presets")
        if self._form is not None:
            self.set_focus(self._form.query(".stop").first())

    def on_unmount(self) -> None:
        """Let the worker go."""
        if self._standby is not None:
            self._standby.close()

    async def on_preset_list_chosen(self, event: PresetList.Chosen) -> None:
        """Fill the form."""
        preset = event.preset
        if self._form is not None and preset.data:
            await self._form.load(preset)
            self._present(preset)
        self.action_back()
        self.notice("" if preset.data else f"{preset.name}: {preset.title}")

    def on_preset_list_left(self) -> None:
        """Back to the form."""
        self.action_back()

    def on_form_changed(self) -> None:
        """Show what the run would be; tell the worker once the typing stops."""
        if (self.spec is not None) != self._startable:
            self._startable = not self._startable
            self.refresh_bindings()
        self._look()
        if self._settling is not None:
            self.notice("")
            self._settling.stop()
        self._settling = self.set_timer(SETTLE, self._settle)

    def on_form_explained(self, event: Any) -> None:
        """One line about the field that has the focus."""
        self.query_one("#help", Static).update(event.help)

    def _present(self, preset: Preset | None) -> None:
        about = self.query_one("#about", VerticalScroll)
        about.set_class(not (preset and preset.about), "-blank")
        if preset is not None and self._presets is not None:
            self._presets.mark(preset.name)
            about.border_title = f"About {preset.name}"
            about.query_one(Static).update(" ".join(preset.about.split()))

    def _settle(self) -> None:
        if self._standby is not None and self.spec is not None:
            self._standby.choose(self.spec)

    def _look(self) -> None:
        """Show where the worker stands, and what it has measured."""
        if self._standby is None or self._form is None or self._summary is None:
            return
        from seqlab.tui.widgets.summary import Facts

        news: News = self._standby.poll()
        self.query_one(TopLine).show(news.words)
        if news.details:
            self.notice(_tail(news.details))
        draft, spec = self._form.draft, self.spec
        if spec is None:
            return  # what stood there is still the last that can be run
        name = draft.preset.name if draft.preset else ""
        self._summary.show(Facts(spec, news, name, draft.claims(), not draft.unchanged(spec)))


def _tail(text: str, lines: int = 3) -> str:
    """The last lines of what a worker left behind."""
    return "\n".join(text.splitlines()[-lines:])
