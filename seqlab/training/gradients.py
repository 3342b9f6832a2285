"""What happens to a gradient between the backward pass and the optimiser: clipping, and what a spec adds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels import optimizers
from seqlab.methods import Clip
from seqlab.methods.clipping import LayerClip, NormClip, ValueClip
from seqlab.methods.noise import gradient_noise
from seqlab.spec import Spec, Training


def layers_of(spec: Spec, vector: NDArray[Any]) -> list[NDArray[Any]]:
    """Views of a flat vector in the form of the parameters: of each layer, in all directions; the readout."""
    *parts, readout = (sum(map(math.prod, shapes.values())) for shapes in spec.parameter_shapes())
    sizes: dict[tuple[str, int], int] = defaultdict(int)
    for (stack, part), size in zip(spec.parts(), parts, strict=True):
        sizes[stack, part.layer] += size
    return np.split(vector, np.cumsum([*sizes.values(), readout])[:-1])


def regularise(training: Training, theta: NDArray[Any], gradient: NDArray[Any], update: int) -> bool:
    """Add to a gradient, in place, l2·θ, l1·sign(θ) and noise, as far as the spec asks for them.

    Args:
        training: says what to add.
        theta: the weights, flat.
        gradient: likewise.
        update: the number of this update, from 1.

    Returns:
        Whether anything was added.
    """
    if not (training.l2 or training.l1 or training.gradient_noise):
        return False
    exact = gradient.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks
        if training.l2:
            gradient += exact(training.l2) * theta
        if training.l1:
            gradient += exact(training.l1) * np.sign(theta)
        if training.gradient_noise:
            noise = gradient_noise(training.gradient_noise, training.seed, update, gradient.size)
            gradient += noise.astype(gradient.dtype)
    return True


def clip_gradient(
    clip: Clip, gradient: NDArray[Any], norm: float, layers: Sequence[NDArray[Any]] = ()
) -> bool:
    """Clip in place.

    Args:
        clip: how.
        gradient: every number of it, flat.
        norm: its norm.
        layers: views of it, layer by layer.

    Returns:
        Whether it was changed.
    """
    if isinstance(clip, LayerClip):
        norms = [float(optimizers.norm(layer)) for layer in layers]
        for layer, own in zip(layers, norms, strict=True):
            if own > clip.limit:
                optimizers.scale(layer, clip.limit / own)
        return max(norms) > clip.limit
    if isinstance(clip, NormClip) and norm > clip.limit:
        optimizers.scale(gradient, clip.limit / norm)
        return True
    if isinstance(clip, ValueClip) and np.abs(gradient).max() > gradient.dtype.type(clip.limit):
        optimizers.clamp(gradient, clip.limit)
        return True
    return False
