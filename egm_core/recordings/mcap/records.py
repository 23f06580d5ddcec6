"""The records of MCAP files, as https://mcap.dev/spec lays them out."""

from __future__ import annotations

import struct

from egm_core.recordings.entries import Channel, Message, Schema

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
ATTACHMENT, ATTACHMENT_INDEX, STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = range(9, 16)
# An operation code and a length.
HEAD = 9
# The footer's record and the end mark.
TAIL = HEAD + 20 + len(MAGIC)
_MESSAGE = struct.Struct("<HIQQ")


class Cut(ValueError):
    """Bytes that end before what they say that they hold."""


class Bytes:
    """Reads the fields of one record, one after the other; `Cut` where it is too short for them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, size: int) -> bytes:
        """Give so many bytes."""
        end = self.at + size
        if end > len(self.data):
            raise Cut(f"a record of {len(self.data)} bytes should have {end}")
        found, self.at = self.data[self.at : end], end
        return found

    def whole(self, size: int) -> int:
        """Give a whole number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def long(self) -> bytes:
        """Give bytes whose length stands before them, in four bytes."""
        return self.take(self.whole(4))

    def text(self) -> str:
        """Give a text."""
        return self.long().decode()

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Give pairs of texts."""
        inner = Bytes(self.long())
        found = []
        while inner:
            found.append((inner.text(), inner.text()))
        return tuple(found)


def schema(content: bytes) -> tuple[int, Schema]:
    """Read a schema and its number."""
    record = Bytes(content)
    return record.whole(2), Schema(record.text(), record.text(), record.long())


def channel(content: bytes, schemas: dict[int, Schema]) -> tuple[int, Channel]:
    """Read a channel and its number; 0 stands for no schema."""
    record = Bytes(content)
    number, kind = record.whole(2), record.whole(2)
    if kind and kind not in schemas:
        raise ValueError(f"channel {number} is of schema {kind}, which the file does not have")
    return number, Channel(record.text(), schemas.get(kind), record.text(), record.pairs())


def message(content: bytes, channels: dict[int, Channel]) -> Message:
    """Read a message."""
    if len(content) < _MESSAGE.size:
        raise Cut(f"a message of {len(content)} bytes should have {_MESSAGE.size} and more")
    number, sequence, log_time, publish_time = _MESSAGE.unpack_from(content)
    if number not in channels:
        raise ValueError(f"a message is of channel {number}, which the file does not have")
    return Message(channels[number], log_time, publish_time, content[_MESSAGE.size :], sequence)


def long(data: bytes) -> bytes:
    """Write bytes behind their length."""
    return len(data).to_bytes(4, "little") + data


def text(value: str) -> bytes:
    """Write a text."""
    return long(value.encode())


def pairs(values: tuple[tuple[str, str], ...]) -> bytes:
    """Write pairs of texts."""
    return long(b"".join(text(name) + text(value) for name, value in values))


def record(code: int, content: bytes) -> bytes:
    """Write a record."""
    return struct.pack("<BQ", code, len(content)) + content


def schema_content(number: int, kind: Schema) -> bytes:
    """Write a schema's content."""
    return number.to_bytes(2, "little") + text(kind.name) + text(kind.encoding) + long(kind.data)


def channel_content(number: int, kind: int, entry: Channel) -> bytes:
    """Write a channel's content."""
    head = struct.pack("<HH", number, kind)
    return head + text(entry.topic) + text(entry.encoding) + pairs(entry.metadata)


def message_content(number: int, entry: Message) -> bytes:
    """Write a message's content."""
    return _MESSAGE.pack(number, entry.sequence, entry.log_time, entry.publish_time) + entry.data
