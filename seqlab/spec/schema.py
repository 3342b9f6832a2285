"""What to run: the spec, as pydantic models built from the registries.

A spec names a task, a model, how it is trained, and what is claimed of it. Validated and resolved (every
default filled in) it determines a run to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, Union, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from seqlab.cells import CELLS, Cell
from seqlab.cells.base import Part
from seqlab.choices import Choice
from seqlab.methods import CLIPS, LOSSES, OPTIMIZERS, SCHEDULES, Clip, Loss, Optimizer, Schedule
from seqlab.methods.clipping import NormClip
from seqlab.methods.optimizers import Adam
from seqlab.methods.schedules import Constant
from seqlab.spec.credit import Truncation
from seqlab.spec.misfits import misfits
from seqlab.tasks import TASKS, Rung, Task

SCHEMA_VERSION = 1

if TYPE_CHECKING:
    AnyTask: TypeAlias = Task
    AnyCell: TypeAlias = Cell
    AnyOptimizer: TypeAlias = Optimizer
    AnySchedule: TypeAlias = Schedule
    AnyClip: TypeAlias = Clip
else:

    def _one_of(registry: Iterable[type[Choice]], discriminator: str) -> Any:
        return Annotated[Union[tuple(registry)], Field(discriminator=discriminator)]  # noqa: UP007

    AnyTask = _one_of(TASKS.values(), "name")
    AnyCell = _one_of(CELLS.values(), "cell")
    AnyOptimizer = _one_of(OPTIMIZERS.values(), "name")
    AnySchedule = _one_of(SCHEDULES.values(), "kind")
    AnyClip = _one_of(CLIPS.values(), "kind")


CHOICES: dict[tuple[str, ...], Mapping[str, type[Choice]]] = {
    ("task", "name"): TASKS,
    ("model", "cell"): CELLS,
    ("training", "optimizer", "name"): OPTIMIZERS,
    ("training", "schedule", "kind"): SCHEDULES,
    ("training", "clip", "kind"): CLIPS,
}
"""The fields that select what else their table holds, and what they select from."""

Metric: TypeAlias = Literal[
    "train/loss",
    "train/grad_norm",
    "train/clipped",
    "train/lr",
    "eval/loss",
    "eval/accuracy",
    "eval/forecast",
    "eval/free_accuracy",
    "probe/gradient_first",
    "probe/gradient_last",
    "probe/gradient_ratio",
    "probe/credit_ratio",
]
METRICS: tuple[str, ...] = get_args(Metric)
"""Every metric that a row can hold, where it applies and when it is due."""


class Section(BaseModel):
    """Base of the spec's tables."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)


def _share_of_steps(parts: int) -> Any:
    """A default of ceil(steps / parts), worked out once `steps` is known."""
    return lambda data: -(-data.get("steps", 1) // parts)


class Stop(Section):
    """Early stopping: the run ends when a metric has not improved for a number of evaluations.

    It looks at every evaluation that `eval_every` makes due, but not at one that only the end of a run
    brings.
    """

    metric: Literal["", Metric] = Field(
        "",
        description="stop early when this has stopped to improve",
        json_schema_extra={"zero": "off"},
    )
    patience: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="how many in a row may be no better",
        json_schema_extra={"unit": "evaluations"},
    )
    min_delta: float = Field(
        0.0, ge=0.0, le=1e9, description="what is better by no more than this is no better"
    )

    @property
    def upwards(self) -> bool:
        """Whether more is better, as it is for accuracies alone."""
        return self.metric in ("eval/accuracy", "eval/free_accuracy")


