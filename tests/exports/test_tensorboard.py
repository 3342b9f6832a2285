"""An event file is what TensorBoard reads: framed, with checksums, an event for each row."""

import struct

import numpy as np
import pytest

from tests.exports.conftest import exported


def crc32c(data: bytes) -> int:
    """Castagnoli's, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    found = crc32c(data)
    return ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(content: bytes) -> list[bytes]:
    found = []
    while content:
        length, checksum = struct.unpack("<QI", content[:12])
        assert checksum == masked(content[:8])
        data, (checksum,) = content[12 : 12 + length], struct.unpack("<I", content[12 + length : 16 + length])
        assert checksum == masked(data)
        found.append(data)
        content = content[16 + length :]
    return found


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283


def test_every_metric_of_every_row_is_a_scalar_at_its_step(trained, tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    (path,) = exported("tensorboard", trained, tmp_path / "logs").files
    assert path.parent == tmp_path / "logs" / trained.name
    assert "tfevents" in path.name
    first, *events = [Event.FromString(record) for record in records(path.read_bytes())]
    assert first.file_version == "brain.Event:2"
    found = {(value.tag, event.step): value.simple_value for event in events for value in event.summary.value}
    expected = {
        (name, step): value
        for name, series in trained.metrics.items()
        if "/" in name
        for step, value in zip(series.steps.tolist(), series.values.tolist(), strict=True)
    }
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == np.float32(value)
    times = [event.wall_time for event in events]
    assert times == sorted(times)
    assert times[0] >= trained.events[0]["time"]


def test_exported_again_a_run_replaces_itself(trained, tmp_path):
    for _ in range(2):
        exported("tensorboard", trained, tmp_path / "logs")
    assert len(list((tmp_path / "logs").rglob("*tfevents*"))) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_tensorboard_reads_it(trained, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (path,) = exported("tensorboard", trained, tmp_path / "logs").files
    read = accumulator.EventAccumulator(str(path.parent)).Reload()
    found = read.Scalars("eval/loss")
    series = trained.metrics["eval/loss"]
    assert [each.step for each in found] == series.steps.tolist()
    assert [each.value for each in found] == [float(np.float32(value)) for value in series.values]
