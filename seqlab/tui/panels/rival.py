"""The instant rival in words and as a line: what an echo state network reaches on the run's own task."""

from __future__ import annotations

from seqlab.runs.rival import Rival
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.lineplot import Level

HUE = 1
"""Of everything that the rival draws."""


def rival_level(rival: Rival) -> Level:
    """Its line across the loss plot: `ESN 200, fitted in 0.4 s`."""
    return Level(rival.loss, f"{rival.label}, fitted in {took(rival)}", HUE)


def took(rival: Rival) -> str:
    """How long the fitting of its readout took."""
    return f"{rival.seconds:.1f} s" if rival.seconds >= 0.05 else "under 0.1 s"


def rival_words(rival: Rival) -> str:
    """What it is and what it reached, for the help."""
    batches = "the run's first batch" if rival.batches == 1 else f"the run's first {rival.batches:,} batches"
    losses = f"eval/loss {number(rival.loss)}"
    if rival.forecast is not None:
        losses += f", eval/forecast {number(rival.forecast)}"
    return (
        f"Rival: an echo state network of {rival.hidden:,} random units, its readout fitted to the "
        f"{rival.rows:,} answers of {batches} in {took(rival)}: {losses}"
    )
