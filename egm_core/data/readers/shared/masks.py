"""Masks as data sets write them: run lengths and polygons, with their boxes and areas.

Most is known from the run lengths alone, so masks are hardly ever decoded.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from pycocotools import mask as library

from egm_core.boxes import Box
from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields

Rle: TypeAlias = dict[str, Any]
Polygons: TypeAlias = list[tuple[float, ...]]

# COCO's text of run lengths: six bits a character from "0", five of the number, one that says that it goes on.
_FIRST, _LAST, _MORE, _BITS, _SIGN = 48, 111, 0x20, 5, 0x10
_SIGNS = bytes(range(_FIRST, _LAST + 1))
_LONGEST = 11
_WEIGHTS = np.int64(1) << (_BITS * np.arange(_LONGEST + 1))
_COUNTING = np.arange(4096)
# Numbers of three points, the fewest that enclose anything.
_THREE = 6


def run_lengths(found: Any, name: str, place: Place) -> Rle:
    """Take a mask in run lengths, packed in a text as COCO does, or as a list of numbers."""
    record = found if isinstance(found, dict) else {}
    counts, size = record.get("counts"), record.get("size")
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(n) is int and 0 < n <= fields.LONGEST for n in size)
    ):
        raise place.wrong(name, found, "a mask must stand here: size [height, width] and counts")
    height, width = size
    if isinstance(counts, list):
        if not all(type(n) is int and n >= 0 for n in counts) or sum(counts) != height * width:
            raise place.wrong(f"{name}.counts", counts, f"run lengths that make {height} x {width} must stand here")
        return dict(library.frPyObjects({"counts": counts, "size": size}, height, width))
    if not isinstance(counts, str):
        raise place.wrong(f"{name}.counts", counts, "run lengths must stand here, as a text or a list")
    # The library trusts the text, and would not come back from one that is cut short.
    if _total(counts) != height * width:
        raise place.wrong(f"{name}.counts", counts, f"run lengths that make {height} x {width} must stand here")
    return {"counts": counts.encode(), "size": size}


def polygons(found: Any, name: str, place: Place) -> Polygons:
    """Take an outline: one flat list of x and y, or a list of such lists."""
    parts = found if isinstance(found, list) and found and isinstance(found[0], list) else [found]
    outline = [fields.numbers(part, name, place) for part in parts]
    if any(len(part) % 2 for part in outline):
        raise place.wrong(name, found, "pairs of x and y must stand here")
    return outline


def is_rle(found: Any) -> bool:
    """Tell whether a value is a mask in run lengths, and no polygon."""
    return isinstance(found, dict)


def box_of(mask: Rle) -> Box | None:
    """Give the box around a mask's pixels; None where it has none."""
    x, y, width, height = map(float, library.toBbox(mask))
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def outline_box(outline: Polygons) -> Box:
    """Give the box around polygons; it has no area where there is none, or none has three points."""
    if not any(len(part) >= _THREE for part in outline):
        return 0.0, 0.0, 0.0, 0.0
    xs, ys = (list(chain.from_iterable(part[first::2] for part in outline)) for first in (0, 1))
    return min(xs), min(ys), max(xs), max(ys)


def pixels(mask: Rle) -> int:
    """Count a mask's pixels."""
    return int(library.area(mask))


def outline_area(outline: Polygons) -> float:
    """Give the area inside polygons, which should not overlap."""
    total = 0.0
    for part in outline:
        x, y = part[::2], part[1::2]
        total += abs(sum(a * d - b * c for a, b, c, d in zip(x, y, x[1:] + x[:1], y[1:] + y[:1], strict=True))) / 2
    return total


def filled(outline: Polygons, height: int, width: int) -> Rle:
    """Fill polygons; what is outside the picture is cut, and parts of fewer than three points have no pixel."""
    parts = [list(part) for part in outline if len(part) >= _THREE]
    if not parts:
        return {
            "counts": library.frPyObjects({"counts": [height * width], "size": [height, width]}, height, width)[
                "counts"
            ],
            "size": [height, width],
        }
    return dict(library.merge(library.frPyObjects(parts, height, width)))


def meet(one: Rle, other: Rle) -> bool:
    """Tell whether two masks of a picture share a pixel."""
    return one["size"] == other["size"] and int(library.area(library.merge([one, other], True))) > 0


def _total(text: str) -> int:
    """Add up packed run lengths; -1 where they are none."""
    data = text.encode("utf-8", "surrogatepass")
    if not data or data.translate(None, _SIGNS):
        return -1
    codes = np.frombuffer(data, np.uint8) - np.uint8(_FIRST)
    ends = (codes < _MORE).nonzero()[0]
    if not ends.size or ends[-1] != codes.size - 1:
        return -1
    lengths = ends.copy()
    lengths[1:] -= ends[:-1]
    lengths[0] += 1
    if int(lengths.max()) > _LONGEST:
        return -1
    # A number's digits begin with its least.
    places = _COUNTING[: codes.size] if codes.size <= _COUNTING.size else np.arange(codes.size)
    starts = ends - lengths + 1
    digits = (codes & (_MORE - 1)) * _WEIGHTS[places - starts.repeat(lengths)]
    values = np.add.reduceat(digits, starts)
    values -= ((codes[ends] & _SIGN) > 0) * _WEIGHTS[lengths]
    # From the fourth on, each number is the difference to the one before the last.
    values[1::2] = values[1::2].cumsum()
    values[2::2] = values[2::2].cumsum()
    return -1 if int(values.min()) < 0 else int(values.sum())
