from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqlab.runs import checkpoint, layout
from seqlab.runs.checkpoint import load_checkpoint, save_checkpoint
from seqlab.runs.layout import RunError

from .conftest import output


def tensors(step: int) -> dict[str, np.ndarray]:
    return {"model.weight_ih_l0": np.full((3, 4), step, np.float32).T, "optimizer.step": np.array(step)}


def save(folder: Path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(folder, step, tensors(step), {"digest": "abc"})


def test_a_checkpoint_comes_back_as_it_was_saved(folder: Path) -> None:
    save(folder, 0, 10, 20)
    assert checkpoint.checkpoints(folder) == [0, 10, 20]
    for step, found in ((20, load_checkpoint(folder)), (10, load_checkpoint(folder, 10))):
        assert found.step == step
        assert found.metadata == {"digest": "abc", "step": step}
        for name, array in tensors(step).items():
            np.testing.assert_array_equal(found.tensors[name], array)
            assert found.tensors[name].shape == array.shape


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone"])
def test_a_damaged_latest_is_passed_over_for_the_newest_whole_one(folder: Path, damage: str) -> None:
    save(folder, 0, 10, 20)
    path = folder / layout.CHECKPOINTS / layout.numbered(20)
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        damaged = {"cut": content[:-1], "flipped": content[:-1] + bytes([content[-1] ^ 1]), "empty": b""}
        path.write_bytes(damaged[damage])
    assert load_checkpoint(folder).step == 10
    with pytest.raises(RunError, match=r"000000020\.safetensors: is damaged|has no checkpoint of step 20"):
        load_checkpoint(folder, 20)


@pytest.mark.parametrize("latest", [b"", b"{", b"[]", b'{"step": 99}', b'{"step": [1]}'])
def test_a_damaged_latest_json_leaves_the_newest_whole_one(folder: Path, latest: bytes) -> None:
    save(folder, 0, 10)
    (folder / layout.CHECKPOINTS / layout.LATEST).write_bytes(latest)
    assert load_checkpoint(folder).step == 10


def test_a_file_under_the_wrong_number_is_no_checkpoint(folder: Path) -> None:
    save(folder, 10)
    inner = folder / layout.CHECKPOINTS
    (inner / layout.numbered(30)).write_bytes((inner / layout.numbered(10)).read_bytes())
    with pytest.raises(RunError, match="is damaged: holds step 10"):
        load_checkpoint(folder, 30)


def test_having_none_is_said(folder: Path) -> None:
    with pytest.raises(RunError, match=r"has no checkpoint$"):
        load_checkpoint(folder)
    save(folder, 0, 10)
    with pytest.raises(RunError, match="has no checkpoint of step 7; there are: 0, 10"):
        load_checkpoint(folder, 7)
    for step in (0, 10):
        (folder / layout.CHECKPOINTS / layout.numbered(step)).write_bytes(b"")
    with pytest.raises(RunError, match=r"has no whole checkpoint$"):
        load_checkpoint(folder)


def test_the_latest_is_named_with_its_size_and_digest(folder: Path) -> None:
    save(folder, 10)
    inner = folder / layout.CHECKPOINTS
    latest = json.loads((inner / layout.LATEST).read_bytes())
    assert latest["step"] == 10
    assert latest["size"] == (inner / latest["file"]).stat().st_size
    assert len(latest["sha256"]) == 64


def test_a_full_disk_leaves_the_earlier_checkpoints_and_no_litter(folder: Path) -> None:
    save(folder, 10)
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from seqlab.runs.checkpoint import save_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    save_checkpoint(Path(sys.argv[1]), 20, {"model.w": np.zeros(1000)})
except Exception as error:
    print(type(error).__name__, error)
"""
    assert "RunError" in (said := output(code, folder))
    assert "cannot save checkpoint 20: File too large" in said
    assert load_checkpoint(folder).step == 10
    assert len(list((folder / layout.CHECKPOINTS).iterdir())) == 2
