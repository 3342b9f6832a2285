"""Frames and checkpoints reach the disk in a thread of their own, so that training does not wait for fsync.

What is handed over is encoded at once (the caller's arrays may change right after), written in order, and
announced by an event once it is on disk. What waits is brought to the disk together, for in a small network
it comes every few milliseconds. When the disk is full the temporary file is dropped, what was there stays,
the status says so, and training goes on; `drain` tries the newest again.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from seqlab.runs import layout
from seqlab.runs.checkpoint import encode_checkpoint, kept_checkpoints, make_latest
from seqlab.runs.files import sync_folder
from seqlab.runs.frames import encode_frame
from seqlab.runs.kept import KeptFiles
from seqlab.runs.layout import RunError
from seqlab.runs.tensors import Tensors
from seqlab.runs.writer import PATIENCE, Event, RunWriter

_WAITING = 4  # files in memory that wait for the disk; then training waits


@dataclass(frozen=True, eq=False)
class _File:
    kind: str  # "frame" or "checkpoint", as in the event
    step: int
    content: bytes
    best: int | None = None


class Persister:
    """Writes the frames and checkpoints of one run.

    Args:
        writer: takes the events `frame` and `checkpoint`, and the message when the disk is full.
        frame_every: steps between frames at first (see `kept`).
        checkpoint_every: steps between checkpoints at first.
    """

    def __init__(self, writer: RunWriter, frame_every: int, checkpoint_every: int):
        self._writer = writer
        self.frames = KeptFiles(writer.folder / layout.FRAMES, frame_every)
        self.checkpoints = kept_checkpoints(writer.folder, checkpoint_every)
        self._queue: queue.Queue[_File | None] = queue.Queue(_WAITING)
        self._failed: dict[str, tuple[_File, OSError]] = {}  # the newest of a kind, if it failed
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="persist", daemon=True)
        self._thread.start()

    def frame(self, step: int, tensors: Tensors, metadata: Mapping[str, Any] | None = None) -> None:
        """Hand over a frame; see `frames.Frame` for the names and shapes."""
        self._put(_File("frame", step, encode_frame(step, tensors, metadata)))

    def checkpoint(
        self,
        step: int,
        tensors: Tensors,
        metadata: Mapping[str, Any] | None = None,
        best: int | None = None,
    ) -> None:
        """Hand over a checkpoint; see `checkpoint.Checkpoint` for the names.

        Args:
            step: after which it was taken.
            tensors: the weights and the optimiser's state.
            metadata: goes along.
            best: the step whose checkpoint stays (see `kept`); by default that of the lowest eval/loss.
        """
        lowest = self._writer.best
        if best is None and lowest is not None:
            best = int(lowest["step"])
        self._put(_File("checkpoint", step, encode_checkpoint(step, tensors, metadata), best))

    def drain(self, patience: float = 0.0) -> None:
        """Wait until everything handed over is on disk; for lack of space, try for `patience` seconds.

        Raises:
            RunError: the newest frame or checkpoint could not be written; the message names it and the
                reason.
        """
        deadline = time.monotonic() + patience
        tried = False
        while True:
            self._queue.join()
            self._check()
            failed = list(self._failed.values())
            if not failed:
                return
            if tried:
                if time.monotonic() >= deadline:
                    file, error = failed[0]
                    path = self._kept(file.kind).path(file.step)
                    raise RunError(f"{path}: cannot be written: {error.strerror}") from error
                time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
            for file, _ in failed:
                self._put(file)
            tried = True

    def close(self, patience: float = 0.0) -> None:
        """Drain, and end the thread.

        Raises:
            RunError: see `drain`; the thread has ended all the same.
        """
        try:
            self.drain(patience)
        finally:
            self._queue.put(None)
            self._thread.join()

    def write_frames(self, files: list[_File]) -> list[_File]:
        """Write frames, in the thread; returns those that have reached the disk."""
        return self._write_kind("frame", files)

    def write_checkpoints(self, files: list[_File]) -> list[_File]:
        """Write checkpoints, in the thread; returns those that have reached the disk."""
        return self._write_kind("checkpoint", files)

    def __enter__(self) -> Persister:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(PATIENCE if error is None else 0.0)

    def _put(self, file: _File) -> None:
        self._check()
        self._queue.put(file)

    def _check(self) -> None:
        if self._broken is not None:
            raise RunError(f"{self._writer.folder}: frames and checkpoints: {self._broken}") from self._broken

    def _work(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            ended = None in batch
            try:
                if self._broken is None:
                    self._write([file for file in batch if file is not None])
            except BaseException as error:  # reported by the next call from training
                self._broken = error
            finally:
                for _ in batch:
                    self._queue.task_done()

    def _write(self, files: list[_File]) -> None:
        """Write files, and announce those that have reached the disk."""
        written = {
            *self.write_frames([file for file in files if file.kind == "frame"]),
            *self.write_checkpoints([file for file in files if file.kind == "checkpoint"]),
        }
        self._writer.events(*[self._event(file) for file in files if file in written])

    def _write_kind(self, kind: str, files: list[_File]) -> list[_File]:
        written: list[_File] = []
        kept, failed = self._kept(kind), None
        for file in files:
            try:
                kept.write(file.step, file.content, sync_name=False)
                written.append(file)
                failed = None
            except OSError as error:
                failed = file, error
        if written:
            last = written[-1]
            try:
                if kind == "checkpoint":
                    make_latest(kept, last.step, last.content)
                else:
                    sync_folder(kept.folder)
                kept.thin(last.best)
            except OSError as error:
                written, failed = [], (last, error)
        if failed is not None:
            file, why = failed
            self._failed[kind] = failed
            self._writer.trouble(kind, f"{kind} {file.step} could not be written: {why.strerror}")
        elif files:
            self._failed.pop(kind, None)
            self._writer.trouble(kind)
        return written

    def _event(self, file: _File) -> Event:
        name = str(self._kept(file.kind).path(file.step).relative_to(self._writer.folder))
        sha256 = hashlib.sha256(file.content).hexdigest()
        return Event(file.kind, file.step, {"file": name, "size": len(file.content), "sha256": sha256})

    def _kept(self, kind: str) -> KeptFiles:
        return self.frames if kind == "frame" else self.checkpoints
