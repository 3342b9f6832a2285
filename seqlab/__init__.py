"""seqlab: a sequence lab. Train a recurrent network and see its gradients and gates.

The public names are loaded when they are first used, so that importing the package costs nothing:

    import seqlab
    spec = seqlab.load_spec("adding-lstm", ["training.steps=1000"])
    run = seqlab.train(spec)
    run.metrics["eval/loss"].values
    other = seqlab.fork(run, 500, ["training.truncation=10"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqlab.runs.follow import fork as fork
    from seqlab.runs.follow import train as train
    from seqlab.runs.run import open_run as open_run
    from seqlab.spec import load_spec as load_spec

    __version__: str

_HOMES = {
    "fork": "seqlab.runs.follow",
    "load_spec": "seqlab.spec",
    "open_run": "seqlab.runs.run",
    "train": "seqlab.runs.follow",
}

__all__ = ["__version__", "fork", "load_spec", "open_run", "train"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("seqlab")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'seqlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
