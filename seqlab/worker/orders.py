"""What viewers ask of a run: their commands, obeyed between steps, or refused with a reason."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.runs.control import Command, Inbox
from seqlab.runs.layout import RunError
from seqlab.runs.record import events
from seqlab.runs.writer import RunWriter
from seqlab.worker.changes import Changes
from seqlab.worker.rival import Rivalry

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer
    from seqlab.worker.recorder import Recorder

EVERY = 0.02
"""Seconds between two looks for commands: below what a person notices, and nothing beside training."""


class Orders:
    """The commands of one run.

    Args:
        inbox: where they come in.
        writer: writes the run's events and status.
        changes: makes what is to be changed.
        rivalry: the run's rival.

    Attributes:
        inbox: see above.
        stop: whether the run is to stop.
        paused: whether it is paused.
        single: whether it is to make a single step though it is paused.
    """

    def __init__(self, inbox: Inbox, writer: RunWriter, changes: Changes, rivalry: Rivalry) -> None:
        self.inbox = inbox
        self._writer = writer
        self._changes = changes
        self._rivalry = rivalry
        self._next_look = 0.0
        self.stop = self.paused = self.single = False

    @property
    def waiting(self) -> bool:
        """Whether no step is to be made now."""
        return self.paused and not self.single

    def look(self, trainer: Trainer, recorder: Recorder, now: float) -> None:
        """Obey what has come, if it is time for a look.

        Raises:
            RunError: the run's folder is gone.
        """
        if not self._is_time(now):
            return
        for command in self.inbox.poll():
            refused = command.refused or self._obey(trainer, recorder, command)
            if refused:
                self._writer.event(
                    "refused", step=trainer.step, command=command.command, field=command.field, why=refused
                )
            self.inbox.done(command)

    def stop_asked(self) -> bool:
        """Whether the run is to stop, before it trains; other commands are left until it does.

        Raises:
            RunError: the run's folder is gone.
        """
        if self._is_time(time.perf_counter()):
            for command in self.inbox.poll():
                if command.command == "stop":
                    self.stop = True
                    self.inbox.done(command)
        return self.stop

    def refuse_all(self, step: int) -> bool:
        """Refuse what has come for a run that is over; returns whether it was told to stop, even so."""
        for command in self.inbox.poll():
            if command.command == "stop":
                self.stop = True
            elif command.command != "rival":  # nobody has to know that there is none
                why = command.refused or "the run is over"
                self._writer.event(
                    "refused", step=step, command=command.command, field=command.field, why=why
                )
            self.inbox.done(command)
        return self.stop

    def made_a_step(self, trainer: Trainer, recorder: Recorder) -> None:
        """Be paused again after a single step."""
        if self.single:
            self.single = False
            self._show_paused(trainer, recorder)

    def _is_time(self, now: float) -> bool:
        if now < self._next_look:
            return False
        self._next_look = now + EVERY
        folder: Path = self._writer.folder
        if not folder.exists():
            raise RunError(f"{folder}: is gone, so there is nowhere to write")
        return True

    def _obey(self, trainer: Trainer, recorder: Recorder, command: Command) -> str:
        """Obey a command; returns why not, if not."""
        if command.command == "stop":
            self.stop = True
        elif command.command == "pause" and not self.paused:
            self.paused = True
            self._writer.event("paused", step=trainer.step)
            self._show_paused(trainer, recorder)
        elif command.command == "continue" and self.paused:
            self.paused = False
            recorder.restart_rate()
            self._writer.event("continued", step=trainer.step)
            self._writer.set_status(state="training")
        elif command.command == "step":
            if not self.paused:
                return "only a paused run can make a single step"
            self.single = True
            recorder.restart_rate()
            self._writer.set_status(state="training")
        elif command.command == "set":
            why_not = self._changes.make(trainer, str(command.field), command.value)
            if self.paused and not why_not:
                recorder.live(now=True)  # under another truncation it looks different
            return why_not
        elif command.command == "rival" and not any(events(self._writer.folder, "rival")):
            return self._rivalry.begin()
        return ""

    def _show_paused(self, trainer: Trainer, recorder: Recorder) -> None:
        recorder.live(now=True)
        self._writer.set_status(state="paused", step=trainer.step)
