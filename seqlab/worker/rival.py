"""The instant rival: an echo state network on a run's own task, fitted beside the training, for the lab.

What it reaches says what a network reaches that learns no weight but those of its readout (Jaeger 2001).
It is fitted by a process of its own, which gives way to training, has no part in it, and ends with it:

    python -m seqlab.worker.rival < SPEC.json

prints what it found as one JSON line, the fields of the event `rival`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqlab.runs.files import decode_row, encode_row
from seqlab.runs.rival import MOST_POINTS
from seqlab.spec import Spec, validate
from seqlab.spec.rival import rival_of

if TYPE_CHECKING:
    from seqlab.training.trainer import Trainer

NICENESS = 5
"""How far it gives way: it gets a quarter of a processor that training wants as well."""
PATIENCE = 60.0
"""Seconds that the worker of a run that is over waits for it: alone it takes about four."""
_GLANCE = 0.1
"""Seconds between two looks whether it is still waited for."""
_LOOK_EVERY = 0.5
"""Seconds between two looks whether the worker is still there."""


class Rivalry:
    """The rival of one run, from the worker's side; its process is ended with the `with` block.

    Args:
        spec: the run's.
        tell: is given what the rival found, in another thread; nothing if it fails.
    """

    def __init__(self, spec: Spec, tell: Callable[[Mapping[str, Any]], object]) -> None:
        self._spec = spec
        self._tell = tell
        self._thread: threading.Thread | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> str:
        """Start the rival, if that was not done already; returns why there is none, if so."""
        if self._thread is not None:
            return ""
        try:
            spec = rival_of(self._spec)
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except ValueError as error:
            return " ".join(str(error).split())
        except OSError as error:
            return f"a process for the rival cannot be started: {error.strerror}"
        request = spec.model_dump_json().encode()
        self._thread = threading.Thread(target=self._listen, args=(self.process, request), name="rival")
        self._thread.start()
        return ""

    def wait(self, enough: Callable[[], bool]) -> None:
        """Wait for the rival, if it was begun, until it is there, or is late, or that is enough."""
        until = time.monotonic() + PATIENCE
        while self._thread is not None and self._thread.is_alive():
            if enough() or time.monotonic() > until:
                return
            self._thread.join(_GLANCE)

    def __enter__(self) -> Rivalry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self._thread is not None:
            self.process.kill()
            self._thread.join()

    def _listen(self, process: subprocess.Popen[bytes], request: bytes) -> None:
        """Hand over the spec, and wait for the answer."""
        answer, _ = process.communicate(request)
        if process.returncode == 0:
            with contextlib.suppress(ValueError):  # a library that prints
                self._tell(decode_row(answer))


def fitted(spec: Spec) -> dict[str, Any]:
    """Train a rival and look at it.

    Args:
        spec: the rival's own.

    Returns:
        The fields of the event `rival`: `spec`, of the rival; `hidden`, its units; `batches` and `rows`, what
        it was fitted to; `seconds` of a processor that this took; `eval/loss`, and `eval/forecast` if there
        is one; and `steps` (from 0) and `said`, what it says of the first probe sequence there: where
        something runs free, the last output before that and the forecast, else every answer; thinned out to
        `MOST_POINTS`, and of several outputs the first.

    Raises:
        ValueError: it ends with something that is not finite.
    """
    from seqlab.training.ridge import trainer_for
    from seqlab.training.trainer import OPTIMIZER

    trainer = trainer_for(spec)
    began = time.process_time()
    while trainer.step < spec.training.steps:
        wrong = trainer.advance().diverged
        if wrong:
            raise ValueError(wrong)
    seconds = time.process_time() - began
    found = trainer.evaluate()
    steps, said = _said(trainer)
    if not np.isfinite([found.loss, found.forecast or 0.0, *said]).all():
        raise ValueError("what it says is not finite")
    exact = float if spec.training.precision == "float64" else np.float32
    forecast = {} if found.forecast is None else {"eval/forecast": exact(found.forecast)}
    return {
        "spec": spec.model_dump(mode="json", exclude_none=True),
        "hidden": spec.model.hidden,
        "batches": trainer.step,
        "rows": int(trainer.state()[f"{OPTIMIZER}rows"][0]),
        "seconds": round(seconds, 3),
        "eval/loss": exact(found.loss),
        **forecast,
        "steps": steps,
        "said": said,
    }


def _said(trainer: Trainer) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Steps of the first probe sequence, and what the network says there."""
    seen, batch = trainer.probe.look().tensors, trainer.probe.batch
    said = seen["outputs"][:, 0]
    if "forecast" in seen:
        said = np.concatenate([said, seen["forecast"][:, 0]])
        steps = np.arange(len(batch.mask) - 1, len(said))
    else:
        steps = np.flatnonzero(batch.mask[:, 0] > 0)
    steps = steps[:: -(-len(steps) // MOST_POINTS)]
    return steps, said[steps]


def _end_without(parent: int) -> None:
    """End this process when the one that started it has ended."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def main() -> None:
    """Fit the rival whose spec comes in; say nothing if that fails."""
    os.nice(NICENESS)
    threading.Thread(target=_end_without, args=(os.getppid(),), daemon=True).start()
    spec = validate(json.load(sys.stdin))
    from seqlab.worker.warmth import tiny_trainer

    tiny = tiny_trainer(spec)  # compiles, or loads, what the fitting takes
    tiny.advance()
    tiny.evaluate()
    try:
        found = fitted(spec)
    except ValueError as error:
        sys.exit(f"the rival failed: {error}")
    sys.stdout.buffer.write(encode_row(found))


if __name__ == "__main__":
    main()
