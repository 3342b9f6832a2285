"""How a network is trained, as declared choices: losses, optimisers, clipping, initialisers. No Numba here.

The compiled mathematics of each stands in `seqlab.kernels` under the same name.
"""

from seqlab.choices import discover
from seqlab.methods.clipping import Clip
from seqlab.methods.initialisers import INITIALISERS
from seqlab.methods.losses import LOSSES, Loss
from seqlab.methods.optimizers import Optimizer

OPTIMIZERS: dict[str, type[Optimizer]] = discover(__name__, Optimizer)
"""Every optimiser by its name."""

CLIPS: dict[str, type[Clip]] = discover(__name__, Clip)
"""Every kind of gradient clipping."""

__all__ = ["CLIPS", "INITIALISERS", "LOSSES", "OPTIMIZERS", "Clip", "Loss", "Optimizer"]