class Training(Section):
    """How the model is trained.

    What happens to the gradient of a batch's loss, in order: its norm is taken, which is `train/grad_norm`;
    it is clipped; `l2` and `l1` are added, as PyTorch adds weight decay to every parameter, biases too, in
    its optimisers and so after clipping; gradient noise is added; the optimiser makes the update. The loss
    that is reported is that of the data alone.
    """

    steps: int = Field(2_000, ge=1, le=1_000_000_000, description="updates of the weights, a batch each")
    batch_size: int = Field(
        32, ge=1, le=65_536, description="in each batch", json_schema_extra={"unit": "sequences"}
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="draws the weights and the training data")
    truncation: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="cut the gradient every so many steps",
        json_schema_extra={"unit": "timesteps", "zero": "full BPTT"},
    )
    stride: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="losses of every so many steps go back together, through `window` steps (k1)",
        json_schema_extra={"unit": "timesteps", "zero": "as truncation says"},
    )
    window: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="how far the losses of every `stride` steps go back (k2), at least `stride`",
        json_schema_extra={"unit": "timesteps", "zero": "as truncation says"},
    )
    at_walls: Literal["carry", "reset"] = Field(
        "carry",
        description="whether the state is carried into the next window in training, or starts from zero",
    )
    update: Literal["sequence", "window"] = Field(
        "sequence", description="one update for the whole sequence, or one after each window"
    )
    precision: Literal["float32", "float64"] = Field(
        "float32", description="float64 is for exactness work, and slower"
    )
    loss: Literal["", "mse", "mae", "huber", "cross_entropy", "binary_cross_entropy"] = Field(
        "",
        description="what is made small, if not the task's own loss",
        json_schema_extra={"zero": "the task's own"},
    )
    optimizer: AnyOptimizer = Field(default_factory=Adam, description="how a gradient becomes an update")
    schedule: AnySchedule = Field(
        default_factory=Constant, description="how the learning rate goes over the run"
    )
    clip: AnyClip = Field(default_factory=NormClip, description="how large gradients are held back")
    l1: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="times the sign of each parameter, added to its gradient",
        json_schema_extra={"zero": "none"},
    )
    l2: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="times each parameter, added to its gradient: PyTorch's weight_decay",
        json_schema_extra={"zero": "none"},
    )
    gradient_noise: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="variance η of noise on the gradient, η/(1+n)^0.55 at update n (Neelakantan 2015)",
        json_schema_extra={"zero": "none"},
    )
    stop: Stop = Field(default_factory=Stop, description="when to stop early")
    log_every: int = Field(
        default_factory=_share_of_steps(2_000),
        ge=1,
        description="a row of metrics",
        json_schema_extra={"unit": "steps"},
    )
    eval_every: int = Field(
        default_factory=_share_of_steps(20),
        ge=1,
        description="an evaluation",
        json_schema_extra={"unit": "steps"},
    )
    frame_every: int = Field(
        default_factory=_share_of_steps(100),
        ge=1,
        description="a kept frame",
        json_schema_extra={"unit": "steps"},
    )
    checkpoint_every: int = Field(
        default_factory=lambda data: data.get("frame_every", _share_of_steps(100)(data)),
        ge=1,
        description="a kept checkpoint",
        json_schema_extra={"unit": "steps"},
    )
    eval_sequences: int = Field(
        1_024,
        ge=1,
        le=1_000_000,
        description="in the held-out split, the same for every seed",
        json_schema_extra={"unit": "sequences"},
    )

    defaults: ClassVar[dict[str, tuple[str, str]]] = {
        "optimizer": ("name", "adam"),
        "schedule": ("kind", "constant"),
        "clip": ("kind", "norm"),
    }
    """A table that leaves out its discriminator means these."""

    @property
    def cut(self) -> Truncation:
        """`truncation`, or (stride, window), as `seqlab.spec.credit` takes it."""
        return (self.stride, self.window) if self.stride else self.truncation

    @model_validator(mode="after")
    def _one_way_to_truncate(self) -> Training:
        if (self.stride > 0) != (self.window > 0):
            raise ValueError("stride and window go together: set both, or truncation instead of both")
        if self.stride and self.truncation:
            raise ValueError("truncation is stride = window in one: set it, or stride and window, not both")
        if self.window < self.stride:
            raise ValueError(f"window {self.window} is shorter than stride {self.stride}: at least as long")
        return self

    @field_validator("optimizer", "schedule", "clip", mode="before")
    @classmethod
    def _default_choice(cls, value: Any, info: ValidationInfo) -> Any:
        discriminator, choice = cls.defaults[str(info.field_name)]
        return {discriminator: choice, **value} if isinstance(value, dict) else value


class RungLimit(Section):
    """A limit given as a multiple of a rung, as measured on the run's own eval split."""

    rung: str = Field(description="the rung's name")
    times: float = Field(1.0, gt=0.0, le=1e6, description="what it is multiplied by")


class Claim(Section):
    """What an experiment claims: a limit for a metric, or the state in which the run ends."""

    metric: str | None = Field(None, description="a metric of the run, such as eval/loss")
    state: Literal["finished", "diverged"] | None = Field(None, description="the state in which the run ends")
    below: float | RungLimit | None = Field(None, description="the metric is below this")
    above: float | RungLimit | None = Field(None, description="the metric is above this")
    at: Literal["end", "best"] = Field(
        "end", description="at the last row, or at the row with the best eval/loss"
    )
    seeds: Annotated[tuple[int, int], Field(strict=False, description="[k, n]: holds in k of n seeds")] = (
        1,
        1,
    )
    why: str = Field("", description="why it should hold")

    @model_validator(mode="after")
    def _is_one_claim(self) -> Claim:
        if (self.metric is None) == (self.state is None):
            raise ValueError("a claim names either a metric or a state")
        if self.metric is not None and (self.below is None) == (self.above is None):
            raise ValueError("a claim about a metric says either below or above")
        if self.state is not None and (self.below is not None or self.above is not None):
            raise ValueError("a claim about a state has no limit")
        if not 1 <= self.seeds[0] <= self.seeds[1] <= 1_000:
            raise ValueError(f"seeds: {list(self.seeds)} should be [k, n] with 1 <= k <= n <= 1000")
        return self

    def in_words(self) -> str:
        """Such as `eval/loss below 0.01, in 3 of 3 seeds`; it speaks of the end unless it says when."""
        held, of = self.seeds
        seeds = f", in {held} of {of} seeds" if of > 1 else ""
        if self.metric is None:
            return f"ends {self.state}{seeds}"
        side, limit = ("below", self.below) if self.below is not None else ("above", self.above)
        if isinstance(limit, RungLimit):
            words = (
                f"the {limit.rung} rung" if limit.times == 1 else f"{limit.times:g} × the {limit.rung} rung"
            )
        else:
            words = f"{limit:g}"
        at = "" if self.at == "end" else " at its best"
        return f"{self.metric} {side} {words}{at}{seeds}"


