"""Reads recordings in SQLite and those of ROS 1 by the library rosbags, as entries that MCAP can hold."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from io import StringIO
from operator import attrgetter
from pathlib import Path
from typing import Any

from egm_core.recordings.entries import Channel, Entry, Message, Overview, Schema

LONG = 300
QOS = "offered_qos_profiles"
_ENCODINGS = {"MSG": "ros2msg", "IDL": "ros2idl"}


@lru_cache
def broken() -> tuple[type[Exception], ...]:
    """Give what damaged recordings make rosbags raise: its own errors, and those of all that it reads by."""
    theirs = {
        "rosbags.highlevel": "AnyReaderError",
        "rosbags.rosbag1": "ReaderError",
        "rosbags.rosbag2": "ReaderError",
        "rosbags.rosbag2.storage_mcap": "zstd.ZstdError",
        "rosbags.rosbag2.storage_sqlite3": "apsw.Error",
    }
    named = tuple(attrgetter(name)(import_module(module)) for module, name in theirs.items())
    general = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
    return (*named, *general, RuntimeError, EOFError, MemoryError, struct.error)


def in_short(error: Exception) -> str:
    """Say an error in one line: YAML's have many, with the text itself."""
    return " ".join(str(error).split())[:LONG] or type(error).__name__


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a recording; ValueError where it is none."""
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except broken() as error:
        raise ValueError(
            f"{path} cannot be read as a bag at its beginning: {in_short(error)}; see that the recording was ended, and"
            " copy it anew"
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def overview(path: Path) -> Overview:
    """Say which topics a recording has, and how many messages of each."""
    with opened(path) as reader:
        counts: dict[str, int] = {}
        for connection in reader.connections:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        channels = tuple(dict.fromkeys(channel_of(connection, reader) for connection in reader.connections))
        return Overview("ros2" if reader.is2 else "", channels, counts)


def entries(path: Path, tell: Callable[[str], None]) -> Iterator[Entry]:
    """Give a recording's channels, and its messages in the order of their times, as far as they can be read."""
    with opened(path) as reader:
        channels = [channel_of(connection, reader) for connection in reader.connections]
        # Connections of one recording may be equal but for their number.
        by_number = {
            (id(connection.owner), connection.id): channel
            for connection, channel in zip(reader.connections, channels, strict=True)
        }
        yield from dict.fromkeys(channels)
        found, count = reader.messages(), 0
        while True:
            try:
                one = next(found, None)
            except broken() as error:
                tell(f"{path}: is damaged after {count} messages ({in_short(error)}); what stands before is taken")
                return
            if one is None:
                return
            connection, stamp, data = one
            count += 1
            yield Message(by_number[id(connection.owner), connection.id], stamp, stamp, bytes(data))


def channel_of(connection: Any, reader: Any) -> Channel:
    """Make the channel of a connection, with its quality of service, or with what ROS 1 says of a publisher."""
    if not reader.is2:
        name = connection.msgtype.replace("/msg/", "/")
        schema = Schema(name, "ros1msg", connection.msgdef.data.encode())
        known = (("callerid", connection.ext.callerid), ("latching", connection.ext.latching))
        publisher = tuple((key, str(value)) for key, value in known if value is not None)
        return Channel(connection.topic, schema, "ros1", (("md5sum", connection.digest), *publisher))
    encoding, data = _ENCODINGS.get(connection.msgdef.format.name, ""), connection.msgdef.data
    if not encoding:
        encoding, data = _definition(connection.msgtype, reader)
    schema = Schema(connection.msgtype, encoding, data.encode())
    # Every reader since Humble can read numbers, and words those since Jazzy alone.
    qualities = written(connection.ext.offered_qos_profiles, numbers=True)
    told: tuple[tuple[str, str], ...] = ((QOS, qualities),) if qualities else ()
    if connection.digest:
        told = (*told, ("topic_type_hash", connection.digest))
    return Channel(connection.topic, schema, connection.ext.serialization_format, told)


def _definition(kind: str, reader: Any) -> tuple[str, str]:
    """Write a type's definition, which recordings before Iron lack, as the library knows it; empty for others."""
    if kind not in reader.typestore.fielddefs:
        return "", ""
    return "ros2msg", reader.typestore.generate_msgdef(kind, ros_version=2)[0]


def written(qualities: list[Any], numbers: bool) -> str:
    """Write qualities of service in words, as recordings have them since Jazzy, or in numbers, as before."""
    from rosbags.rosbag2.metadata import dump_qos_v8, dump_qos_v9
    from ruamel.yaml import YAML

    if not qualities:
        return ""
    if numbers:
        return str(dump_qos_v8(qualities))
    stream, yaml = StringIO(), YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.dump(dump_qos_v9(qualities), stream)
    return stream.getvalue().strip()
