"""Whether what was read of a run fits that run: a folder may hold files of another one, or of nobody's.

Panels rely on shapes, and on counts and classes being such, and draw in the one thread that the screen has.
So a frame or a probe that does not fit counts as empty, and a line says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from seqlab.runs.frames import Frame
from seqlab.runs.tensors import Tensors

if TYPE_CHECKING:
    from seqlab.runs.reader import Snapshot
    from seqlab.spec.schema import Spec

Shape = tuple[int | None, ...]
"""None: any number."""


def fitted(snapshot: Snapshot) -> Snapshot:
    """The snapshot with an empty frame, and without a probe, where they do not fit."""
    problems = []
    frame, probe = snapshot.frame, snapshot.probe
    if frame is not None and (words := misfit(frame, snapshot.spec)):
        frame = emptied(frame)
        problems.append(words)
    if probe is not None and (words := _misfit_of_probe(probe, snapshot.spec)):
        probe = None
        problems.append(f"probe.safetensors is of another run: {words}")
    if not problems:
        return snapshot
    return replace(snapshot, frame=frame, probe=probe, problems=(*snapshot.problems, *problems))


def misfit(frame: Frame, spec: Spec) -> str:
    """What does not fit the run of a spec in a frame; "" if everything does."""
    steps = -(-spec.task.timesteps // frame.time_stride)
    words = _differing(frame.tensors, dict(_of_frame(frame.tensors, spec, steps)))
    words = words or _not_floats(frame.tensors, frame.tensors)
    return f"the frame of step {frame.step:,} is of another run: {words}" if words else ""


def emptied(frame: Frame) -> Frame:
    """The frame with nothing in it."""
    return replace(frame, tensors=MappingProxyType({}))


def _of_frame(tensors: Tensors, spec: Spec, steps: int) -> Iterator[tuple[str, Shape]]:
    """The shapes that tensors of these names have in a frame of so many timesteps."""
    outputs = spec.task.outputs
    yield from (("outputs", (steps, outputs)), ("free", (steps, outputs)))
    yield "forecast", (spec.task.forecast_horizon, outputs)
    for name in tensors:
        _, _, what = name.partition("/")
        if what in ("gradient", "gradient_full", "credit"):
            yield name, (steps,)
        elif what.startswith("state/"):
            yield name, (steps, None)


def _of_probe(spec: Spec) -> Mapping[str, Shape]:
    """The shapes of a probe batch of any number of sequences."""
    steps, outputs = spec.task.timesteps, spec.task.outputs
    return {
        "inputs": (steps, None, spec.task.features),
        "mask": (steps, None),
        "targets": (steps, None) if spec.loss.targets == "classes" else (steps, None, outputs),
        "lengths": (None,),
        "future": (spec.task.forecast_horizon, None, outputs),
    }


def _misfit_of_probe(probe: Tensors, spec: Spec) -> str:
    """What does not fit in a probe batch; "" if everything does."""
    classes = spec.loss.targets == "classes"
    counts = {"lengths": (1, spec.task.timesteps), "targets": (0, spec.task.outputs - 1)}
    if not classes:
        del counts["targets"]
    if words := _differing(probe, _of_probe(spec)) or _not_floats(probe, set(probe) - set(counts)):
        return words
    for name, (least, most) in counts.items():
        found = probe.get(name)
        if found is not None and (found.dtype.kind not in "iu" or found.min() < least or found.max() > most):
            return f"{name} are not all whole numbers from {least} to {most}"
    return ""


def _not_floats(tensors: Tensors, names: Iterable[str]) -> str:
    """The first of these that does not hold numbers as it should; "" if all do."""
    return next((f"{name} is {tensors[name].dtype}" for name in names if tensors[name].dtype.kind != "f"), "")


def _differing(tensors: Tensors, wanted: Mapping[str, Shape]) -> str:
    """The first tensor of another shape, and the one it should have; "" if all are as they should be."""
    for name, shape in wanted.items():
        found = tensors[name].shape if name in tensors else shape
        if len(found) != len(shape) or any(b not in (None, a) for a, b in zip(found, shape, strict=True)):
            should = ", ".join("any" if size is None else f"{size}" for size in shape)
            return f"{name} is {list(found)}, not [{should}]"
        if name in tensors and not tensors[name].size:
            return f"{name} is empty"
    return ""
