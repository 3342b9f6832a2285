"""What recording costs: measured in a real run, or estimated from a few of each thing.

A `Profile` puts clocks around the recorder's methods; everything else is as in any run, in a folder that is
thrown away.
"""

from __future__ import annotations

import math
import signal
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqlab.runs.control import Inbox
from seqlab.runs.layout import create_run
from seqlab.runs.persist import Persister
from seqlab.runs.writer import RunWriter
from seqlab.spec import Spec
from seqlab.spec.schema import Stop
from seqlab.training.profile import BESIDE, Profile, Watched
from seqlab.training.ridge import trainer_for
from seqlab.training.trainer import Step, Trainer
from seqlab.worker.job import Job
from seqlab.worker.recorder import Recorder
from seqlab.worker.warmth import Warmth

RECORDING = ("metrics", "frames", "checkpoints", "probe")
"""What recording consists of; frames are without the probe, which looks at the network for them."""
NEVER = 10**9
"""A cadence that never comes round."""
_RECORDING_SECONDS = 20.0
_ALTERNATING_SECONDS = 20.0
_PAIRS = 8
_LEAST_FRAMES = 3
_ROWS = 20
_STRETCH = 0.25


def recorded_run(
    spec: Spec, warmth: Warmth, step: float, say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Train a run as a worker does, as long as some frames take at the spec's own cadence.

    The run folder lies where temporary files do.

    Args:
        spec: what to train.
        warmth: of this process.
        step: seconds that a step takes, about.
        say: is told how long it will take.

    Returns:
        Shares of the training time: what each part of recording takes of the training thread, their `sum`,
        and `beside`, the processor time of the threads that do the rest of it; the number of `steps`; and
        `longer`, see `longer`. And the seconds of each part for each step.
    """
    often = spec.training
    interval = math.lcm(often.frame_every, often.checkpoint_every)
    intervals = max(_LEAST_FRAMES, round(_RECORDING_SECONDS / (interval * step)))
    steps = min(interval * intervals, often.steps)
    say(f"training {steps:,} steps to see what recording costs, about {steps * step:.0f} s")
    to_the_end = spec.model_copy(update={"training": often.model_copy(update={"stop": Stop()})})
    with tempfile.TemporaryDirectory(prefix="seqlab-bench-") as place:
        job = _WatchedJob(create_run(to_the_end, Path(place)), warmth, steps=steps)
        if job.run():
            raise SystemExit(1)  # the job has said why
    times = job.profile.times
    calls = [part for part, _ in times]
    if calls.count("training") < steps:
        raise SystemExit(130)  # it was stopped
    totals: defaultdict[str, float] = defaultdict(float)
    for part, seconds in times[calls.index("training") :]:
        totals[part] += seconds
    shares = {part: totals[part] / totals["training"] for part in RECORDING}
    beside = {part: totals[part + BESIDE] / totals["training"] for part in RECORDING}
    found = {
        **shares,
        "sum": sum(shares.values()),
        "beside": beside,
        "steps": steps,
        "longer": longer(spec, interval, step),
    }
    return found, {part: totals[part] / steps for part in RECORDING}


def longer(spec: Spec, interval: int, step: float) -> list[float]:
    """How many times longer it takes to train some steps when they are recorded: the quartiles.

    The same trainer makes some steps without a recorder and as many with one, by turns, so that the machine's
    own changes of speed meet both. A stretch ends when all is handed on; there are no evaluations.

    Args:
        spec: whose cadence counts.
        interval: after so many steps each part of recording has been due.
        step: seconds that a step takes, about.
    """
    trainer = trainer_for(spec)
    often = spec.training
    steps = interval * math.ceil(_ALTERNATING_SECONDS / _PAIRS / 2 / (interval * step))
    never = often.model_copy(update={"eval_every": NEVER})
    trainer.spec = spec.model_copy(update={"training": never})
    ratios = []
    with tempfile.TemporaryDirectory(prefix="seqlab-bench-") as place:
        folder = create_run(spec, Path(place))
        with (
            RunWriter(folder) as writer,
            Persister(writer, often.frame_every, often.checkpoint_every) as persister,
            Recorder(trainer, writer, persister, Inbox(folder, 0), (), 0.0) as recorder,
        ):
            for _ in range(_PAIRS):
                alone, recorded = _seconds(trainer, None, steps), _seconds(trainer, recorder, steps)
                ratios.append(recorded / alone)
    trainer.close()
    return statistics.quantiles(ratios, n=4)


def _seconds(trainer: Trainer, recorder: Recorder | None, steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        began = time.perf_counter()
        result = advance(trainer)
        if recorder is not None:
            recorder.record(result, began)
    if recorder is not None:
        recorder.drain()
        recorder.persister.drain()
    return time.perf_counter() - start


def estimate(trainer: Trainer, spec: Spec) -> dict[str, float]:
    """Seconds of the training thread for each step, from a few of each thing and how often each is due.

    What is due next may be thousands of steps away, so it is not waited for; `recorded_run` does.

    Args:
        trainer: of a spec with a row at each step and nothing else.
        spec: whose cadence counts.
    """
    often = spec.training
    every = {"metrics": often.log_every, "frames": often.frame_every, "checkpoints": often.checkpoint_every}
    with tempfile.TemporaryDirectory(prefix="seqlab-bench-") as place:
        folder = create_run(trainer.spec, Path(place))
        with RunWriter(folder) as writer, Persister(writer, NEVER, NEVER) as persister:
            recorder = Recorder(trainer, writer, persister, Inbox(folder, 0), (), 0.0)
            with recorder, Profile(_watched_recorder(trainer, recorder)) as profile:
                for _ in range(_LEAST_FRAMES):
                    recorder.begin()
                    recorder.drain()
                    persister.drain()
                until = time.perf_counter() + _STRETCH
                for _ in range(_ROWS):
                    began = time.perf_counter()
                    recorder.record(advance(trainer), began)
                    if began >= until:
                        break
                recorder.drain()
    calls, totals = [part for part, _ in profile.times], profile.totals()
    return {part: totals[part] / calls.count(part) / steps for part, steps in every.items()}


def advance(trainer: Trainer) -> Step:
    """Make one step; a network that diverges is not measured."""
    result = trainer.advance()
    if result.diverged:
        raise SystemExit(f"diverged at step {result.step:,}: {result.diverged}; nothing to measure")
    return result


class _WatchedJob(Job):
    """A job that measures its own training loop, from its first step on."""

    profile: Profile

    def _train(self, trainer: Trainer, recorder: Recorder) -> tuple[str, str, dict[str, Any]]:
        signal.signal(signal.SIGINT, self._on_sigterm)
        watched = [*_watched_recorder(trainer, recorder), (trainer, "advance", "training")]
        with Profile(watched) as self.profile:
            found = super()._train(trainer, recorder)
            recorder.drain()
            recorder.persister.drain()
            return found


def _watched_recorder(trainer: Trainer, recorder: Recorder) -> Iterator[Watched]:
    yield recorder, "record", "metrics"
    yield recorder, "keep_frame", "frames"
    yield recorder, "keep_checkpoint", "checkpoints"
    yield trainer, "evaluate", "evaluation"
    yield trainer.probe, "look", "probe"
    yield recorder.writer, "rows", "metrics"
    yield recorder.writer, "events", "metrics"
    for name in ("frame", "write_frames"):
        yield recorder.persister, name, "frames"
    for name in ("checkpoint", "write_checkpoints"):
        yield recorder.persister, name, "checkpoints"
