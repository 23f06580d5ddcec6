"""Reads MCAP files from their beginning to their end, or to where they are damaged, in the order of the file.

No index is needed, so that a recording that was cut off is read as far as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from egm_core.recordings.entries import Beside, Channel, Entry, Overview, Schema
from egm_core.recordings.mcap import records
from egm_core.recordings.mcap.chunks import Harmed, opened, salvaged
from egm_core.recordings.mcap.chunks import records as records_of

Tell = Callable[[str], None]
# Indexes and offsets of the old file are of no use for a new one.
_KEPT_BESIDE = (records.ATTACHMENT, records.METADATA)
_PIECE = 1 << 24


def profile_of(file: Any, name: str) -> str:
    """Read a file's beginning: what its messages are said to be; ValueError where it is no MCAP file."""
    if _taken(file, len(records.MAGIC)) != records.MAGIC:
        raise ValueError(f"{name} is no MCAP file: it does not begin as one; name an .mcap or .db3 file, or a folder")
    head = _taken(file, records.HEAD)
    content = _taken(file, int.from_bytes(head[1:], "little")) if len(head) == records.HEAD else b""
    if not content or head[0] != records.HEADER:
        raise ValueError(f"{name} ends in its first bytes; copy it anew")
    return records.Bytes(content).text()


def entries(file: Any, name: str, tell: Tell) -> Iterator[Entry]:
    """Give what stands in a file behind its beginning; `tell` hears what is damaged, and so left out."""
    return _Reading(name, tell).all(file)


class _Reading:
    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._lost = 0

    def all(self, file: Any) -> Iterator[Entry]:
        while True:
            head = _taken(file, records.HEAD)
            if head[:1] and head[0] == records.DATA_END:
                break
            size = int.from_bytes(head[1:], "little")
            content = _taken(file, size) if len(head) == records.HEAD else b""
            if len(head) < records.HEAD or len(content) < size:
                yield from self._end(head, content)
                break
            if head[0] == records.FOOTER:
                break
            yield from self._chunk(content) if head[0] == records.CHUNK else self._one(head[0], content)
        if self._lost:
            self._tell(f"{self._name}: {self._lost} messages are of channels that were lost with a damaged part")

    def _end(self, head: bytes, content: bytes) -> Iterator[Entry]:
        """Take what there is of the last record of a file that was cut off."""
        what = "it ends without the end of a recording" if not head else "it ends in the middle of a record"
        self._tell(f"{self._name}: {what}, as when recording or copying was cut off; what stands before is taken")
        if len(head) == records.HEAD and head[0] == records.CHUNK:
            yield from self._some(salvaged(content))

    def _chunk(self, content: bytes) -> Iterator[Entry]:
        try:
            inner = opened(content)
        except (Harmed, records.Cut, UnicodeDecodeError) as error:
            self._tell(f"{self._name}: a chunk of {len(content)} bytes {error}; its messages are left out")
            return
        yield from self._some(inner)

    def _some(self, inner: bytes) -> Iterator[Entry]:
        found = records_of(inner)
        while True:
            try:
                one = next(found, None)
            except records.Cut:
                return
            if one is None:
                return
            yield from self._one(*one)

    def _one(self, code: int, content: bytes) -> Iterator[Entry]:
        try:
            if code == records.SCHEMA:
                number, schema = records.schema(content)
                self._schemas[number] = schema
            elif code == records.CHANNEL:
                number, channel = records.channel(content, self._schemas)
                if self._channels.get(number) != channel:
                    self._channels[number] = channel
                    yield channel
            elif code == records.MESSAGE:
                number = int.from_bytes(content[:2], "little")
                if number not in self._channels:
                    self._lost += 1
                    return
                yield records.message(content, self._channels)
            elif code in _KEPT_BESIDE:
                yield Beside(code, content)
        except (ValueError, UnicodeDecodeError) as error:
            self._tell(f"{self._name}: a record is damaged ({error}), and left out")


def overview(path: Path) -> Overview | None:
    """Read what the end of a file says of it; None where it was cut off, or says too little."""
    with path.open("rb") as file:
        profile = profile_of(file, str(path))
        if path.stat().st_size < file.tell() + records.TAIL:
            return None
        file.seek(-records.TAIL, 2)
        tail = file.read()
        start = int.from_bytes(tail[records.HEAD : records.HEAD + 8], "little")
        if not tail.endswith(records.MAGIC) or tail[0] != records.FOOTER or not start:
            return None
        file.seek(start)
        return _summed_up(file.read(path.stat().st_size - start - records.TAIL), profile)


def _summed_up(summary: bytes, profile: str) -> Overview | None:
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    counts: dict[int, int] | None = None
    try:
        for code, content in records_of(summary):
            if code == records.SCHEMA:
                number, schema = records.schema(content)
                schemas[number] = schema
            elif code == records.CHANNEL:
                number, channel = records.channel(content, schemas)
                channels[number] = channel
            elif code == records.STATISTICS:
                fields = records.Bytes(content)
                fields.take(42)
                inner = records.Bytes(fields.long())
                counts = {}
                while inner:
                    number = inner.whole(2)
                    counts[number] = inner.whole(8)
    except (ValueError, UnicodeDecodeError):
        return None
    if counts is None or not channels:
        return None
    totals: dict[str, int] = {}
    for number, channel in channels.items():
        totals[channel.topic] = totals.get(channel.topic, 0) + counts.get(number, 0)
    return Overview(profile, tuple(dict.fromkeys(channels.values())), totals)


def _taken(file: Any, size: int) -> bytes:
    """Read so many bytes, or what there is: a damaged length must not take all the memory."""
    if size <= _PIECE:
        return _exactly(file, size)
    pieces = []
    while size and (piece := _exactly(file, min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _exactly(file: BufferedIOBase, size: int) -> bytes:
    found = b""
    try:
        # What is decompressed on the way comes in smaller parts, and may end before its end.
        while len(found) < size and (more := file.read(size - len(found))):
            found += more
    except EOFError:
        pass
    return found
