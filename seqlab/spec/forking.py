"""The spec of a fork: a run that goes on with another's weights, on the same data, with something changed.

What may change is what leaves the weights and the data as they are. So the task is fixed, and the seed and
the batch size, which draw the batches; the model, which gives the weights their meaning, but for dropout,
which has none; and the precision that they have. All the rest may change: how gradients are cut, clipped and
turned into updates, the loss, how long, and what is written down how often. An optimiser of the same kind
goes on with what it has gathered, one of another kind begins afresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seqlab.spec.files import Note, load_spec
from seqlab.spec.problems import Path, Problem, SpecError
from seqlab.spec.schema import Fork, Spec

_WEIGHTS, _DATA = "the same weights", "the same data"
_FIXED: Mapping[Path, str] = {
    ("task",): _DATA,
    ("model",): _WEIGHTS,
    ("training", "seed"): _DATA,
    ("training", "batch_size"): _DATA,
    ("training", "precision"): _WEIGHTS,
}
"""What a fork has in common with its origin, and why."""
_FREE: frozenset[Path] = frozenset({("model", "dropout")})


def fork_of(
    origin: Spec, run: str, step: int, what: Spec | Iterable[str] = (), note: Note | None = None
) -> Spec:
    """The spec of a fork.

    Args:
        origin: the spec in force at that step of the run that it goes on from.
        run: the name of that run.
        step: see above.
        what: the fork's own spec, or what it overrides, texts like `training.truncation=5`. Claims are made
            for whole runs: of the origin's none is taken over.
        note: is told in words what an override reset.

    Raises:
        SpecError: with every problem.
    """
    if isinstance(what, Spec):
        spec = what
    else:
        spec = load_spec(
            origin.model_dump(mode="json", exclude={"expect", "fork"}, exclude_none=True), what, note
        )
    spec = spec.model_copy(update={"fork": Fork(run=run, step=step)})
    problems = list(misfits_of_fork(origin, spec))
    if spec.training.steps <= step:
        words = f"{spec.training.steps:,}, but the fork begins at step {step:,}: above that"
        problems.append(Problem(("training", "steps"), words))
    if problems:
        raise SpecError(problems)
    return spec


def misfits_of_fork(origin: Spec, spec: Spec) -> Iterator[Problem]:
    """What a fork's spec cannot have otherwise than its origin's.

    Args:
        origin: the spec of the run that it goes on from.
        spec: the fork's.
    """
    if origin.model.closed_form:
        what = (
            f"{origin.model.cell} solves for its readout anew at every step: there is nothing to go on with"
        )
        yield Problem(("model", "cell"), f"{what}; seqlab run trains it with another spec at once")
        return
    before, after = origin.model_dump(mode="json"), spec.model_dump(mode="json")
    for path, common in _FIXED.items():
        for inner in _differing(_at(before, path), _at(after, path), path):
            if inner not in _FREE:
                yield Problem(inner, f"a fork goes on with {common}, so {_said(before, inner)}")


def _differing(before: Any, after: Any, path: Path) -> Iterator[Path]:
    """The paths of all that differs; of a table that is another kind of table, only that it is."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield path
        return
    first = next((key for key in ("name", "cell") if before.get(key) != after.get(key)), None)
    for key in [first] if first else before:
        yield from _differing(before[key], after.get(key), (*path, key))


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _said(data: Any, path: Path) -> str:
    value = _at(data, path)
    return f"it stays {value!r}" if isinstance(value, str) else f"it stays {value}"
