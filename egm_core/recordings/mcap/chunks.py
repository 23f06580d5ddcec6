"""Takes chunks of MCAP files apart, whole ones and those that were cut off."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from zlib import crc32

from egm_core.recordings.mcap.records import HEAD, Bytes, Cut


class Harmed(ValueError):
    """A chunk of which some or all is lost; its words say what."""


def zstd() -> Any:
    """Give the library for Zstandard: Python's own from 3.14 on, and before that the one that rosbags brings."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def opened(content: bytes) -> bytes:
    """Give the records of a chunk; `Harmed` where they are not what was written."""
    chunk = Bytes(content)
    chunk.take(16)
    size, sum_, way = chunk.whole(8), chunk.whole(4), chunk.text()
    records = _decompressed(chunk.take(chunk.whole(8)), way)
    if len(records) != size:
        raise Harmed(f"holds {len(records)} bytes, and {size} were written")
    if sum_ and crc32(records) != sum_:
        raise Harmed("is not what was written, by its checksum")
    return records


def salvaged(content: bytes) -> bytes:
    """Give what there is of the records of a chunk that was cut off; a whole one may be followed by a part."""
    chunk = Bytes(content)
    try:
        chunk.take(28)
        way = chunk.text()
        chunk.take(8)
    except (Cut, UnicodeDecodeError):
        return b""
    return _begun(content[chunk.at :], way)


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the operation codes and contents of records that follow each other; `Cut` where the last has no end."""
    view, at = memoryview(data), 0
    while at < len(data):
        if at + HEAD > len(data):
            raise Cut("the last record has no end")
        code, size = data[at], int.from_bytes(view[at + 1 : at + HEAD], "little")
        at += HEAD
        if at + size > len(data):
            raise Cut("the last record has no end")
        yield code, bytes(view[at : at + size])
        at += size


def _decompressed(data: bytes, way: str) -> bytes:
    if not way:
        return data
    whole, errors = _ways(way)
    try:
        return bytes(whole(data))
    except errors as error:
        raise Harmed(f"cannot be decompressed: {error}") from error


def _begun(data: bytes, way: str) -> bytes:
    if not way:
        return data
    _, errors = _ways(way)
    begun = zstd().ZstdDecompressor() if way == "zstd" else import_module("lz4.frame").LZ4FrameDecompressor()
    try:
        return bytes(begun.decompress(data))
    except errors:
        return b""


def _ways(way: str) -> tuple[Any, tuple[type[Exception], ...]]:
    if way == "zstd":
        library = zstd()
        return library.decompress, (library.ZstdError, EOFError, ValueError)
    if way == "lz4":
        return import_module("lz4.frame").decompress, (RuntimeError, EOFError, ValueError)
    raise Harmed(f"is compressed by {way!r}, and zstd and lz4 alone can be read")
