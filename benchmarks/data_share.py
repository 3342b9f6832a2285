"""What data cost, as a share of a training step: drawing a batch, and cutting it into slices.

    python -m benchmarks.data_share [PRESET ...]

Timed where it happens, in the steps of a trainer in one process on one thread, at each preset's own sizes.
Batches are drawn several at a time, so sums over spans of steps are compared; the median of the spans.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from statistics import median

from seqlab.spec import load_spec, presets
from seqlab.training.trainer import Trainer
from seqlab.training.truncation import Sequences

SPANS, STEPS = 15, 40


class Timed(Trainer):
    """A trainer that adds up the seconds its data take."""

    seconds = 0.0

    def draw(self) -> list[Sequences]:
        """The batch of the next step."""
        start = time.perf_counter()
        parts = super().draw()
        self.seconds += time.perf_counter() - start
        return parts


def main() -> None:
    """Print a table."""
    print(f"{'preset':<18} {'data':>9} {'step':>9} {'share':>7}")
    for name in sys.argv[1:] or presets():
        spec = load_spec(name)
        trainer = Timed(spec)
        trainer.advance()
        data, steps = [], []
        for _ in range(SPANS):
            trainer.seconds, start = 0.0, time.perf_counter()
            whole = all(not trainer.advance().diverged for _ in range(STEPS))
            if not whole:  # as it should, in some
                trainer = Timed(spec)
                continue
            data.append(trainer.seconds / STEPS)
            steps.append((time.perf_counter() - start) / STEPS)
        if not steps:
            print(f"{name:<18} diverges within {STEPS} steps")
            continue
        share = median(one / of for one, of in zip(data, steps, strict=True))
        print(f"{name:<18} {median(data) * 1e6:6.0f} µs {median(steps) * 1e3:6.2f} ms {share:7.1%}")


if __name__ == "__main__":
    main()
