"""The lab's own voice: a sentence or two about what happens, from the numbers on screen and nothing else.

It says which rung the eval loss stands on or below and since which step, on which side of the rival it is,
and where the gradient ends and what that cuts off. It does not judge, hope or guess, and says nothing rather
than something vague.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seqlab.runs.reader import RungValue
from seqlab.tui.panels.gradient import BELOW, Reach, reach_of
from seqlab.tui.panels.loss import LOSS, rungs_of
from seqlab.tui.panels.moment import Moment
from seqlab.tui.widgets.axes import number

ON = 0.05
"""A loss within this share of a rung is said to be on it."""


def voice(moment: Moment, layer: int = 0) -> tuple[str, ...]:
    """What the lab says now: at most one sentence about the loss and one about the gradient.

    Args:
        moment: what is on screen.
        layer: the layer at hand, from 0.
    """
    return tuple(sentence for sentence in (_about_loss(moment), _about_gradient(moment, layer)) if sentence)


def _about_loss(moment: Moment) -> str:
    """Where the eval loss stands between the rungs, and beside the rival."""
    found = moment.metric(LOSS)
    if found is None or not math.isfinite(found.last):
        return ""
    between = _between_rungs(moment, found.values, found.steps)
    beside = _beside_rival(moment, found.values, found.steps)
    return f"{_capital('; '.join(filter(None, (between, beside))))}." if between or beside else ""


def _beside_rival(moment: Moment, values: NDArray[np.float64], steps: NDArray[np.int64]) -> str:
    rival = moment.snapshot.rival
    if rival is None:
        return ""
    below = values < rival.loss
    side, holds = ("below", below) if below[-1] else ("above", values > rival.loss)
    return f"{side} {rival.label} {_since(holds, steps)}" if holds[-1] else f"at {rival.label}"


def _between_rungs(moment: Moment, values: NDArray[np.float64], steps: NDArray[np.int64]) -> str:
    rungs = [rung for rung in rungs_of(moment.snapshot) if rung.height > 0]
    if not rungs:
        return ""
    last = float(values[-1])
    nearest = min(rungs, key=lambda rung: abs(last - rung.height) / rung.height)
    on = np.abs(values - nearest.height) <= ON * nearest.height
    if on[-1]:
        return f"on the rung {_named(nearest)}, within {ON:.0%}, {_since(on, steps)}".replace("5%", "5 %")
    above = [rung for rung in rungs if rung.height > last]
    below = [rung for rung in rungs if rung.height <= last]
    if not above:
        return f"above the rung {_named(below[0])} {_since(values >= below[0].height, steps)}"
    words = f"below the rung {_named(above[-1])} {_since(values < above[-1].height, steps)}"
    return f"{words}, above {_named(below[0])}" if below else words


def _since(holds: NDArray[np.bool_], steps: NDArray[np.int64]) -> str:
    """From which evaluation on it has held without a break."""
    broken = np.flatnonzero(~holds)
    first = int(broken[-1]) + 1 if broken.size else 0
    return f"since step {int(steps[first]):,}"


def _named(rung: RungValue) -> str:
    return f"“{rung.label}”"


def _about_gradient(moment: Moment, layer: int) -> str:
    reach = reach_of(moment)
    gradient, full, credit = (
        moment.tensor(f"layer{layer}/{name}") for name in ("gradient", "gradient_full", "credit")
    )
    if reach is None or gradient is None or full is None or credit is None or not reach.steps.any():
        return ""
    whose = f"layer {layer + 1}'s " if moment.snapshot.spec.model.layers > 1 else ""
    if bad := _not_finite(moment, layer, whose, full):
        return bad
    if reach.without:
        return _ends(reach, whose, float(full[0]))
    if not np.isfinite(credit).all():
        return ""
    if reach.cutting.size:
        return _cut(reach, f" of layer {layer + 1}" if whose else "", credit)
    return _carried(reach, whose, credit, _step_size(moment))


def _not_finite(moment: Moment, layer: int, whose: str, full: NDArray[np.float32]) -> str:
    """Where numbers end, in the states or else in the gradient; "" as long as they do not."""
    names = [state.name for state in moment.snapshot.spec.model.shown(layer)]
    states = [moment.tensor(f"layer{layer}/state/{name}") for name in names]
    bad = np.zeros(len(full), np.bool_)
    for state in states:
        if state is not None:
            bad |= ~np.isfinite(state).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        step = 1 + _step_size(moment) * first
        where = f"from step {step:,} on" if bad[first:].all() else f"at step {step:,}"
        then = "" if np.isfinite(full).any() else ", so the gradient is finite at no step"
        return f"{_capital(whose or 'the ')}state is not finite {where}{then}."
    if not np.isfinite(full).all():
        cause = ": it overflows float32" if np.isinf(full).any() else ""
        return f"{_capital(whose or 'the ')}gradient under full BPTT is not finite{cause}."
    return ""


def _ends(reach: Reach, whose: str, first: float) -> str:
    """Some steps get nothing."""
    none = f"{reach.without:,} of {reach.timesteps:,} steps get none"
    sent = f"full BPTT would send {_short(first)} to step 1" if first else f"full BPTT to step 1 is {BELOW}"
    where = f"ends at the wall at {reach.wall:,}" if reach.wall is not None else "is cut at walls"
    return f"{_capital(whose or 'the ')}gradient {where}: {none}; {sent}."


def _cut(reach: Reach, of: str, credit: NDArray[np.float32]) -> str:
    """Every step gets something, but from its own window alone: how far the last loss would send without."""
    wall = int(reach.cutting[-1])
    walls = "1 wall cuts" if reach.cutting.size == 1 else f"{reach.cutting.size:,} walls cut"
    first = float(credit[0])
    to = f"to step 1{of}"
    sent = f"it would send {_short(first)} {to}" if first else f"what it would send {to} is {BELOW}"
    back = f"the last loss reaches back to step {wall + 1:,}"
    return f"{walls} the gradient: {back}; under full BPTT {sent}."


def _carried(reach: Reach, whose: str, credit: NDArray[np.float32], stride: int) -> str:
    """Nothing is cut: how much of the last loss's credit is left at the first step."""
    credit = credit[: (reach.last - 1) // stride + 1]  # behind it is the other direction's
    seen = np.flatnonzero(credit)
    if not seen.size:
        return ""
    last, step = float(credit[seen[-1]]), 1 + stride * int(seen[-1])
    if step == 1:
        return ""
    head = f"{_capital(whose)}credit of the last loss" if whose else "The last loss's credit"
    if seen[0] > 0:
        kept = 1 + stride * int(seen[0])
        return f"{head} falls from {_short(last)} at step {step:,} to {BELOW} before step {kept:,}."
    first = float(credit[0])
    verb = "falls" if first < last else "grows"
    return f"{head} {verb} from {_short(last)} at step {step:,} to {_short(first)} at step 1."


def _short(value: float) -> str:
    """A size is what matters here: two digits."""
    return number(float(f"{value:.1e}"))


def _step_size(moment: Moment) -> int:
    return moment.frame.time_stride if moment.frame is not None else 1


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
