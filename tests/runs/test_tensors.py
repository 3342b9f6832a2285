from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqlab.runs import tensors
from seqlab.runs.frames import encode_frame, read_frame

RNG = np.random.default_rng(0)
SQUARE: NDArray[np.float32] = RNG.standard_normal((6, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "array",
    [
        SQUARE,
        SQUARE.T,
        np.asfortranarray(SQUARE),
        SQUARE[::2, ::-1],
        SQUARE[:, 1],
        np.broadcast_to(SQUARE[0], (3, 4)),
        SQUARE.reshape(2, 3, 4).transpose(2, 0, 1),
        np.array(3.5),
        np.empty((0, 3), np.float32),
        np.arange(5, dtype=np.int64),
        np.arange(5, dtype=">f4"),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}{array.strides}",
)
def test_arrays_of_any_memory_order_come_back_as_they_were(array: NDArray[Any]) -> None:
    found = tensors.decode(tensors.encode({"x": array}))[0]["x"]
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_equal_content_gives_equal_bytes() -> None:
    metadata = {"step": 3, "lr": 0.1, "digest": "abc", "nested": {"b": [1], "a": None}}
    first = tensors.encode({"a": SQUARE, "b": SQUARE}, metadata)
    for _ in range(10):
        reversed_metadata = dict(reversed(metadata.items()))
        assert tensors.encode({"b": SQUARE, "a": SQUARE}, reversed_metadata) == first


def test_metadata_comes_back_with_what_json_has_no_words_for() -> None:
    metadata = tensors.decode(tensors.encode({}, {"lr": math.inf, "step": 3}))[1]
    assert metadata == {"lr": math.inf, "step": 3}


def test_labels_for_other_programs_leave_the_rest_as_it_is_and_the_bytes_equal() -> None:
    labels = {"gate_order": "r,z,n", "format": "pt", "ü": "ö"}
    written = tensors.encode({"x": SQUARE, "y": SQUARE.T}, {"step": 3}, labels)
    for _ in range(10):
        again = dict(reversed(labels.items()))
        assert tensors.encode({"y": SQUARE.T, "x": SQUARE}, {"step": 3}, again) == written
    found, metadata = tensors.decode(written)
    np.testing.assert_array_equal(found["x"], SQUARE)
    np.testing.assert_array_equal(found["y"], SQUARE.T)
    assert metadata == {"step": 3}
    assert tensors.labels(written) == {**labels, "seqlab": '{"step": 3}'}
    assert int.from_bytes(written[:8], "little") % 8 == 0


WHOLE = tensors.encode({"x": SQUARE}, {"step": 3})


@pytest.mark.parametrize("length", [0, 1, 7, 8, 30, len(WHOLE) - 1])
def test_a_torn_file_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        tensors.decode(WHOLE[:length])


def lying(entry: object, payload: bytes = b"\0" * 16) -> bytes:
    header = json.dumps({"x": entry}).encode()
    return len(header).to_bytes(8, "little") + header + payload


@pytest.mark.parametrize(
    "content",
    [
        lying({"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}),
        lying({"dtype": "F32", "shape": [10**9], "data_offsets": [0, 16]}),
        lying({"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}),
        lying({"dtype": "O", "shape": [2], "data_offsets": [0, 16]}),
        lying({"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}),
        (10**15).to_bytes(8, "little") + b"{}",
        b"\x80\x04\x95pickled",
    ],
)
def test_a_header_that_lies_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        tensors.decode(content)


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="longer than 64000000 bytes"):
        read_frame(path)


def frame(T: int, H: int) -> dict[str, NDArray[Any]]:
    return {
        "outputs": np.arange(T * 2.0).reshape(T, 2),
        "forecast": np.arange(6.0).reshape(3, 2),
        "layer1/state/h": np.arange(float(T * H)).reshape(T, H),
        "layer1/gradient": np.arange(float(T)),
    }


def test_a_small_frame_is_kept_whole_as_float32(tmp_path: Path) -> None:
    whole = frame(10, 4)
    (tmp_path / "frame").write_bytes(encode_frame(7, whole, {"lr": 0.1}))
    found = read_frame(tmp_path / "frame")
    assert (found.step, found.unit_stride, found.time_stride) == (7, 1, 1)
    assert found.metadata["lr"] == 0.1
    for name, array in whole.items():
        assert found.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(found.tensors[name], array)


@given(T=st.integers(1, 400), H=st.integers(1, 60), most=st.integers(6_000, 40_000))
def test_a_large_frame_gives_up_units_first_and_then_timesteps(
    tmp_path_factory: pytest.TempPathFactory, T: int, H: int, most: int
) -> None:
    whole = frame(T, H)
    content = encode_frame(7, whole, {}, most)
    assert len(content) <= most
    path = tmp_path_factory.mktemp("frame") / "frame"
    path.write_bytes(content)
    found = read_frame(path)
    unit, time = found.unit_stride, found.time_stride
    np.testing.assert_array_equal(found.tensors["layer1/state/h"], whole["layer1/state/h"][::time, ::unit])
    np.testing.assert_array_equal(found.tensors["layer1/gradient"], whole["layer1/gradient"][::time])
    np.testing.assert_array_equal(found.tensors["outputs"], whole["outputs"][::time])
    np.testing.assert_array_equal(found.tensors["forecast"], whole["forecast"])
    if time > 1:
        assert found.tensors["layer1/state/h"].shape[1] == 1


@pytest.mark.parametrize(
    "metadata",
    [{}, {"step": "3"}, {"step": -1}, {"step": 3}, {"step": 3, "unit_stride": 0, "time_stride": 1}],
)
def test_tensors_that_are_no_frame_are_refused(tmp_path: Path, metadata: dict[str, Any]) -> None:
    (tmp_path / "frame").write_bytes(tensors.encode({"x": SQUARE}, metadata))
    with pytest.raises(ValueError, match="its metadata gives"):
        read_frame(tmp_path / "frame")
