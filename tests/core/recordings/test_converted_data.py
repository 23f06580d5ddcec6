"""What converters write of public data sets, by synthetic recordings of the same names, types, rates and stamps."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from kept_bags import CLIP, asks, misbehaving

from egm_core.command.entry import main
from egm_core.recordings.entries import Beside, Channel, Entry, Message, Schema
from egm_core.recordings.mcap import records
from egm_core.recordings.mcap.writer import Writer
from egm_core.recordings.messages import BOXES
from egm_core.recordings.recording import found

# foxglove/nuscenes2mcap at 0bcaab269379, convert_to_mcap.py: six cameras of 12 Hz, a lidar of 20 Hz, stamps in whole
# microseconds, frames and topics in lower case. Images of key frames, of which there are 2 a second, are logged at the
# lidar's stamp, and the others at their own.
CAMERAS = ("cam_front", "cam_front_right", "cam_back_right", "cam_back", "cam_back_left", "cam_front_left")
START = 1_532_402_927_612_460_000
BOX = (20.0, 85.0, 70.0, 125.0)


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def image(stamp: int, frame: str, data: bytes) -> bytes:
    """Write a foxglove.CompressedImage: timestamp 1, data 2, format 3, frame_id 4."""
    time = field(1, stamp // 10**9) + field(2, stamp % 10**9)
    return field(1, time) + field(2, data) + field(3, b"jpeg") + field(4, frame.encode())


def channel(topic: str, kind: str) -> Channel:
    return Channel(topic, Schema(f"foxglove.{kind}", "protobuf", b"its descriptor"), "protobuf")


def nuscenes(path: Path, seconds: float = 1.0) -> list[Message]:
    imu = Channel("/imu", Schema("IMU", "jsonschema", b'{"type": "object"}'), "json")
    rows = []
    for place in range(int(20 * seconds)):
        stamp = START + place * 50_000_000
        rows.append(Message(channel("/lidar_top", "PointCloud"), stamp, stamp, bytes(range(200))))
        rows.append(Message(imu, stamp + 1, stamp + 1, b'{"q": {"w": 1.0}}'))
    for place in range(int(12 * seconds)):
        for late, name in enumerate(CAMERAS):
            stamp = START + (place * 83_333 + late * 8_000) * 1000
            logged = START + place * 83_333_000 if place % 6 == 0 else stamp
            data = (CLIP / f"{place:03d}.jpg").read_bytes()
            for topic, kind, content in (
                (f"/{name}/image_rect_compressed", "CompressedImage", image(stamp, name, data)),
                (f"/{name}/camera_info", "CameraCalibration", b"\x0a\x00"),
                (f"/{name}/annotations", "ImageAnnotations", b""),
            ):
                rows.append(Message(channel(topic, kind), logged, logged, content))
    rows.sort(key=lambda row: row.log_time)
    with Writer(path, "") as writer:
        for row in rows:
            writer.write(row)
        writer.metadata("scene-info", {"name": "scene-0061", "location": "singapore-onenorth"})
        writer.finish()
    return rows


def test_a_scene_of_nuscenes_is_grounded_before_all_of_its_cameras(
    tmp_path: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, out = tmp_path / "NuScenes-v1.0-mini-scene-0061.mcap", tmp_path / "boxes.mcap"
    written = nuscenes(scene)
    words = ["ground", "--bag", str(scene), "--out", str(out), "the bus", *asks(server, BOX)]
    assert main(words) == 2
    assert f"6 cameras: {', '.join(f'/{name}/image_rect_compressed' for name in CAMERAS)}" in capsys.readouterr().err
    assert main([*words, "--topic", "all"]) == 0
    entries: list[Entry] = list(found(out).entries(pytest.fail))
    messages = [entry for entry in entries if isinstance(entry, Message)]
    topics = {entry.channel.topic for entry in written}
    assert [entry for entry in messages if entry.channel.topic in topics] == written
    assert [records.Bytes(entry.content).text() for entry in entries if isinstance(entry, Beside)] == [
        "scene-info",
        "egm",
    ]
    for late, name in enumerate(CAMERAS):
        images = [entry for entry in written if entry.channel.topic == f"/{name}/image_rect_compressed"]
        boxes = [entry for entry in messages if entry.channel.topic == f"/{name}/propagation/visible"]
        assert [entry.log_time for entry in boxes] == [entry.log_time for entry in images]
        assert {entry.channel.kind for entry in boxes} == {BOXES}
        # CDR: a header of four bytes, then the stamp and the frame of the image.
        sec, nanosec, size = struct.unpack_from("<iII", boxes[0].data, 4)
        assert sec * 10**9 + nanosec == START + late * 8_000_000
        assert boxes[0].data[16 : 16 + size - 1].decode() == name
