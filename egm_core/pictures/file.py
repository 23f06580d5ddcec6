"""What the bytes of a JPEG or PNG file say without decoding a pixel: its size, and whether all of it is there.

Cameras and tools append what is no part of the picture: line breaks and boundaries of an HTTP stream, fill bytes, a
phone's trailer. Decoders ignore that, and so does this module; what comes too short they fill with grey.
"""

from __future__ import annotations

import re
import struct

JPEG = b"\xff\xd8"
PNG = b"\x89PNG\r\n\x1a\n"

# Any number of fill bytes may come before a marker.
MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_EDGE = re.compile(rb"\xff[\xd8\xd9]")
_SCAN, _END = 0xDA, 0xD9
# Start of frame: C0 to CF, but for tables (C4, CC) and the reserved C8.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def cut_short(data: bytes | memoryview) -> bool:
    """Tell whether a JPEG or PNG ends before its picture does; False for any other kind of file."""
    start = bytes(data[: len(PNG)])
    if start.startswith(JPEG):
        return jpeg_end(bytes(data)) is None
    if start == PNG:
        return png_end(bytes(data)) is None
    return False


def jpeg_end(data: bytes) -> int | None:
    """Give where a JPEG's picture ends (after its end marker), or None where the data stops before that."""
    at = len(JPEG)
    while (found := MARKER.match(data, at)) is not None and at + 4 <= len(data):
        kind, at = found[1][0], found.end()
        if kind == _END:
            return at
        if kind == _SCAN:
            # Compressed data writes a byte FF as FF 00, so an end marker there is one; so is another picture's start,
            # after which the rest of this one was lost.
            edge = _EDGE.search(data, at)
            return edge.end() if edge is not None and edge[0][1] == _END else None
        if at + 2 > len(data):
            return None
        at += struct.unpack_from(">H", data, at)[0]
    return None


def jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Give a JPEG's (width, height) in pixels from its frame header; None where there is none."""
    head = bytes(data[: 1 << 16])
    if not head.startswith(JPEG):
        return None
    size = _jpeg_size(head)
    # An EXIF or ICC segment may fill the first 64 kB.
    return _jpeg_size(bytes(data)) if size is None and len(data) > len(head) else size


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = len(JPEG)
    while (found := MARKER.match(data, at)) is not None:
        kind, at = found[1][0], found.end()
        if kind in FRAMES:
            if at + 7 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, at + 3)
            return (width, height) if width and height else None
        if kind in (_SCAN, _END) or at + 2 > len(data):
            return None
        at += struct.unpack_from(">H", data, at)[0]
    return None


def png_end(data: bytes) -> int | None:
    """Give where a PNG's picture ends (after its IEND chunk), or None where the data stops before that."""
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if kind == b"IEND":
            return at if at <= len(data) else None
    return None


def deep_grey(data: bytes | memoryview) -> bool:
    """Tell whether a file is a PNG or TIFF of one channel with 16 bits or more, as depth is kept."""
    head = bytes(data[:64])
    if head.startswith(PNG):
        # IHDR: bits of a sample, then the colour type, 0 for grey.
        return len(head) > 25 and head[24] == 16 and head[25] == 0
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_is_deep_grey(bytes(data))
    return False


def _tiff_is_deep_grey(data: bytes) -> bool:
    """Read samples per pixel (tag 277) and bits per sample (258) from a TIFF's first directory."""
    order = "<" if data[:2] == b"II" else ">"
    values = {277: 1, 258: 1}
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        for entry in range(min(count, 256)):
            tag, _, number = struct.unpack_from(order + "HHI", data, at + 2 + 12 * entry)
            # Two values or fewer stand in the entry itself.
            if tag in values and number <= 2:
                (values[tag],) = struct.unpack_from(order + "H", data, at + 10 + 12 * entry)
            elif tag in values:
                return False
    except struct.error:
        return False
    return values[277] == 1 and values[258] >= 16
