"""What drawing a batch costs, as a share of a training step.

    python -m benchmarks.data_share [PRESET ...]

Batches and whole steps are timed in turn in one process, one thread, at each preset's own sizes; the median
of many.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from statistics import median

from seqlab.spec import load_spec, presets
from seqlab.training.trainer import Trainer

ROUNDS = 200


def main() -> None:
    """Print a table."""
    print(f"{'preset':<18} {'batch':>9} {'step':>9} {'share':>7}")
    for name in sys.argv[1:] or presets():
        spec = load_spec(name)
        trainer = Trainer(spec)
        for _ in range(20):
            trainer.advance()
        batches, steps = [], []
        for number in range(ROUNDS):
            start = time.perf_counter()
            spec.task.batch(spec.training.seed, "train", number, spec.training.batch_size)
            middle = time.perf_counter()
            trainer.advance()
            batches.append(middle - start)
            steps.append(time.perf_counter() - middle)
        batch, step = median(batches), median(steps)
        print(f"{name:<18} {batch * 1e6:6.0f} µs {step * 1e3:6.2f} ms {batch / step:7.1%}")


if __name__ == "__main__":
    main()
