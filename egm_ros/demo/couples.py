"""Which two instructions the demonstration asks for together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from egm_core.boxes import Box, area

Frame = Mapping[int, tuple[Box, Box]]


def couples(asked: Mapping[str, int | None], frames: Sequence[Frame]) -> list[tuple[str, ...]]:
    """Put instructions in twos, in their order: with each the one whose object covers its own most, or is covered.

    `frames` hold the boxes of the objects, visible and amodal, of each picture. The last one, if it is alone, comes
    with one that was asked for right before.
    """
    left, found = list(asked), list[tuple[str, ...]]()
    while left:
        first = left.pop(0)
        if not left:
            return [*found, (found[-1][0], first) if found else (first,)]
        second = max(left, key=lambda other: meeting(asked[first], asked[other], frames))
        left.remove(second)
        found.append((first, second))
    return found


def meeting(one: int | None, other: int | None, frames: Sequence[Frame]) -> float:
    """Give how much of the smaller of two objects lies within the other one's box: 0 to 1, and -1 for the same one."""
    if one == other:
        return -1.0
    both = [(frame[one][1], frame[other][1]) for frame in frames if one in frame and other in frame]  # type: ignore[index]
    shares = [_common(a, b) / min(area(a), area(b)) for a, b in both if area(a) and area(b)]
    return float(np.mean(shares)) if shares else 0.0


def _common(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
