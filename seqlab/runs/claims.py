"""Whether a run, or several seeds of it, did what its spec claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqlab.runs.layout import RunError
from seqlab.runs.reader import Snapshot
from seqlab.runs.run import Run

if TYPE_CHECKING:
    from seqlab.spec.schema import Claim, RungLimit


@dataclass(frozen=True)
class Verdict:
    """One claim over one run.

    Attributes:
        claim: as the spec has it.
        measured: the metric's value (NaN if the run has none), or the state the run is in.
        limit: what it was held against, in words.
        held: whether the claim holds.
    """

    claim: Claim
    measured: float | str
    limit: str
    held: bool


@dataclass(frozen=True)
class Outcome:
    """One claim over several seeds.

    Attributes:
        claim: as the spec has it.
        verdicts: one for each seed that was run.
        needed: in how many of them it must hold: `seeds = [k, n]` asks for k of n, so for ceil(k·N/n) of N.
    """

    claim: Claim
    verdicts: tuple[Verdict, ...]
    needed: int

    @property
    def holds(self) -> int:
        """In how many seeds the claim holds."""
        return sum(verdict.held for verdict in self.verdicts)

    @property
    def met(self) -> bool:
        """Whether that is enough."""
        return self.holds >= self.needed


def verdicts(run: Run | Snapshot) -> list[Verdict]:
    """Judge every claim of the run's spec, in order.

    Raises:
        RunError: a claim needs a rung that the run has not measured.
    """
    snapshot = run if isinstance(run, Snapshot) else run.snapshot()
    return [_verdict(claim, snapshot) for claim in snapshot.spec.expect]


def combine(runs: Sequence[Sequence[Verdict]]) -> list[Outcome]:
    """Join the verdicts of one spec's seeds, claim by claim. `runs[i]` are the verdicts of seed i."""
    outcomes = []
    for of_seeds in zip(*runs, strict=True):
        held, of = of_seeds[0].claim.seeds
        outcomes.append(Outcome(of_seeds[0].claim, of_seeds, needed(held, of, len(of_seeds))))
    return outcomes


def needed(held: int, of: int, seeds: int) -> int:
    """In how many of `seeds` a claim must hold that is made for `held` of `of`: ceil(held·seeds/of)."""
    return -(-held * seeds // of)


def _verdict(claim: Claim, snapshot: Snapshot) -> Verdict:
    if claim.metric is None:
        return Verdict(claim, snapshot.state, f"the run ends {claim.state}", snapshot.state == claim.state)
    measured = _measured(claim.metric, claim.at, snapshot)
    if claim.below is not None:
        limit, words = _limit(claim.below, claim.metric, snapshot)
        return Verdict(claim, measured, f"below {words}", math.isfinite(measured) and measured < limit)
    assert claim.above is not None  # the schema lets no other claim through
    limit, words = _limit(claim.above, claim.metric, snapshot)
    return Verdict(claim, measured, f"above {words}", math.isfinite(measured) and measured > limit)


def _measured(metric: str, at: str, snapshot: Snapshot) -> float:
    """The metric at the end, or at the row of the lowest eval/loss; NaN if there is none."""
    series = snapshot.metrics.get(metric)
    if series is None:
        return math.nan
    if at == "end":
        return series.last
    losses = snapshot.metrics.get("eval/loss")
    if losses is None or np.isnan(losses.values).all():
        return math.nan
    return series.at(int(losses.steps[int(np.nanargmin(losses.values))]))


def _limit(limit: float | RungLimit, metric: str, snapshot: Snapshot) -> tuple[float, str]:
    if isinstance(limit, int | float):
        return limit, f"{limit:g}"
    for rung in snapshot.rungs:
        if (rung.name, rung.metric) == (limit.rung, metric):
            value = limit.times * rung.measured
            times = "" if limit.times == 1 else f"{limit.times:g} × "
            return value, f"{times}{limit.rung} = {value:.4g}"
    raise RunError(f"{snapshot.folder}: has not measured the rung '{limit.rung}' of {metric}")
