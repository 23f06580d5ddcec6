"""Plays the images of a recorded topic, with the camera_info that was recorded beside it. Nothing here imports ROS."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egm_core.recordings.by_rosbags import broken, opened
from egm_core.recordings.cameras import overlays
from egm_ros.camera.frames import Frame, Intrinsics, Region, Skipping, Source, SourceError, Tell
from egm_ros.common.pictures.images import decode

KINDS = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
# For a topic of a single image.
FEW_RATE = 2.0
# Messages of a topic that are looked at to learn whether it holds colour.
PEEKED = 3

_log = logging.getLogger(__name__)


def bag(path: Path, topic: str = "", tell: Tell = _log.warning) -> Source:
    """Supply the images of a recorded topic, each with the camera_info of its time.

    Empty is the first topic with colour, of those with a camera_info beside them if there are any, for others may be
    drawn; an overlay's comes last.
    """
    with opened(path) as reader:
        topics = {entry.topic: entry for entry in reader.connections if entry.msgtype in KINDS and entry.msgcount}
        drawn = overlays(topics)
        topics |= {name: topics.pop(name) for name in drawn}
        if not topics or (topic and topic not in topics):
            raise SourceError(
                f"topic: {topic!r} has no images in {str(path)!r}; there are {', '.join(topics) or 'none'}"
            )
        chosen = topics[topic or _first_colour(reader, topics)]
        if len(topics) > 1 and not topic:
            others = ", ".join(f"{name} (drawn by an overlay)" if name in drawn else name
                               for name in topics if name != chosen.topic)  # fmt: skip
            tell(f"{path} has several image topics; {chosen.topic} is played, topic:= takes another: {others}")
        beside = camera_info_topic(chosen.topic)
        first = next(_cameras(reader, beside), None)
        if first is None:
            tell(f"{path} has no calibrated camera on {beside}, so camera_info is made from the parameter fov")
        seconds = reader.duration / 1e9
        rate = max((chosen.msgcount - 1) / seconds, 0.1) if chosen.msgcount > 1 and seconds > 0 else FEW_RATE

    def frames() -> Iterator[Frame]:
        skipping, camera = Skipping(f"{path} {chosen.topic}", tell), first
        with opened(path) as reader:
            played = [entry for entry in reader.connections if entry.topic in (chosen.topic, beside)]
            for connection, stamp, data in reader.messages(played):
                try:
                    message = reader.deserialize(data, connection.msgtype)
                    if connection.topic == beside:
                        camera = intrinsics(message) or camera
                        continue
                    image = decode(message)
                except broken() as error:
                    skipping.bad(f"the message of {stamp / 1e9:.3f} s on {connection.topic}", error)
                    continue
                skipping.good()
                yield Frame(image, camera)
        skipping.end()

    return Source(f"{path} {chosen.topic}", rate, frames)


def camera_info_topic(image: str) -> str:
    """Give the topic on which the camera_info of an image topic lies by ROS's convention: beside it."""
    base = image.removesuffix("/compressed")
    return f"{base.rpartition('/')[0]}/camera_info"


def intrinsics(info: Any) -> Intrinsics | None:
    """Read a camera from a CameraInfo; None where it was never calibrated."""
    k = [float(value) for value in info.k]
    if not k[0] > 0:
        return None
    roi = info.roi
    return Intrinsics(
        k[0],
        k[4],
        k[2],
        k[5],
        info.distortion_model or "plumb_bob",
        tuple(float(value) for value in info.d),
        rectification=tuple(float(value) for value in info.r),
        projection=tuple(float(value) for value in info.p),
        skew=k[1],
        size=(int(info.width), int(info.height)),
        binning=(int(info.binning_x), int(info.binning_y)),
        region=Region(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height), bool(roi.do_rectify)),
    )


def _first_colour(reader: Any, topics: dict[str, Any]) -> str:
    """Name the first topic whose images are no depth, those with a camera_info before others; else the first of all."""
    infos = {entry.topic for entry in reader.connections if entry.msgtype == CAMERA_INFO and entry.msgcount}
    ordered = sorted(topics.items(), key=lambda entry: camera_info_topic(entry[0]) not in infos)
    for name, connection in ordered:
        for _, (_, _, data) in zip(range(PEEKED), reader.messages([connection]), strict=False):
            try:
                decode(reader.deserialize(data, connection.msgtype))
            except broken():
                continue
            return name
    return next(iter(topics))


def _cameras(reader: Any, topic: str) -> Iterator[Intrinsics]:
    """Read the calibrated cameras of a topic."""
    connections = [entry for entry in reader.connections if entry.topic == topic and entry.msgtype == CAMERA_INFO]
    # No connections would mean all of them to the reader.
    for connection, _, data in reader.messages(connections) if connections else ():
        try:
            found = intrinsics(reader.deserialize(data, connection.msgtype))
        except broken():
            continue
        if found is not None:
            yield found
