"""Writes MCAP files with chunks, indexes and checksums, under another name until they are complete."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from zlib import crc32

from egm_core import __version__
from egm_core.recordings.entries import Beside, Channel, Message, Schema
from egm_core.recordings.mcap import records
from egm_core.recordings.mcap.chunks import zstd
from egm_core.sample.whole import FULL

if TYPE_CHECKING:
    from typing import Self

CHUNK_BYTES = 1 << 20
PART = ".part"
# Pictures are compressed already, and what is not gets smaller at once.
LEVEL = 1


class Writer:
    """Writes one file; it comes to its name when `finish` ends, and nothing is left of one that does not get there."""

    def __init__(self, path: Path, profile: str, compressed: bool = True) -> None:
        self.path, self._part = path, path.with_name(path.name + PART)
        self._compressed, self._library = compressed, zstd() if compressed else None
        self._file = self._part.open("wb")
        self._schemas: dict[Schema, int] = {}
        self._channels: dict[Channel, int] = {}
        self._counts: dict[int, int] = {}
        self._chunk = bytearray()
        self._index: dict[int, list[tuple[int, int]]] = {}
        self._times: list[int] = []
        self._chunk_indexes: list[bytes] = []
        self._beside: list[bytes] = []
        self._numbers = {records.ATTACHMENT: 0, records.METADATA: 0}
        self._span: tuple[int, int] | None = None
        self._file.write(records.MAGIC)
        self._record(records.HEADER, records.text(profile) + records.text(f"egm {__version__}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            # What is still in the buffer goes the way of the rest.
            with suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
            # Where a disk is full, the system does not say which file was written.
            error.filename = str(self.path)

    def add(self, channel: Channel) -> None:
        """Write a channel, once."""
        if channel in self._channels:
            return
        kind = 0
        if channel.schema is not None:
            kind = self._schemas.get(channel.schema, 0)
            if not kind:
                kind = self._schemas[channel.schema] = len(self._schemas) + 1
                self._chunk += records.record(records.SCHEMA, records.schema_content(kind, channel.schema))
        number = self._channels[channel] = len(self._channels) + 1
        self._counts[number] = 0
        self._chunk += records.record(records.CHANNEL, records.channel_content(number, kind, channel))

    def write(self, message: Message) -> None:
        """Write a message."""
        self.add(message.channel)
        number = self._channels[message.channel]
        self._index.setdefault(number, []).append((message.log_time, len(self._chunk)))
        self._times.append(message.log_time)
        self._counts[number] += 1
        self._chunk += records.record(records.MESSAGE, records.message_content(number, message))
        if len(self._chunk) >= CHUNK_BYTES:
            self._end_chunk()

    def keep(self, beside: Beside) -> None:
        """Write an attachment or a record of metadata."""
        self._end_chunk()
        start = self._file.tell()
        size = self._record(beside.code, beside.content)
        self._numbers[beside.code] += 1
        fields = records.Bytes(beside.content)
        if beside.code == records.METADATA:
            index = struct.pack("<QQ", start, size) + records.text(fields.text())
            self._beside.append(records.record(records.METADATA_INDEX, index))
            return
        times = fields.take(16)
        name, kind = fields.text(), fields.text()
        index = struct.pack("<QQ", start, size) + times + fields.take(8) + records.text(name) + records.text(kind)
        self._beside.append(records.record(records.ATTACHMENT_INDEX, index))

    def metadata(self, name: str, values: dict[str, str]) -> None:
        """Write a record of metadata."""
        self.keep(Beside(records.METADATA, records.text(name) + records.pairs(tuple(values.items()))))

    def finish(self) -> None:
        """Write the indexes, and put the file in its place."""
        self._end_chunk()
        self._record(records.DATA_END, bytes(4))
        start, offsets, summary = self._file.tell(), [], b""
        for code, group in self._summary():
            if group:
                at = start + len(summary)
                summary += b"".join(group)
                length = start + len(summary) - at
                offsets.append(records.record(records.SUMMARY_OFFSET, struct.pack("<BQQ", code, at, length)))
        there = start + len(summary)
        summary += b"".join(offsets)
        foot = struct.pack("<BQQQ", records.FOOTER, 20, start, there)
        self._file.write(summary + foot + struct.pack("<I", crc32(summary + foot)) + records.MAGIC)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)

    def _summary(self) -> list[tuple[int, list[bytes]]]:
        kinds = [
            records.record(records.SCHEMA, records.schema_content(number, schema))
            for schema, number in self._schemas.items()
        ]
        channels = [
            records.record(
                records.CHANNEL,
                records.channel_content(number, self._schemas[entry.schema] if entry.schema else 0, entry),
            )
            for entry, number in self._channels.items()
        ]
        first, last = self._span or (0, 0)
        counts = b"".join(struct.pack("<HQ", number, count) for number, count in self._counts.items())
        numbers = struct.pack(
            "<QHIIIIQQ", sum(self._counts.values()), len(kinds), len(channels), self._numbers[records.ATTACHMENT],
            self._numbers[records.METADATA], len(self._chunk_indexes), first, last,
        )  # fmt: skip
        attached = [entry for entry in self._beside if entry[0] == records.ATTACHMENT_INDEX]
        told = [entry for entry in self._beside if entry[0] == records.METADATA_INDEX]
        return [
            (records.SCHEMA, kinds),
            (records.CHANNEL, channels),
            (records.STATISTICS, [records.record(records.STATISTICS, numbers + records.long(counts))]),
            (records.CHUNK_INDEX, self._chunk_indexes),
            (records.ATTACHMENT_INDEX, attached),
            (records.METADATA_INDEX, told),
        ]

    def _record(self, code: int, content: bytes) -> int:
        return self._file.write(records.record(code, content))

    def _end_chunk(self) -> None:
        if not self._chunk:
            return
        inner, way = bytes(self._chunk), "zstd" if self._compressed else ""
        data = self._library.compress(inner, LEVEL) if self._library is not None else inner
        times = (min(self._times), max(self._times)) if self._times else (0, 0)
        if self._times:
            before = self._span or times
            self._span = min(before[0], times[0]), max(before[1], times[1])
        head = struct.pack("<QQQI", *times, len(inner), crc32(inner)) + records.text(way)
        start = self._file.tell()
        length = self._record(records.CHUNK, head + struct.pack("<Q", len(data)) + data)
        offsets, after = b"", self._file.tell()
        for number, rows in self._index.items():
            offsets += struct.pack("<HQ", number, self._file.tell())
            packed = b"".join(struct.pack("<QQ", *row) for row in rows)
            self._record(records.MESSAGE_INDEX, number.to_bytes(2, "little") + records.long(packed))
        index = struct.pack("<QQQQ", *times, start, length) + records.long(offsets)
        index += struct.pack("<Q", self._file.tell() - after) + records.text(way)
        index += struct.pack("<QQ", len(data), len(inner))
        self._chunk_indexes.append(records.record(records.CHUNK_INDEX, index))
        self._chunk, self._index, self._times = bytearray(), {}, []
