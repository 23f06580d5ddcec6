"""Reads the pictures of a recording's topics, whatever they are written in: ROS 2, ROS 1 or Foxglove's own messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from egm_core.recordings.by_rosbags import broken, in_short
from egm_core.recordings.entries import Channel, Message

# Types of images by their names in ROS 2, ROS 1 and Foxglove's schemas.
_ROS = {name for kind in ("Image", "CompressedImage") for name in (f"sensor_msgs/msg/{kind}", f"sensor_msgs/{kind}")}
_FOXGLOVE_ROS = {"foxglove_msgs/msg/CompressedImage", "foxglove_msgs/msg/RawImage"}
_PROTOBUF = {"foxglove.CompressedImage", "foxglove.RawImage"}
_Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class Still:
    """A camera's message: `message` has the fields of a sensor_msgs image, and the rest is its header."""

    message: Any
    stamp: int
    frame_id: str


class Unreadable(ValueError):
    """A message that is none of its type."""


def is_picture(channel: Channel) -> bool:
    """Tell whether a channel's messages are images, colour or not."""
    if channel.encoding == "protobuf":
        return channel.kind in _PROTOBUF
    return channel.encoding in ("cdr", "ros1") and channel.kind in _ROS | _FOXGLOVE_ROS


def video_of(channel: Channel) -> str:
    """Name the kind of video that a channel holds, of which no picture can be taken by itself; empty for others."""
    name = channel.kind.rpartition("/")[2].rpartition(".")[2]
    return name if name in ("FFMPEGPacket", "CompressedVideo") else ""


class Stills:
    """Reads messages of image topics; definitions are those of the recording."""

    def __init__(self) -> None:
        self._readers: dict[Channel, Callable[[bytes], Any]] = {}

    def read(self, entry: Message) -> Still:
        """Read one; `Unreadable` where its bytes are not what its type says."""
        channel = entry.channel
        if channel not in self._readers:
            self._readers[channel] = _protobuf_reader(channel) if channel.encoding == "protobuf" else _reader(channel)
        try:
            found = self._readers[channel](entry.data)
        except broken() as error:
            raise Unreadable(f"the message is no {channel.kind}: {in_short(error)}") from error
        stamp = found.header.stamp
        return Still(found, int(stamp.sec) * 10**9 + int(stamp.nanosec), str(found.header.frame_id))


def _reader(channel: Channel) -> Callable[[bytes], Any]:
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    name = channel.kind if "/msg/" in channel.kind else channel.kind.replace("/", "/msg/")
    schema = channel.schema
    assert schema is not None
    if schema.data and schema.encoding != "ros2idl":
        store = get_typestore(Stores.EMPTY)
        store.register(get_types_from_msg(schema.data.decode(), name))
    elif schema.data:
        store = get_typestore(Stores.EMPTY)
        bar = "=" * 80 + "\n"
        for part in schema.data.decode().split(bar):
            text = part.partition("\n")[2] if part.startswith("IDL: ") else part
            store.register(get_types_from_idl(text) if text.strip() else {})
    else:
        store = get_typestore(Stores.ROS2_JAZZY)
    read = store.deserialize_ros1 if channel.encoding == "ros1" else store.deserialize_cdr
    if channel.kind not in _FOXGLOVE_ROS:
        return lambda data: read(data, name)

    def foxglove(data: bytes) -> Any:
        found = read(data, name)
        fields = {key: value for key, value in vars(found).items() if key not in ("timestamp", "frame_id")}
        return SimpleNamespace(header=_header(found.timestamp, found.frame_id), is_bigendian=0, **fields)

    return foxglove


def _protobuf_reader(channel: Channel) -> Callable[[bytes], Any]:
    raw = channel.kind.endswith("RawImage")

    def read(data: bytes) -> Any:
        fields = _fields(data)
        inner = _fields(_bytes(fields, 1))
        stamp = SimpleNamespace(sec=_number(inner, 1), nanosec=_number(inner, 2))
        if not raw:
            header = _header(stamp, _bytes(fields, 4).decode())
            return SimpleNamespace(header=header, data=_bytes(fields, 2), format=_bytes(fields, 3).decode())
        return SimpleNamespace(
            header=_header(stamp, _bytes(fields, 7).decode()),
            width=int.from_bytes(_fixed(fields, 2), "little"),
            height=int.from_bytes(_fixed(fields, 3), "little"),
            encoding=_bytes(fields, 4).decode(),
            step=int.from_bytes(_fixed(fields, 5), "little"),
            data=_bytes(fields, 6),
            is_bigendian=0,
        )

    return read


def _header(stamp: Any, frame_id: str) -> SimpleNamespace:
    return SimpleNamespace(stamp=stamp, frame_id=frame_id)


def _fields(data: bytes) -> _Fields:
    """Take a protobuf message apart: values by the numbers of their fields."""
    found: _Fields = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                if wire != 2:
                    raise ValueError(f"protobuf has no wire type {wire}")
                size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a protobuf field ends behind its message")
            value, at = data[at : at + size], at + size
        found.setdefault(number, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if not byte & 128:
            return value, at + place + 1
    raise ValueError("a protobuf number has no end")


def _last(fields: _Fields, number: int) -> Iterator[int | bytes]:
    yield from fields.get(number, [])[-1:]


def _bytes(fields: _Fields, number: int) -> bytes:
    return next((value for value in _last(fields, number) if isinstance(value, bytes)), b"")


_fixed = _bytes


def _number(fields: _Fields, number: int) -> int:
    return next((value for value in _last(fields, number) if isinstance(value, int)), 0)
