"""How one step of training is laid out: slices of the batch, and every buffer that a pass through them needs.

The number of slices depends on the cell, H, B and T alone, never on the machine, so that the same spec
gives the same bits whatever the number of threads. The buffers are listed here rather than where they are
allocated so that the memory of a step is known, exactly, before anything is compiled.
"""

from __future__ import annotations

import itertools
import math

from seqlab.spec.credit import windows
from seqlab.spec.schema import Spec

PROBE_SEQUENCES = 8
"""How many sequences the probe follows."""

_SMALLEST_SLICE = 8
"""Sequences: below that a product is too thin for the processor's vector units."""
_FULL_SLICE = 32
"""Sequences with which it is as fast as it gets."""
_WORTH_A_THREAD = 8_000_000
"""Multiply-adds of h U in a forward pass, with which a step takes about a millisecond: below that, a thread
costs more than it gives."""

Key = tuple[str | int, ...]
Shape = tuple[int, ...]


def slices(spec: Spec) -> tuple[tuple[int, int], ...]:
    """(start, stop) of each slice of a batch, in order."""
    model, batch = spec.model, spec.training.batch_size
    work = spec.task.timesteps * batch * len(model.gates) * model.hidden**2
    # Two, as most machines can make use of two; more where they stay full.
    count = max(1, min(4, max(2, batch // _FULL_SLICE), batch // _SMALLEST_SLICE, work // _WORTH_A_THREAD))
    edges = [batch * n // count for n in range(count + 1)]
    return tuple(itertools.pairwise(edges))


def longest_window(spec: Spec) -> int:
    """The timesteps for which a training pass keeps what it needs to go back."""
    cut = windows(spec.task.timesteps, spec.training.cut)
    return max(window.stop - window.start for window in cut)


def pass_numbers(spec: Spec, batch: int, window: int) -> int:
    """How many numbers the buffers hold of what takes sequences through a network; see `pass_buffers`."""
    encoder = spec.task.encoder_steps
    stacks = [
        pass_buffers(spec, batch, steps) for steps in ((encoder, window - encoder) if encoder else (window,))
    ]
    if encoder:
        stacks.append({("y",): (window, batch, spec.task.outputs)})
    if spec.model.attention:
        stacks.append(
            {(name,): shape for name, shape in attention_buffers(spec, batch, window - encoder).items()}
        )
    return sum(math.prod(shape) for shapes in stacks for shape in shapes.values())


def attention_buffers(spec: Spec, batch: int, window: int) -> dict[str, Shape]:
    """Shapes of what attention needs for `window` steps, by their names in `seqlab.kernels.attention`."""
    H, S = spec.model.hidden, spec.task.encoder_steps
    both = (window, batch, 2 * H)
    return {
        "weights": (window, batch, S),
        "queries": (window, batch, H),
        "joined": both,
        "djoined": both,
        "dseen": (S, batch, H),
        "slopes": (S,),
        "dquery": (H,),
    }


def pass_buffers(spec: Spec, batch: int, window: int) -> dict[Key, Shape]:
    """Shapes of all buffers of a pass of `batch` sequences through windows of `window` timesteps of a stack.

    Keys are ("y",), ("dy",), ("scratch", n) of the readout; for each part of the model (part, what, n) with
    what one of packed, carried, record, scratch, dh and carry, as the kernels know them; and (what, layer),
    where a layer's output is more than a state, with what one of out and dout, and in a second direction
    x_back and dx_back.
    """
    model, task = spec.model, spec.task
    outputs, state, whole = (window, batch, task.outputs), (batch, model.hidden), (window, batch, model.width)
    shapes: dict[Key, Shape] = {
        ("y",): outputs,
        ("dy",): outputs,
        ("scratch", 0): (task.outputs, spec.seen),
        ("scratch", 1): (task.outputs, spec.seen),
    }
    for number, part in enumerate(model.parts()):
        features = model.inputs_of(part.layer, task.features)
        groups: dict[str, tuple[Shape, ...]] = {
            "packed": model.packed_shapes(features, below=part.layer > 0),
            "carried": tuple((window + 1, *state) for _ in model.carried_names),
            "record": model.record_shapes(window, batch),
            "scratch": model.scratch_shapes(window, batch),
            "dh": ((window, *state),),
            "carry": tuple(state for _ in model.carried_names),
        }
        for what, members in groups.items():
            shapes.update({(number, what, n): shape for n, shape in enumerate(members)})
        if model.joins(part.layer, task.features):
            shapes.update({("out", part.layer): whole, ("dout", part.layer): whole})
        if part.back:
            below = (window, batch, features)
            sent = below if part.layer else (0, *below[1:])
            shapes.update({("x_back", part.layer): below, ("dx_back", part.layer): sent})
    return shapes


def step_bytes(spec: Spec) -> int:
    """Memory of a training step: weights, gradients, optimiser slots, batches, the passes' buffers."""
    item = 8 if spec.training.precision == "float64" else 4
    parts = slices(spec)
    window = longest_window(spec)
    buffers = sum(pass_numbers(spec, stop - start, window) for start, stop in parts)
    solved = spec.model.closed_form
    vectors = 1 + (0 if solved else len(spec.training.optimizer.slots)) + len(parts)
    factor = 8 * factor_size(spec) ** 2 if solved else 0
    task = spec.task
    batch = task.timesteps * spec.training.batch_size * (task.features + task.outputs + 1)
    # Drawn in float32, some at once, the next ones while these are used; and one in the network's own type.
    drawn = 4 * 2 * task.drawn_together(spec.training.batch_size) * batch
    return item * (buffers + vectors * spec.parameters) + factor + drawn + (item * batch if item > 4 else 0)


def factor_size(spec: Spec) -> int:
    """Columns of what a readout that is solved for is fitted to: states, 1, targets."""
    return spec.seen + 1 + spec.task.outputs


def matrix_operations(spec: Spec) -> int:
    """Floating-point operations in the matrix products of one training step, a product and a sum being two.

    For each layer z = x W + h U, ∂L/∂h = ∂L/∂z Uᵀ, ∂L/∂U = hᵀ ∂L/∂z, ∂L/∂W = xᵀ ∂L/∂z, and, above the lowest,
    whose inputs are just given, ∂L/∂x = ∂L/∂z Wᵀ. The readout's and attention's, which are few, are left out.
    """
    model, task = spec.model, spec.task
    products = sum(
        model.multiplications(model.inputs_of(part.layer, task.features), below=part.layer > 0)
        for part in model.parts()
    )
    return 2 * task.timesteps * spec.training.batch_size * products
