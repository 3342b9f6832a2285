"""Setup: choose what to run, see what it will be, and start it.

The frame is painted before anything heavy is imported. Then a thread starts the worker, which imports and
compiles by itself, and imports what the form is made of; the form appears as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from seqlab.settings import key_name
from seqlab.tui.screens.setup_keys import BINDINGS, WORDS
from seqlab.tui.widgets.keys import Keys
from seqlab.tui.widgets.too_small import TooSmall
from seqlab.tui.widgets.topline import TopLine
from seqlab.tui.widgets.under_way import UnderWay

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
COUNT = 3.0
"""Seconds between looks at the runs that are under way."""
SETTLE = 0.4
"""Seconds without a change after which the worker is told of a choice."""


class SetupScreen(Screen[None], inherit_bindings=False):
    """The form, the presets, and what the run will be.

    Args:
        overrides: `a.b=value` texts, applied to the form as it opens.
        source: what the form is filled from at first; None for the first preset.
    """

    BINDING_GROUP_TITLE = "New run"
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    if TYPE_CHECKING:
        app: LabApp

    class Loaded(Message):
        """What the form is made of has been imported."""

        def __init__(self, draft: Draft, presets: Sequence[Preset], notice: str) -> None:
            super().__init__()
            self.draft, self.presets, self.notice = draft, presets, notice

    def __init__(self, overrides: Sequence[str] = (), source: Spec | None = None) -> None:
        super().__init__()
        self._overrides = tuple(overrides)
        self._source = source
        self._starting = False
        self._begun = False
        self._startable = False
        self._standby: Standby | None = None
        self._form: Form | None = None
        self._presets: PresetList | None = None
        self._summary: Summary | None = None
        self._settling: Timer | None = None
        self._tickers: list[Timer] = []

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
        yield UnderWay()
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

    @property
    def HELP(self) -> str:  # type: ignore[override]  # noqa: N802
        """What the preset says of itself and claims, which small screens have no room for, and the words."""
        preset = None if self._form is None else self._form.draft.preset
        if self._form is None or preset is None:
            return WORDS
        about = [": ".join(part for part in (preset.name, " ".join(preset.title.split())) if part)]
        if self._changed:
            about = [f"The form was filled from {about[0]}", "It was changed since, and claims nothing now."]
        else:
            about.append(" ".join(preset.about.split()))
            claims = "; ".join(claim.in_words() for claim in self._form.draft.claims())
            about.append(f"Claims: {claims or 'none'}")
        return "\n".join([*filter(None, about), WORDS])

    def on_screen_resume(self) -> None:
        """Keep a worker warm while this screen is in front; the first time, once its frame is painted."""
        if not self.is_active:  # passed by on the way from one screen to another
            return
        if self._standby is None:
            self.call_after_refresh(self._begin)
        else:
            self._standby.start()
            self._standby.choose(self.spec)
            self.query_one(UnderWay).look()
        for ticker in self._tickers:
            ticker.resume()

    def on_screen_suspend(self) -> None:
        """Leave the worker alone while another screen is in front."""
        for ticker in self._tickers:
            ticker.pause()

    def _begin(self) -> None:
        if self.is_active and not self._begun:
            self._begun = True
            self._load()

    @work(thread=True)
    def _load(self) -> None:
        from seqlab.tui.standby import Standby

        again = key_name(self.app, "setup.start", "enter")
        self._standby = Standby(self.app.started.worker_factory, again)
        self._standby.start()
        # The rest is imported while the worker imports as well.
        from seqlab.spec.problems import SpecError
        from seqlab.tui.draft import Draft, load_presets, preset_of
        from seqlab.tui.widgets import form, preset_list, summary  # noqa: F401

        draft, presets, notice = Draft(), load_presets(), ""
        first = next(
            (preset for preset in presets if preset.name == FIRST_PRESET), presets[0] if presets else None
        )
        try:
            if self._source is not None:  # which holds the overrides already
                draft.load(preset_of(self._source, presets))
            else:
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
            self._present()
            if event.notice:
                self.notice(event.notice)
        self.action_back()
        # Another screen may have come in front meanwhile, and each look would draw that one anew.
        for seconds, look in ((TICK, self._look), (COUNT, self.query_one(UnderWay).look)):
            self._tickers.append(self.set_interval(seconds, look, pause=not self.is_active))
            look()

    def notice(self, words: str) -> None:
        """Say something above the keys; nothing if it is empty."""
        line = self.query_one("#notice", Static)
        line.update(words)
        line.display = bool(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Start is off while something on the form cannot be run."""
        if action == "start":
            return True if self.spec is not None and not self._starting else None
        if action == "scroll_about":
            return bool(self.query_one("#about").max_scroll_y)
        if action == "find":
            return self._presets is not None and not self._presets.has_class("-finding")
        if action == "back":
            return self.has_class("-presets")
        return True

    def action_start(self) -> None:
        """Start the run: make its folder, send the worker there, open the lab on it."""
        if self.spec is not None and self._standby is not None and not self._starting:
            self._starting = True
            self._start(self.spec, self._standby)

    def action_step(self, by: int) -> None:
        """Go to the field above or below."""
        (self.focus_next if by > 0 else self.focus_previous)(".stop")

    def action_scroll_about(self, by: int) -> None:
        """Scroll the text about the preset."""
        about = self.query_one("#about", VerticalScroll)
        about.scroll_relative(y=by * max(1, about.size.height - 1), animate=False)

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
            self._present()
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
        self._present()
        self._look()
        if self._settling is not None:
            self.notice("")
            self._settling.stop()
        self._settling = self.set_timer(SETTLE, self._settle)

    def on_form_explained(self, event: Any) -> None:
        """One line about the field that has the focus."""
        self.query_one("#help", Static).update(event.help)

    @work
    async def _start(self, spec: Spec, standby: Standby) -> None:
        from seqlab.runs.layout import RunError

        try:
            await self.app.start_run(spec, standby)
        except RunError as error:
            self.notice(str(error))
        finally:
            self._starting = False

    def _present(self) -> None:
        """Show what the preset says of itself, and whether that is still what would be run."""
        preset = None if self._form is None else self._form.draft.preset
        about = self.query_one("#about", VerticalScroll)
        about.set_class(not (preset and preset.about), "-blank")
        if preset is None or self._presets is None:
            return
        if preset.name != self._presets.marked:
            self._presets.mark(preset.name)
        heading = f"About {preset.name}, changed since" if self._changed else f"About {preset.name}"
        if heading != about.border_title:
            about.border_title = heading
            about.query_one(Static).update(" ".join(preset.about.split()))
            about.scroll_home(animate=False)

    @property
    def _changed(self) -> bool:
        """Whether the form has left the preset that it was filled from."""
        return self._form is None or self.spec is None or not self._form.draft.unchanged(self.spec)

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
        about = self.query_one("#about", VerticalScroll)
        up = key_name(self.app, "setup.about_up", "pgup")
        down = key_name(self.app, "setup.about_down", "pgdn")
        keys = f"{up} {down}" if about.max_scroll_y else ""
        if about.border_subtitle != keys:
            about.border_subtitle = keys
        draft, spec = self._form.draft, self.spec
        self._summary.outdate(spec is None)
        if spec is not None:
            name = draft.preset.name if draft.preset else ""
            self._summary.show(Facts(spec, news, name, draft.claims(), self._changed))


def _tail(text: str, lines: int = 3) -> str:
    """The last lines of what a worker left behind."""
    return "\n".join(text.splitlines()[-lines:])
