"""The status line: what runs, in which state, how far, how fast, and at which learning rate.

To who has gone back to an earlier step it says which one that is, and what the run does meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from textual.content import Content

from seqlab.runs.claims import Verdict, verdicts
from seqlab.runs.harmless import harmless
from seqlab.runs.layout import RunError
from seqlab.runs.liveness import host
from seqlab.runs.reader import Snapshot
from seqlab.spec.steerable import STEPS
from seqlab.tui.panels.moment import Moment, changes
from seqlab.tui.states import look_of
from seqlab.tui.widgets.axes import number
from seqlab.tui.widgets.canvas import shorten

CLIPPED_OVER = 100
"""Rows over which the clipped share is taken."""
LOG_WIDTH = 60
"""Cells for the last line of worker.log."""
_MOST_HOST = 24
_GAP = "   "


def status_line(
    moment: Moment, width: int, asked: str = "", rate_asked: float | None = None, live: str = "end"
) -> Content:
    """The line, in `width` cells: the name is made short, then figures give way, then the short name.

    Args:
        moment: what to say.
        width: cells.
        asked: what the worker was just asked for and has not done yet: "pausing".
        rate_asked: a learning rate that was just asked for.
        live: the key that leads back to the present.
    """
    state, style = state_words(moment) if moment.chosen is None else _back_at(moment)
    if asked:
        state, style = f"{state} · {asked} …", style
    if moment.chosen is None:
        figures = _figures(moment, rate_asked)
    else:
        figures = [(4, f"{live} is live"), *_figures_then(moment, rate_asked)]
    without = [-1, *sorted(rank for rank, _ in figures)]
    gaps = (_GAP, _GAP[1:])
    for dropped, name, gap in product(without, _names(moment), gaps):
        kept = [words for rank, words in figures if rank > dropped]
        right = gap.join([state, *kept])
        if len(name) + len(gap) + len(right) <= width:
            between = " " * (width - len(name) - len(right))
            figures_kept = "".join(gap + each for each in kept)
            return Content.assemble((name, "bold"), between, (state, style), figures_kept)
    return Content.styled(shorten(state, width), style)


def state_words(moment: Moment) -> tuple[str, str]:
    """The state in words, and its style."""
    snapshot, state = moment.snapshot, moment.state
    message = snapshot.status.message
    if state == "training":
        return _looking(state, state)
    if state in ("paused", "stopped"):
        return _looking(state, f"{state} at {moment.step:,} of {snapshot.status.steps:,}")
    if state == "finished":
        return _finished(snapshot)
    if state == "diverged":
        words = message or f"diverged at step {moment.step:,}"
        if not _all_held(_judged(snapshot)):
            return _looking(state, words)
        what, colon, why = words.partition(": ")
        return _looking("finished", f"{what}, as claimed{colon}{why}")
    if state == "failed":
        return _looking(state, f"failed: {message or 'see worker.log'}")
    if state == "lost":
        return _looking(state, lost_words(moment))
    return moment.doing or state, "$accent"


def lost_words(moment: Moment) -> str:
    """`lost: no sign of the worker for 2 min (worker.log: killed)`; how it ended, where the lab saw it."""
    log = f" (worker.log: {shorten(moment.log[-1].strip(), LOG_WIDTH)})" if moment.log else ""
    if moment.exit_code is None:
        return f"lost: no sign of the worker for {ago(moment.snapshot.age)}{log}"
    how = (
        f"was killed by signal {-moment.exit_code}"
        if moment.exit_code < 0
        else f"ended with exit code {moment.exit_code}"
    )
    return f"lost: the worker {how}{log}"


def ago(seconds: float) -> str:
    """A time gone by: `8 s`, `2 min`, `3 h`, `4 days`."""
    for size, unit in ((172_800, "days"), (7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[unit]:,.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(seconds: float) -> str:
    """A time to come as a clock has it: `0:04`, `1:02:30`, `3 days`."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(0, round(seconds))
    if whole >= 172_800:
        return f"{whole / 86_400:,.0f} days"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def clipped_share(moment: Moment) -> float | None:
    """The share of the last rows whose gradient was clipped; None without rows, or without clipping."""
    rows = moment.metric("train/clipped")
    if rows is None or moment.snapshot.spec.training.clip.kind == "none":
        return None
    return float(rows.values[-CLIPPED_OVER:].mean())


def _names(moment: Moment) -> tuple[str, str, str]:
    """What runs: long, shorter, short."""
    spec = moment.snapshot.spec
    length, truncation, training = spec.task.timesteps, moment.truncation, spec.training
    layers = f"{spec.model.layers} × " if spec.model.layers > 1 else ""
    short = f"{spec.task.name} · {spec.model.called} {layers}{spec.model.hidden:,}"
    if 0 < truncation < length:
        shorter = f"{short} · truncation {truncation:,}"
        return f"{shorter} of {length:,}", shorter, short
    if 0 < training.stride < length:
        shorter = f"{short} · every {training.stride:,} back {training.window:,}"
        return f"{shorter} of {length:,}", shorter, short
    return f"{short} · full BPTT over {length:,}", f"{short} · full BPTT", short


