"""How a network is trained, as declared choices: losses, optimisers, schedules, clipping, initialisers.

No Numba here: the compiled mathematics of losses and optimisers stands in `seqlab.kernels` under the same
names.
"""

from seqlab.choices import discover
from seqlab.methods.clipping import Clip
from seqlab.methods.initialisers import INITIALISERS
from seqlab.methods.losses import LOSSES, Loss
from seqlab.methods.optimizers import Optimizer
from seqlab.methods.schedules import Schedule

OPTIMIZERS: dict[str, type[Optimizer]] = discover(__name__, Optimizer)
"""Every optimiser by its name."""

SCHEDULES: dict[str, type[Schedule]] = discover(__name__, Schedule)  # type: ignore[type-abstract]
"""Every schedule of the learning rate by its name."""

CLIPS: dict[str, type[Clip]] = discover(__name__, Clip)
"""Every kind of gradient clipping."""

__all__ = [
    "CLIPS",
    "INITIALISERS",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Clip",
    "Loss",
    "Optimizer",
    "Schedule",
]
