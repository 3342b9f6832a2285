"""`seqlab export`: write a run in a format of `seqlab.exports`, in a process of its own.

python -m seqlab.export REQUEST
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab import console
from seqlab.exports import FORMATS, export
from seqlab.process import serve
from seqlab.runs.run import Run
from seqlab.runs.tensors import Tensors
from seqlab.spec import Spec, validate


def main(request: str) -> int:
    """Write a run in a format, and say where.

    On stdout stand the files' paths, a line each; or, where a format comes with code that reads them, that
    code.

    Args:
        request: JSON: the folder of the `run`; `to`, the format; the `step` and where `out`, or null.

    Returns:
        0.
    """
    asked = json.loads(request)
    out = None if asked["out"] is None else Path(asked["out"])
    made = export(
        FORMATS[asked["to"]](to=asked["to"]), Run(Path(asked["run"])), asked["step"], out, outputs_of
    )
    for note in made.notes:
        console.say(note)
    for path in made.files:
        if made.snippet:
            console.say(f"written to {path}")
        else:
            console.tell(str(path))
    if made.snippet:
        print(made.snippet, end="")
    return 0


def outputs_of(
    spec: Spec, weights: Tensors, inputs: NDArray[Any], lengths: NDArray[Any] | None
) -> NDArray[np.float32]:
    """What a network says in float32: outputs [T, B, O]. Arguments as in `seqlab.exports.base.Outputs`."""
    from seqlab.training.decoder import new_pass
    from seqlab.training.network import Network

    console.say("comparing with the network's own outputs")
    data = spec.model_dump(exclude_none=True)
    network = Network(validate({**data, "training": {**data["training"], "precision": "float32"}}))
    network.parameters.load_torch(weights)
    work = new_pass(network, inputs.shape[1], len(inputs))
    work.reset()
    outputs: NDArray[np.float32] = work.forward(inputs, 0, lengths).copy()
    return outputs


if __name__ == "__main__":
    serve(main)