def _figures(moment: Moment, rate_asked: float | None) -> list[tuple[int, str]]:
    """(rank, words): the lower the rank, the sooner it gives way."""
    snapshot, status = moment.snapshot, moment.snapshot.status
    found = []
    if moment.state == "finished":
        early = f"{moment.step:,} of " if moment.step < status.steps else ""
        found.append((4, f"{early}{status.steps:,} steps"))
    elif moment.state not in ("paused", "stopped", "diverged"):  # which say the step themselves
        found.append((4, f"step {moment.step:,} of {status.steps:,}"))
    training = moment.state == "training" and status.rate
    if training and status.rate:
        found.append((2, f"{number(float(f'{status.rate:.3g}'))} seq/s"))
        left = (status.steps - moment.step) * snapshot.spec.training.batch_size / status.rate
        found.append((1, f"{clock(left)} left"))
    found += _elsewhere(moment)
    wall = moment.metric("wall")
    if moment.over and wall is not None:
        found.append((2, f"trained {clock(wall.last)}"))
    return [*found, (3, _rate(moment, rate_asked)), *_clipped(moment)]


def _back_at(moment: Moment) -> tuple[str, str]:
    """Which step is shown, to who has gone back."""
    return f"◀ step {moment.at:,} of {moment.snapshot.status.steps:,}", "$warning"


def _figures_then(moment: Moment, rate_asked: float | None) -> list[tuple[int, str]]:
    """The same as `_figures` for a step gone by, and what the run does now."""
    now = state_words(moment)[0].partition(":")[0]
    if moment.state == "training":
        now += f" at {moment.step:,}"
    if rate_asked is not None:
        now += f", lr → {number(rate_asked)}"
    return [(2, now), *_elsewhere(moment), (3, _rate(moment)), *_clipped(moment)]


def _elsewhere(moment: Moment) -> list[tuple[int, str]]:
    """On which machine it trains, if not on this one: then what comes of it over a shared folder may lag."""
    where = moment.snapshot.status.host
    if moment.over or where in ("", host()):
        return []
    return [(3, f"on {harmless(where, _MOST_HOST)}, may lag")]


def _rate(moment: Moment, asked: float | None = None) -> str:
    """`lr 0.001`; where a schedule moves it, that of the last row and the one it starts from."""
    schedule, base = moment.snapshot.spec.training.schedule, number(moment.learning_rate)
    used = moment.metric("train/lr")
    words = f"lr {base}"
    if used is not None and (schedule.kind != "constant" or schedule.warmup):
        words = f"lr {number(float(f'{used.last:.3g}'))} of {base}"
    if asked is not None and asked != moment.learning_rate:
        words += f" → {number(asked)}"
    return words


def _clipped(moment: Moment) -> list[tuple[int, str]]:
    share = clipped_share(moment)
    return [] if share is None else [(0, f"clipped {share:.0%}".replace("%", " %"))]


def _finished(snapshot: Snapshot) -> tuple[str, str]:
    judged = _judged(snapshot)
    if len(judged) == 1 or not _all_held(judged):
        for verdict in judged:
            if not verdict.held or len(judged) == 1:
                return _claim_words(verdict)
    if judged:
        return _looking("finished", f"finished: {len(judged)} claims hold")
    loss = snapshot.metrics.get("eval/loss")
    ended = f": eval loss {number(loss.last)}" if loss is not None and len(loss) else ""
    return _looking("finished", f"finished{ended}")


def _claim_words(verdict: Verdict) -> tuple[str, str]:
    """`✓ finished: 0.0007, below 0.01 as claimed`; the metric is named unless it is the loss."""
    measured = verdict.measured
    if isinstance(measured, str):
        if verdict.held:
            return _looking("finished", "finished, as claimed")
        return _unlike(f"finished, claimed to end {verdict.claim.state}")
    value = (
        number(measured)
        if verdict.claim.metric == "eval/loss"
        else f"{verdict.claim.metric} {number(measured)}"
    )
    if verdict.held:
        return _looking("finished", f"finished: {value}, {verdict.limit} as claimed")
    return _unlike(f"finished: {value}, not {verdict.limit} as claimed")


def _looking(state: str, words: str) -> tuple[str, str]:
    """Words behind the glyph of a state, and its style."""
    look = look_of(state)
    return f"{look.mark} {words}", look.style


def _unlike(words: str) -> tuple[str, str]:
    """The same of a run that is well, but not as was claimed."""
    return f"{look_of('failed').mark} {words}", look_of("paused").style


def _judged(snapshot: Snapshot) -> Sequence[Verdict]:
    """The verdicts; none without claims, or if the run was steered: that makes it another one."""
    if any(event["field"] != STEPS for event in changes(snapshot)):
        return ()
    try:
        return verdicts(snapshot)
    except RunError:
        return ()


def _all_held(judged: Sequence[Verdict]) -> bool:
    return bool(judged) and all(verdict.held for verdict in judged)
