"""What does not go together in a spec, though each field is right by itself.

Each check gives lines, `where: what is wrong, and what would be right`, and every one is heard, so that all
that is wrong is said at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqlab.cells.esn import ESN
from seqlab.methods import LOSSES
from seqlab.methods.schedules import Cosine
from seqlab.tasks import TASKS

if TYPE_CHECKING:
    from seqlab.spec.schema import Spec


def misfits(spec: Spec) -> Iterator[str]:
    """All that does not go together."""
    for check in CHECKS:
        yield from check(spec)


def _both_directions_need_the_whole_sequence(spec: Spec) -> Iterator[str]:
    """What runs from the end needs to have it."""
    if not spec.model.bidirectional:
        return
    if spec.training.cut:
        yield (
            "model.bidirectional: what runs from the end cannot be cut into windows from the start: "
            "truncation = 0, and neither stride nor window"
        )
    if spec.task.forecast_horizon:
        yield (
            "model.bidirectional: a forecast runs free into a future that the backward direction needs "
            f"to see: task.horizon = 0 instead of {spec.task.forecast_horizon}"
        )


def _a_decoder_needs_the_whole_encoder(spec: Spec) -> Iterator[str]:
    """Attention, and what an encoder and a decoder cannot be."""
    task, model = spec.task, spec.model
    if not task.encoder_steps:
        if model.attention:
            shaped = [name for name, each in TASKS.items() if each.summary.startswith("encoder")]
            yield (
                f"model.attention: {task.name} has no encoder to look back at: false, or a task that "
                f"has one ({', '.join(shaped)})"
            )
        return
    if model.bidirectional:
        yield (
            f"model.bidirectional: the decoder of {task.name} cannot read from the end what it has not "
            "said yet: false"
        )
    if spec.training.cut:
        yield (
            f"training.truncation: {task.name} has an encoder, which only the decoder's losses teach: "
            "truncation = 0, and neither stride nor window"
        )


def _claims_can_be_checked(spec: Spec) -> Iterator[str]:
    """Claims about metrics and rungs that there are."""
    rungs = {(rung.metric, rung.name) for rung in spec.task.rungs()}
    for number, claim in enumerate(spec.expect, 1):
        if claim.metric is None:
            continue
        known = spec.metrics()
        if claim.metric not in known:
            yield f"expect: claim {number}: {claim.metric!r} is not one of {', '.join(known)}"
            continue
        limit = claim.below if claim.below is not None else claim.above
        if limit is not None and not isinstance(limit, float) and (claim.metric, limit.rung) not in rungs:
            names = ", ".join(name for metric, name in sorted(rungs) if metric == claim.metric)
            yield (
                f"expect: claim {number}: {spec.task.name} has no rung {limit.rung!r} of {claim.metric}"
                + (f"; it has {names}" if names else "")
            )


def _loss_fits_the_targets(spec: Spec) -> Iterator[str]:
    """A loss that means what the task means by outputs."""
    own = LOSSES[spec.task.loss]
    if not spec.loss.fits(own):
        known = ", ".join(name for name, loss in LOSSES.items() if loss.fits(own))
        yield (
            f"training.loss: {spec.loss_name!r} is for {spec.loss.targets}, but the targets of "
            f"{spec.task.name} are {own.targets}: one of {known}"
        )


def _least_squares(spec: Spec) -> Iterator[str]:
    """What a readout in closed form goes with."""
    model, training = spec.model, spec.training
    if not model.closed_form:
        return
    if spec.loss_name != "mse":
        cure = "leave training.loss out" if spec.task.loss == "mse" else "a task with mse"
        yield (
            f"model.cell: the readout of {model.cell} is fitted to values by least squares, but the "
            f"loss here is {spec.loss_name}: {cure}"
        )
    if training.update == "window":
        yield f"training.update: {model.cell} solves for its readout once for each batch: sequence"
    for name in ("l1", "l2", "gradient_noise"):
        if getattr(training, name):
            yield (
                f"training.{name}: {model.cell} solves for its readout, and no gradient is followed: 0; "
                "model.ridge holds its weights back"
            )
    last = int(spec.task.loss_steps()[-1]) + 1
    if isinstance(model, ESN) and model.washout >= last:
        yield (
            f"model.washout: {model.washout} drops all steps up to the last one with a loss, {last}, so "
            f"nothing is left to fit to: below {last}"
        )


def _learning_rate_comes_down(spec: Spec) -> Iterator[str]:
    """The cosine has its least at its end."""
    schedule, lr = spec.training.schedule, spec.training.optimizer.lr
    if isinstance(schedule, Cosine) and schedule.lr_min > lr:
        yield (
            f"training.schedule.lr_min: {schedule.lr_min:g} is above the learning rate that it should be "
            f"the least of: at most {lr:g}"
        )


def _stops_on_a_metric_it_has(spec: Spec) -> Iterator[str]:
    """A metric that rows of this run hold."""
    metric = spec.training.stop.metric
    if metric and metric not in spec.metrics():
        yield (
            f"training.stop.metric: a run of {spec.task.name} has no {metric!r}: "
            f"one of {', '.join(spec.metrics())}"
        )


CHECKS = (
    _both_directions_need_the_whole_sequence,
    _a_decoder_needs_the_whole_encoder,
    _claims_can_be_checked,
    _loss_fits_the_targets,
    _least_squares,
    _learning_rate_comes_down,
    _stops_on_a_metric_it_has,
)
"""In the order in which they are said."""
