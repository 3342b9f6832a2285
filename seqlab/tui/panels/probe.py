"""Panel 4: the probe sequence, in the way that its task asks for.

A task of symbols shows them, one that asks for a single number after two channels shows the marked numbers,
and every other one shows curves.
"""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from seqlab.spec.schema import Spec
from seqlab.tui.panels.base import READING, Panel
from seqlab.tui.panels.forecast import forecast_plot, forecast_words
from seqlab.tui.panels.marked import sum_lines, sum_of, sum_plot, verdict
from seqlab.tui.panels.moment import Moment
from seqlab.tui.panels.numbers import probe_numbers
from seqlab.tui.panels.rival import HUE
from seqlab.tui.panels.symbols import symbol_lines, symbols_of
from seqlab.tui.widgets.lineplot import LinePlot, PlotData

Kind = Literal["symbols", "marked", "curve"]

_LEAST_PLOT = 6
"""Rows below which a plot under the words is not worth its place."""


def kind_of(spec: Spec) -> Kind:
    """How a task's sequences are shown, by their shape."""
    if spec.task.signs() is not None:
        return "symbols"
    return "marked" if spec.task.features == 2 and len(spec.task.loss_steps()) == 1 else "curve"


class ProbePanel(Panel):
    """What the network makes of one fixed sequence."""

    number = 4
    label = "probe"

    def __init__(self) -> None:
        super().__init__()
        self.words = Static("", markup=False)
        self.plot = LinePlot(PlotData(empty=READING))

    def compose(self) -> ComposeResult:
        """Words above, curves below; either may be missing."""
        yield self.words
        yield self.plot

    def depends_on(self, moment: Moment) -> object:
        """The frame, the forecast's score, the rival, and before the first frame what goes on."""
        snapshot = moment.snapshot
        known = moment.frame is not None and snapshot.probe is not None
        scored = len(moment.metric("eval/forecast") or ())
        waiting = "" if known else moment.waiting_for_probe("")
        return moment.frame_step, known, scored, snapshot.rival, waiting

    def draw(self, moment: Moment) -> None:
        """Draw the sequence."""
        snapshot = moment.snapshot
        kind = kind_of(snapshot.spec)
        width, height = self.content_size
        if moment.frame is None or snapshot.probe is None:
            self._lay_out([], PlotData(empty=moment.waiting_for_probe("the probe sequence")))
            self.head("Probe sequence")
        elif kind == "symbols" and (symbols := symbols_of(moment)) is not None:
            self._lay_out(symbol_lines(symbols, width, height, self.plot.palette), None)
            self.head("Probe sequence", Content.styled(symbols.score, "$muted"))
        elif kind == "marked" and (found := sum_of(moment)) is not None:
            lines = sum_lines(found, width, self.plot.palette)
            roomy = height >= len(lines) + 1 + _LEAST_PLOT
            self._lay_out([*lines, Content("")] if roomy else lines, sum_plot(found) if roomy else None)
            self.head(
                "Probe sequence",
                Content.styled("output at each step; the last one counts", "$muted") if roomy else "",
            )
        else:
            words = forecast_words(moment, width)
            plot = forecast_plot(moment, self.plot.palette.mark(HUE))
            self._lay_out([words] if words.cell_length and height > _LEAST_PLOT else [], plot)
            self.head("Probe sequence", self.plot.legend())

    def _lay_out(self, lines: list[Content], plot: PlotData | None) -> None:
        """Set words and plot. Their sizes change only when they have to: that lays out everything anew."""
        if self.words.display != bool(lines):
            self.words.display = bool(lines)
        if self.plot.display != (plot is not None):
            self.plot.display = plot is not None
        height = self.words.styles.height
        if lines and (height is None or height.value != len(lines)):
            self.words.styles.height = len(lines)
        if lines:
            self.words.update(Content("\n").join(lines), layout=False)
        if plot is not None:
            self.plot.show(plot)

    def numbers(self, moment: Moment) -> str:
        """Input, target and output of the first probe sequence."""
        return probe_numbers(moment)

    def strip(self, moment: Moment, width: int) -> Content:
        """The outcome alone."""
        snapshot = moment.snapshot
        if moment.frame is None or snapshot.probe is None:
            return Content(moment.waiting_for_probe("the probe sequence"))
        kind = kind_of(snapshot.spec)
        if kind == "symbols" and (symbols := symbols_of(moment)) is not None:
            return Content(symbols.score)
        if kind == "marked" and (found := sum_of(moment)) is not None:
            return verdict(found, width)
        return forecast_words(moment, width)
