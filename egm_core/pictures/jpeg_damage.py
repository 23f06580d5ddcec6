"""Tells a JPEG whose middle is damaged, which decoders fill with grey or shift, and say nothing of to their callers.

libjpeg warns of such files in words that no Python library passes on, so its doings are watched: where it ran out of
data, data put before the next marker changes the picture, and where it had some left, taking the last of it away
changes nothing. Both cost another decoding. Markers of restart that are missing or out of order cost none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.pictures.file import FRAMES, JPEG, MARKER

_SCAN, _END, _INTERVAL = 0xDA, 0xD9, 0xDD
_RESTARTS = range(0xD0, 0xD8)
# Huffman-coded, sequential or progressive: what the watching is made for.
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
# Bytes without a marker that say a lot to any Huffman table.
_MORE = bytes((37 * n + 91) % 251 + 1 for n in range(64))
_LEFT = 6
_GREY = 128


@dataclass(frozen=True)
class _Layout:
    """Where the coded data of a JPEG end (at markers), and what its header says."""

    kind: int
    scans: int
    ends: tuple[int, ...]
    restarts: tuple[int, ...]
    expected: int


def damage(data: bytes, flags: int = cv2.IMREAD_COLOR, image: NDArray[np.uint8] | None = None) -> str:
    """Say in what way a whole JPEG's coded data are damaged; empty where they are not, and for any other kind of file.

    `image` is what OpenCV made of the data by `flags`, where that is known.
    """
    layout = _layout(data) if data[: len(JPEG)] == JPEG else None
    if layout is None or layout.kind not in (*_SEQUENTIAL, _PROGRESSIVE) or not layout.ends:
        return ""
    if layout.expected and layout.kind in _SEQUENTIAL and layout.scans == 1:
        kept = layout.restarts
        if len(kept) < layout.expected or any(mark != n % 8 for n, mark in enumerate(kept)):
            return f"{len(kept)} of its {layout.expected} restart markers are there, or their order is broken"
    whole = _decoded(data, flags) if image is None else image
    if whole is None:
        return ""
    if not _same(whole, _decoded(_respliced(data, layout.ends, 0, _MORE), flags)):
        return "its coded data end before the picture does"
    last = data[layout.ends[-1] - _LEFT : layout.ends[-1]]
    # Padding is of one byte; grey cannot be told from what a decoder fills in; the rest is for one run of data alone.
    padded = len(set(last)) < 2
    judged = layout.kind in _SEQUENTIAL and len(layout.ends) == 1 and not padded and (whole[-16:, -16:] != _GREY).any()
    if judged and _same(whole, _decoded(_respliced(data, layout.ends, _LEFT, b""), flags)):
        return "its picture ends before its coded data do"
    return ""


def _layout(data: bytes) -> _Layout | None:
    """Read the segments of a JPEG; None where they cannot be followed to the end marker."""
    values = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(values[:-1] == 0xFF)
    following = values[at + 1]
    places = at[(following != 0x00) & (following != 0xFF)]
    here, kind, scans, interval, blocks = len(JPEG), 0, 0, 0, 0
    ends: list[int] = []
    restarts: list[int] = []
    while (found := MARKER.match(data, here)) is not None:
        marker, here = found[1][0], found.end()
        if marker == _END:
            expected = max(0, -(-blocks // interval) - 1) if interval else 0
            return _Layout(kind, scans, tuple(ends), tuple(restarts), expected)
        length = struct.unpack_from(">H", data, here)[0] if here + 2 <= len(data) else 0
        if marker in FRAMES and length >= 11:
            kind, blocks = marker, _blocks(data, here)
        elif marker == _INTERVAL and length == 4:
            interval = struct.unpack_from(">H", data, here + 2)[0]
        here += length
        if marker != _SCAN:
            continue
        scans += 1
        for place in map(int, places[np.searchsorted(places, here) :]):
            ends.append(place)
            here = place
            if int(values[place + 1]) not in _RESTARTS:
                break
            restarts.append(int(values[place + 1]) - _RESTARTS.start)
        else:
            return None
    return None


def _blocks(data: bytes, at: int) -> int:
    """Count the units that restart markers are counted in, of a frame whose components come in one scan."""
    height, width, count = struct.unpack_from(">HHB", data, at + 3)
    factors = [data[at + 9 + 3 * n] for n in range(count) if at + 9 + 3 * n < len(data)]
    across, down = max((f >> 4 for f in factors), default=1), max((f & 15 for f in factors), default=1)
    if count == 1:
        across = down = 1
    return int(-(-width // max(1, 8 * across)) * -(-height // max(1, 8 * down)))


def _respliced(data: bytes, ends: tuple[int, ...], less: int, more: bytes) -> bytes:
    """Take bytes away before each end of coded data, and put others there."""
    pieces, here = [], 0
    for end in ends:
        pieces += [data[here : max(here, end - less)], more]
        here = end
    return b"".join([*pieces, data[here:]])


def _decoded(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return None if image is None else np.asarray(image, np.uint8)


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8] | None) -> bool:
    return other is not None and np.array_equal(one, other)
