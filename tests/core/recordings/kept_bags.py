"""Writes recordings of a rendered world, as robots and converters write them, and reads what came of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
sys.path.insert(0, str(Path(__file__).parents[1] / "grounder"))
import misbehaving
from told_answers import says

ROOT = Path(__file__).resolve().parents[3]
CLIP = ROOT / "egm_ros/clips/tabletop"
TRUTH = json.loads((CLIP / "clip.json").read_text())
MUG = "the red mug"
# The mug's number in the truth.
RED_MUG = 5
START, STEP = 1_700_000_000 * 10**9, 100_000_000
IMAGE, COMPRESSED, TEXT = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"
STORE = get_typestore(Stores.ROS2_JAZZY)
QOS = Qos(
    QosHistory.KEEP_LAST, 3, QosReliability.BEST_EFFORT, QosDurability.VOLATILE, QosTime(1, 5), QosTime(0, 0),
    QosLiveliness.AUTOMATIC, QosTime(0, 0), False,
)  # fmt: skip
Row = tuple[str, str, int, bytes]


def header(store: Any, stamp: int, frame: str) -> Any:
    time = store.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    make = store.types["std_msgs/msg/Header"]
    return make(seq=0, stamp=time, frame_id=frame) if "seq" in make.__dataclass_fields__ else make(time, frame)


def raw(number: int, stamp: int, store: Any = STORE) -> Any:
    """A picture of the clip as a raw image."""
    pixels = cv2.imread(str(CLIP / f"{number:03d}.jpg"))
    high, wide = pixels.shape[:2]
    make = store.types[IMAGE]
    return make(header(store, stamp, "eye"), high, wide, "bgr8", 0, 3 * wide, pixels.ravel())


def jpeg(number: int, stamp: int, data: bytes | None = None) -> Any:
    """A picture of the clip as it lies in its file, or other bytes in its place."""
    found = (CLIP / f"{number:03d}.jpg").read_bytes() if data is None else data
    return STORE.types[COMPRESSED](header(STORE, stamp, "eye"), "jpeg", np.frombuffer(found, np.uint8))


def rows(
    numbers: Iterable[int],
    topic: str = "/camera/image_raw",
    make: Callable[[int, int], Any] = raw,
    stamp: Callable[[int], int] = lambda place: START + place * STEP,
) -> list[Row]:
    """Messages of a camera, and of another topic between them; each was logged a little after its stamp."""
    found = []
    for place, number in enumerate(numbers):
        logged, message = START + place * STEP + 1_000_000, make(number, stamp(place))
        kind = COMPRESSED if hasattr(message, "format") else IMAGE
        found.append((topic, kind, logged, bytes(STORE.serialize_cdr(message, kind))))
        text = STORE.types[TEXT](f"step {place}")
        found.append(("/story", TEXT, logged + 1, bytes(STORE.serialize_cdr(text, TEXT))))
    return found


def write(
    path: Path,
    entries: Sequence[Row],
    plugin: str = "MCAP",
    mode: CompressionMode = CompressionMode.NONE,
    version: Any = 9,
) -> Path:
    """Write the folder of a bag, and give it."""
    with_writer = Writer(path, version=version, storage_plugin=StoragePlugin[plugin])
    with_writer.set_compression(mode, CompressionFormat.ZSTD)
    with with_writer as writer:
        connections: dict[str, Any] = {}
        for topic, kind, logged, data in entries:
            if topic not in connections:
                qos = [QOS] if kind != TEXT else []
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE, offered_qos_profiles=qos)
            writer.write(connections[topic], logged, data)
    return path


def read(path: Path) -> tuple[dict[str, Any], list[tuple[str, int, Any]], list[Row]]:
    """Read a recording by rosbags: topics with their qualities, decoded messages, and messages as they stand."""
    with AnyReader([path], default_typestore=STORE) as reader:
        topics = {entry.topic: (entry.msgtype, entry.ext) for entry in reader.connections}
        stand = [(entry.topic, entry.msgtype, stamp, data) for entry, stamp, data in reader.messages()]
        return topics, [(topic, stamp, reader.deserialize(data, kind)) for topic, kind, stamp, data in stand], stand


def on(messages: Sequence[tuple[str, int, Any]], topic: str) -> list[Any]:
    """Give the messages of a topic."""
    return [message for name, _, message in messages if name == topic]


def edges(detection: Any) -> tuple[float, float, float, float]:
    """Give the box of a detection."""
    box = detection.bbox
    x, y = box.center.position.x, box.center.position.y
    return x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2


def values(status: Any) -> dict[str, str]:
    """Give what a status tells by its keys."""
    return {pair.key: pair.value for pair in status.values}


def asks(server: misbehaving.Server, *boxes: tuple[float, ...] | None) -> list[str]:
    """Give the options by which a command asks a server that always says these boxes, in pixels of the clip."""
    sides = (224, 168, 224, 168)
    parts = [box and tuple(round(1000 * edge / side) for edge, side in zip(box, sides, strict=True)) for box in boxes]
    told = says(*parts)
    return ["--engine-url", server.url, "--engine-model", told, "--family", "qwen3_vl", "--dialect", "openai"]
