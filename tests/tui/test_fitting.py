"""A folder may hold files of another run: they count as empty, a line says so, and every panel is drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from seqlab.runs import tensors as safetensors
from seqlab.runs.layout import FRAMES, LIVE, PROBE, numbered
from seqlab.runs.reader import RunReader
from seqlab.tui.panels.fitting import fitted, misfit
from seqlab.tui.panels.moment import Moment, Wanted, look
from seqlab.tui.panels.words import troubles
from tests.tui.conftest import Finished
from tests.tui.labs import lab, text
from tests.tui.test_lab import panels_in_sight
from tests.tui.waiting import until

Moments = Callable[[str], Moment]


@pytest.mark.parametrize("name", ["adding", "sine", "copy", "order", "ahead", "timing", "reverse", "parity"])
def test_what_a_run_wrote_itself_fits_it(moment: Moments, name: str) -> None:
    snapshot = moment(name).snapshot
    assert snapshot.frame is not None
    assert fitted(snapshot) is snapshot


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("layer0/gradient", np.zeros(21), "layer0/gradient is [21], not [20]"),
        ("layer0/credit", np.zeros((20, 1)), "layer0/credit is [20, 1], not [20]"),
        ("layer0/state/i", np.zeros((5, 4)), "layer0/state/i is [5, 4], not [20, any]"),
        ("layer0/state/h", np.zeros((20, 0)), "layer0/state/h is empty"),
        ("outputs", np.zeros((20, 3)), "outputs is [20, 3], not [20, 1]"),
        ("outputs", np.zeros((20, 1), np.int64), "outputs is int64"),
    ],
)
def test_a_tensor_of_another_shape_is_named(moment: Moments, name: str, found: Any, words: str) -> None:
    snapshot = moment("adding").snapshot
    assert snapshot.frame is not None
    frame = replace(snapshot.frame, tensors=MappingProxyType({**snapshot.frame.tensors, name: found}))
    assert misfit(frame, snapshot.spec) == f"the frame of step 60 is of another run: {words}"
    empty = fitted(replace(snapshot, frame=frame))
    assert empty.frame is not None
    assert not empty.frame.tensors
    assert empty.problems[-1].endswith(words)


@pytest.mark.parametrize(
    ("run", "name", "change", "words"),
    [
        ("order", "lengths", lambda found: found * 0, "lengths are not all whole numbers from 1 to"),
        ("order", "lengths", lambda found: found + 10**11, "lengths are not all whole numbers"),
        ("copy", "targets", lambda found: found - 10**6, "targets are not all whole numbers from 0 to"),
        ("copy", "targets", lambda found: found.astype(np.float32), "targets are not all whole numbers"),
        ("adding", "inputs", lambda found: found.astype(np.int32), "inputs is int32"),
    ],
)
def test_counts_and_classes_that_cannot_be_are_named(
    moment: Moments, run: str, name: str, change: Any, words: str
) -> None:
    snapshot = moment(run).snapshot
    assert snapshot.probe is not None
    probe = MappingProxyType({**snapshot.probe, name: change(snapshot.probe[name])})
    found = fitted(replace(snapshot, probe=probe))
    assert found.probe is None
    assert words in found.problems[-1]


async def test_frames_and_probe_of_other_runs_are_drawn_as_nothing_and_named(
    finished: Finished, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished("adding"), folder)
    other = finished("sine")
    (folder / LIVE).unlink(missing_ok=True)
    frames = sorted((other / FRAMES).iterdir())
    for step, source in ((60, frames[-1]), (59, frames[-2])):
        arrays, metadata = safetensors.read(source, 10**6)
        (folder / FRAMES / numbered(step)).write_bytes(safetensors.encode(arrays, {**metadata, "step": step}))
    assert any(
        "step 59 is of another run" in line
        for line in troubles(look(RunReader(folder), None, None, Wanted(59, -1)))
    )
    shutil.copy(other / PROBE, folder / PROBE)
    async with lab(folder) as (pilot, screen):
        await until(pilot, lambda: "the frame of step 60 is of another run" in text(screen.trouble))
        assert "probe.safetensors is of another run" in text(screen.trouble)
        await pilot.press("left")
        await until(pilot, lambda: "the frame of step 59 is of another run" in text(screen.trouble))
        await pilot.press("left")
        await until(pilot, lambda: screen.moment is not None and screen.moment.at == 58)
        assert len(panels_in_sight(screen)) == 4
