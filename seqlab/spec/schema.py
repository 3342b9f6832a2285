"""What to run: the spec, as pydantic models built from the registries.

A spec names a task, a model, how it is trained, and what is claimed of it. Validated and resolved (every
default filled in) it determines a run to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, Union

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from seqlab.cells import CELLS, Cell
from seqlab.choices import Choice
from seqlab.methods import CLIPS, LOSSES, OPTIMIZERS, Clip, Loss, Optimizer
from seqlab.methods.clipping import NormClip
from seqlab.methods.optimizers import Adam
from seqlab.tasks import TASKS, Rung, Task

SCHEMA_VERSION = 1

if TYPE_CHECKING:
    AnyTask: TypeAlias = Task
    AnyCell: TypeAlias = Cell
    AnyOptimizer: TypeAlias = Optimizer
    AnyClip: TypeAlias = Clip
else:

    def _one_of(registry: Iterable[type[Choice]], discriminator: str) -> Any:
        return Annotated[Union[tuple(registry)], Field(discriminator=discriminator)]  # noqa: UP007

    AnyTask = _one_of(TASKS.values(), "name")
    AnyCell = _one_of(CELLS.values(), "cell")
    AnyOptimizer = _one_of(OPTIMIZERS.values(), "name")
    AnyClip = _one_of(CLIPS.values(), "kind")


CHOICES: dict[tuple[str, ...], Mapping[str, type[Choice]]] = {
    ("task", "name"): TASKS,
    ("model", "cell"): CELLS,
    ("training", "optimizer", "name"): OPTIMIZERS,
    ("training", "clip", "kind"): CLIPS,
}
"""The fields that select what else their table holds, and what they select from."""


class Section(BaseModel):
    """Base of the spec's tables."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)


def _share_of_steps(parts: int) -> Any:
    """A default of ceil(steps / parts), worked out once `steps` is known."""
    return lambda data: -(-data.get("steps", 1) // parts)


class Training(Section):
    """How the model is trained."""

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
    update: Literal["sequence", "window"] = Field(
        "sequence", description="one update for the whole sequence, or one after each window"
    )
    precision: Literal["float32", "float64"] = Field(
        "float32", description="float64 is for exactness work, and slower"
    )
    optimizer: AnyOptimizer = Field(default_factory=Adam, description="how a gradient becomes an update")
    clip: AnyClip = Field(default_factory=NormClip, description="how large gradients are held back")
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

    defaults: ClassVar[dict[str, tuple[str, str]]] = {"optimizer": ("name", "adam"), "clip": ("kind", "norm")}
    """A table that leaves out its discriminator means these."""

    @field_validator("optimizer", "clip", mode="before")
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


METRICS = (
    "train/loss",
    "train/grad_norm",
    "train/clipped",
    "train/lr",
    "eval/loss",
    "eval/accuracy",
    "eval/forecast",
    "probe/gradient_first",
    "probe/gradient_last",
    "probe/gradient_ratio",
    "probe/credit_ratio",
)
"""Every metric that a row can hold, where it applies and when it is due."""


class Spec(Section):
    """A whole experiment. See `seqlab schema` for every field."""

    schema_version: Literal[1] = 1
    title: str = Field("", max_length=200, description="one line")
    about: str = Field("", max_length=10_000, description="what to watch in which panel, and why it happens")
    task: AnyTask
    model: AnyCell
    training: Training = Field(default_factory=Training)
    expect: tuple[Claim, ...] = Field((), strict=False, description="what this experiment claims")

    @model_validator(mode="after")
    def _claims_can_be_checked(self) -> Spec:
        rungs = {(rung.metric, rung.name) for rung in self.task.rungs()}
        for number, claim in enumerate(self.expect, 1):
            if claim.metric is None:
                continue
            known = self.metrics()
            if claim.metric not in known:
                raise ValueError(f"expect: claim {number}: {claim.metric!r} is not one of {', '.join(known)}")
            limit = claim.below if claim.below is not None else claim.above
            if isinstance(limit, RungLimit) and (claim.metric, limit.rung) not in rungs:
                names = ", ".join(name for metric, name in sorted(rungs) if metric == claim.metric)
                raise ValueError(
                    f"expect: claim {number}: {self.task.name} has no rung {limit.rung!r} of {claim.metric}"
                    + (f"; it has {names}" if names else "")
                )
        return self

    def metrics(self) -> tuple[str, ...]:
        """The metrics that rows of this run can hold."""
        without = set()
        if not self.task.judged:
            without.add("eval/accuracy")
        if not self.task.forecast_horizon:
            without.add("eval/forecast")
        return tuple(name for name in METRICS if name not in without)

    @property
    def loss(self) -> Loss:
        """The task's loss."""
        return LOSSES[self.task.loss]

    def rungs(self, metric: str = "eval/loss") -> tuple[Rung, ...]:
        """The task's rungs of one metric, by formula, highest first."""
        return tuple(rung for rung in self.task.rungs() if rung.metric == metric)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        sizes = (shape for layer in self.parameter_shapes() for shape in layer.values())
        return sum(int(np.prod(shape)) for shape in sizes)

    def parameter_shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Shapes by name, layer by layer, the readout `V [H, O]`, `d [O]` last."""
        model, features = self.model, self.task.features
        layers = [
            model.parameter_shapes(features if layer == 0 else model.hidden) for layer in range(model.layers)
        ]
        outputs = self.task.outputs
        return (*layers, {"V": (model.hidden, outputs), "d": (outputs,)})
