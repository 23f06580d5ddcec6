"""RVL, the lossless code of depth images by A. D. Wilson (Fast Lossless Depth Image Compression, 2017): the decoder.

The code is a stream of numbers: how many pixels are 0, how many follow that are not, then for each of those by how much
it differs from the one before; and so on. A number is written in nibbles, three bits each from the lowest, and the
fourth bit says that another follows. Eight nibbles make a word of 32 bits, the first one highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Nibbles of the largest number that may come: 32 bits.
_LONGEST = 11


def decode(data: bytes | memoryview, count: int) -> NDArray[np.uint16]:
    """Decode so many values; raise ValueError where the data ends before them or are no such code."""
    numbers = _numbers(data)
    zeros, lengths, at, filled = [], [], 0, 0
    while filled < count:
        if at + 2 > len(numbers):
            raise ValueError(f"the code ends after {filled} of {count} values")
        empty, known = int(numbers[at]), int(numbers[at + 1])
        if not empty + known or empty + known > count - filled:
            raise ValueError(f"a run of {empty} empty and {known} known values after {filled} of {count}")
        zeros.append(empty)
        lengths.append(known)
        filled += empty + known
        at += 2 + known
    if at > len(numbers):
        raise ValueError(f"the code ends {at - len(numbers)} values before the last of {count}")
    runs = np.array([zeros, lengths], np.int64).T.ravel()
    is_known = np.repeat(np.tile([False, True], len(zeros)), runs)
    counts = np.zeros(at, bool)
    starts = np.cumsum([0, *(2 + length for length in lengths)], dtype=np.int64)[:-1]
    counts[starts] = counts[starts + 1] = True
    steps = numbers[:at][~counts]
    values = np.zeros(count, np.uint16)
    values[is_known] = np.cumsum((steps >> 1) ^ -(steps & 1)).astype(np.uint16)
    return values


def _numbers(data: bytes | memoryview) -> NDArray[np.int64]:
    """Read all numbers of a code; what is left of one at the end, where words are filled up, is dropped."""
    words = np.frombuffer(data, "<u4", len(data) // 4)
    nibbles = ((words[:, None] >> np.arange(28, -4, -4).astype(np.uint32)) & 15).astype(np.int64).ravel()
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        return np.zeros(0, np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if sizes.max() > _LONGEST:
        raise ValueError(f"a number of {sizes.max()} nibbles, where {_LONGEST} are the most")
    numbers = np.zeros(ends.size, np.int64)
    for place in range(int(sizes.max())):
        longer = np.flatnonzero(sizes > place)
        numbers[longer] |= (nibbles[starts[longer] + place] & 7) << (3 * place)
    return numbers