class Fork(Section):
    """Where a run comes from that goes on with the weights of another."""

    run: str = Field(min_length=1, max_length=255, description="the name of the run that it goes on from")
    step: int = Field(ge=0, le=1_000_000_000, description="the step of that run whose weights it begins with")


class Spec(Section):
    """A whole experiment. See `seqlab schema` for every field."""

    schema_version: Literal[1] = 1
    title: str = Field("", max_length=200, description="one line")
    about: str = Field("", max_length=10_000, description="what to watch in which panel, and why it happens")
    task: AnyTask
    model: AnyCell
    training: Training = Field(default_factory=Training)
    expect: tuple[Claim, ...] = Field((), strict=False, description="what this experiment claims")
    fork: Fork | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="the run and step that it goes on from; `seqlab fork` writes it",
    )

    @field_validator("model", mode="before")
    @classmethod
    def _bidirectional_by_name(cls, value: Any) -> Any:
        """`bilstm` is a `lstm` that is bidirectional, and so for every cell."""
        name = value.get("cell") if isinstance(value, dict) else None
        if not isinstance(name, str) or name in CELLS or name.removeprefix("bi") not in CELLS:
            return value
        if value.get("bidirectional", True) is not True:
            raise ValueError(f"model.bidirectional: false, but {name} is a {name[2:]} in both directions")
        return {**value, "cell": name[2:], "bidirectional": True}

    @model_validator(mode="after")
    def _goes_together(self) -> Spec:
        found = list(misfits(self))
        if found:
            raise ValueError("\n".join(found))
        return self

    def metrics(self) -> tuple[str, ...]:
        """The metrics that rows of this run can hold."""
        without = set()
        if not self.task.judged:
            without.add("eval/accuracy")
        if not self.task.forecast_horizon:
            without.add("eval/forecast")
        if not self.task.encoder_steps:
            without.add("eval/free_accuracy")
        return tuple(name for name in METRICS if name not in without)

    @property
    def loss_name(self) -> str:
        """The loss that training makes small, by its name: the task's own unless the spec names another."""
        return self.training.loss or self.task.loss

    @property
    def loss(self) -> Loss:
        """The loss that training makes small."""
        return LOSSES[self.loss_name]

    def rungs(self, metric: str = "eval/loss") -> tuple[Rung, ...]:
        """The task's rungs of one metric whose formula holds, highest first.

        Formulas are for the task's own loss. Under another one what a rung's predictor loses is still
        measured in the run.
        """
        holds = metric != "eval/loss" or self.loss_name == self.task.loss
        return tuple(rung for rung in self.task.rungs() if rung.metric == metric) if holds else ()

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        sizes = (shape for layer in self.parameter_shapes() for shape in layer.values())
        return sum(int(np.prod(shape)) for shape in sizes)

    @property
    def stacks(self) -> tuple[str, ...]:
        """What stands before the names of weights, of each stack of layers: a decoder has its own."""
        return ("encoder.", "decoder.") if self.task.encoder_steps else ("",)

    def parts(self) -> tuple[tuple[str, Part], ...]:
        """What has weights of its own, in the order of the parameters, each with its stack."""
        return tuple((stack, part) for stack in self.stacks for part in self.model.parts())

    @property
    def seen(self) -> int:
        """How many numbers the readout sees: the top layer's output, and what attention finds."""
        return self.model.width * (2 if self.model.attention else 1)

    def parameter_shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Shapes by name, of each of `parts`, the readout `V [seen, O]`, `d [O]` last.

        With attention the readout has `A [H, H]` as well.
        """
        model, outputs = self.model, self.task.outputs
        parts = [
            model.parameter_shapes(model.inputs_of(part.layer, self.task.features))
            for _, part in self.parts()
        ]
        readout = {"V": (self.seen, outputs), "d": (outputs,)}
        return (*parts, {**readout, **({"A": (model.hidden, model.hidden)} if model.attention else {})})
