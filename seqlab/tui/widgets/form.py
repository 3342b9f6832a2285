"""The experiment as a form: every field of the spec, grouped as the draft says, with the reach of credit."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from seqlab.spec.credit import Truncation, windows
from seqlab.spec.schema import Spec
from seqlab.tasks import Task
from seqlab.tui.draft import TRUNCATION, Checked, Draft, Preset
from seqlab.tui.widgets.field import Field
from seqlab.tui.widgets.group import GroupBox, Heading
from seqlab.tui.widgets.stretch import StretchBar


class Reach(Vertical):
    """The bar of how far credit reaches, and what follows from it for the task at hand."""

    def compose(self) -> ComposeResult:
        """The bar with its words, then one line."""
        yield StretchBar()
        yield Static("", classes="fact", markup=False)

    def show(self, spec: Spec) -> None:
        """Draw the reach under a spec."""
        task, truncation, passes = spec.task, spec.training.cut, spec.model.passes
        self.query_one(StretchBar).show(task.timesteps, truncation, task.loss_steps() + 1, passes=passes)
        fact = out_of_reach(task, truncation)
        line = self.query_one(".fact", Static)
        line.update(fact)
        line.display = bool(fact)


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The form. It owns the draft, validates at each change, and says what came of it."""

    @dataclass
    class Changed(Message):
        """The draft was changed."""

        checked: Checked

    @dataclass
    class Explained(Message):
        """The field that has the focus, in one line."""

        help: str

    def __init__(self, draft: Draft) -> None:
        super().__init__(id="form")
        self.draft = draft
        self.checked = draft.check()
        self._boxes = [GroupBox(group, draft) for group in draft.groups()]
        self._reach = Reach()

    def compose(self) -> ComposeResult:
        """Each group; under that of the truncation, its reach."""
        for box in self._boxes:
            yield box
            if any(entry.path == TRUNCATION for entry in box.group.entries):
                yield self._reach
        yield Static("", id="general", classes="problem", markup=False)

    async def on_mount(self) -> None:
        """Show the draft as it is."""
        await self.follow()

    async def load(self, preset: Preset) -> None:
        """Fill the form from a preset."""
        self.draft.load(preset)
        await self.follow()

    async def follow(self) -> None:
        """Validate the draft and show it."""
        self.checked = self.draft.check()
        problems = self.checked.problems
        for box, group in zip(self._boxes, self.draft.groups(), strict=True):
            await box.show(group, problems)
        if self.checked.spec is not None:
            self._reach.show(self.checked.spec)
        general = self.query_one("#general", Static)
        general.update(problems.get((), ""))
        general.display = () in problems
        self.post_message(self.Changed(self.checked))

    @on(Field.Edited)
    async def _edited(self, event: Field.Edited) -> None:
        event.stop()
        await self.follow()
        self._explain()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say what the field is."""
        self._explain()

    def _explain(self) -> None:
        focused = self.screen.focused
        node = focused
        while node is not None and not isinstance(node, Field | Heading):
            node = node.parent if node is not self else None  # type: ignore[assignment]
        if isinstance(node, Field):
            entry = node.entry
            about = " · ".join(part for part in (entry.help, entry.hint) if part)
            self.post_message(self.Explained(f"{entry.label.lower()}: {about}" if about else ""))
        elif isinstance(node, Heading):
            self.post_message(self.Explained("space opens and closes"))


def out_of_reach(task: Task, truncation: Truncation) -> str:
    """What the task puts beyond every reach of its answers' credit; empty if nothing always is."""
    memory = task.memory()
    if memory is None:
        return ""
    answered = memory.answered - 1
    start = next(w.start for w in windows(task.timesteps, truncation) if answered < w.stop) + 1
    if memory.told >= start:
        return ""
    span = f"1–{memory.told:,}" if memory.told > 1 else "1"
    one_loss = len(task.loss_steps()) == 1
    where = "that" if one_loss else f"step {start:,}, where the answer's credit ends"
    return f"{memory.what} ({span}) always lies before {where}"
