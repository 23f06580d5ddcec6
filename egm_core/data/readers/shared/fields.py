"""Takes fields out of decoded records; what is not as it must be is refused by file, record and field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from egm_core.boxes import Box
from egm_core.data.readers.kind import DataError, Place
from egm_core.sample import LARGEST, OVERHANG

LONGEST = 1_000_000
# Whole numbers of JSON may be larger than any float.
_HUGE = 1e300
# No id has more digits than 64 bits hold.
_MOST = 2**63
# What is said where boxes may be written in the other order.
SIDES = "boxes of x, y, width, height must be turned into corners first, as boxes.xywh_to_xyxy does"
CORNERS = ", and would not if it were x0, y0, x1, y1, where x, y, width, height are read"
_GONE = object()
_NUMBERS = {int, float}

_FLAGS = {"0": False, "0.0": False, "false": False, "no": False, "1": True, "1.0": True, "true": True, "yes": True}


def mapping(record: Any, place: Place) -> dict[str, Any]:
    """Take a record that is an object."""
    if not isinstance(record, dict):
        raise place.wrong("the record", record, "an object with named fields must stand here")
    return record


def value(record: dict[str, Any], name: str, place: Place) -> Any:
    """Take a field that must be there."""
    found = record.get(name, _GONE)
    if found is _GONE:
        raise place.error(f"the field {name!r} is missing; the record has {', '.join(map(str, record)) or 'none'}")
    return found


def text(record: dict[str, Any], name: str, place: Place) -> str:
    """Take a text that is not empty."""
    found = value(record, name, place)
    if not isinstance(found, str) or not found.strip() or not writable(found):
        raise place.wrong(name, found, "a text that is not empty must stand here")
    return found


def words(record: dict[str, Any], name: str, place: Place) -> str:
    """Take a text that may be empty, or not be there."""
    found = record.get(name)
    if found is None or found == "":
        return ""
    return text(record, name, place)


def writable(found: str) -> bool:
    """Tell whether a text can be written: JSON may hold halves of characters."""
    if found.isascii():
        return "\0" not in found
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in found


def identity(record: dict[str, Any], name: str, place: Place) -> str:
    """Take an id as text, which may be a text or a whole number; empty where there is none."""
    found = record.get(name)
    if found is None:
        return ""
    return text(record, name, place) if isinstance(found, str) else str(whole(record, name, place))


def whole(record: dict[str, Any], name: str, place: Place, low: int | None = None) -> int:
    """Take a whole number, of at least `low`; 3.0 will do."""
    found = value(record, name, place)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    right = isinstance(found, int) and not isinstance(found, bool) and -_MOST <= found < _MOST
    if not right or (low is not None and found < low):
        least = "" if low is None else f" of at least {low}"
        most = " of 64 bits at most" if isinstance(found, int) and not -_MOST <= found < _MOST else ""
        raise place.wrong(name, found, f"a whole number{least}{most} must stand here")
    return int(found)


def depth(record: dict[str, Any], name: str, place: Place) -> int:
    """Take a place in depth, 1 in front."""
    found = whole(record, name, place, 1)
    if found >= LARGEST:
        raise place.wrong(name, found, "1 for what is in front, or a few more, must stand here")
    return found


def flag(record: dict[str, Any], name: str, place: Place) -> bool:
    """Take a yes or no, which is no where it is not given; files write it as 0 and 1, too, and as texts."""
    found = record.get(name)
    if found is None or isinstance(found, bool):
        return bool(found)
    told = _FLAGS.get(str(found).strip().lower()) if isinstance(found, (str, int, float)) else None
    if told is None:
        raise place.wrong(name, found, "0 or 1, true or false must stand here")
    return told


def once(table: dict[Any, Any], key: Any, found: Any, what: str, place: Place) -> None:
    """Put something into a table by its id; an id that stands for two different things is an error."""
    if table.setdefault(key, found) != found:
        raise place.error(
            f"{what} {key} stands for something else further up; files that were put together must get new ids, "
            "or be read one by one"
        )


def size(record: dict[str, Any], place: Place) -> tuple[int, int]:
    """Take the picture's (width, height) in pixels."""
    return side(record, "width", place), side(record, "height", place)


def side(record: dict[str, Any], name: str, place: Place) -> int:
    """Take one of a picture's sides in pixels."""
    found = whole(record, name, place, 1)
    if found > LONGEST:
        raise place.wrong(name, found, "no picture is as large")
    return found


def listed(record: dict[str, Any], name: str, place: Place) -> list[Any]:
    """Take a list."""
    found = value(record, name, place)
    if not isinstance(found, list):
        raise place.wrong(name, found, "a list must stand here")
    return found


def numbers(found: Any, name: str, place: Place, count: int | None = None) -> tuple[float, ...]:
    """Take the value of a field as finite numbers, as many as `count`."""
    right = isinstance(found, (list, tuple)) and (count is None or len(found) == count)
    # Outlines have many numbers, so no step is taken for each.
    if right and found:
        # Whole numbers may be too large to be a float, so the ends are looked at first; a sum tells what is no number.
        right = set(map(type, found)) <= _NUMBERS and min(found) > -LARGEST and max(found) < LARGEST
        right = right and math.isfinite(sum(found))
    if not right:
        many = "numbers" if count is None else f"{count} numbers"
        raise place.wrong(name, found, f"a list of {many} must stand here")
    return tuple(map(float, found))


def xywh(record: dict[str, Any], name: str, place: Place) -> Box:
    """Take a box that is written as left, top, width and height, as corners; it may be empty."""
    x, y, width, height = numbers(value(record, name, place), name, place, 4)
    if width < 0 or height < 0:
        raise place.wrong(name, record[name], "left, top, width and height must stand here")
    return x, y, x + width, y + height


def xyxy(record: dict[str, Any], name: str, place: Place) -> Box:
    """Take a box that is written as corners; it may be empty."""
    x0, y0, x1, y1 = numbers(value(record, name, place), name, place, 4)
    if x1 < x0 or y1 < y0:
        raise place.wrong(
            name, record[name], f"x0, y0, x1, y1 must stand here, the second corner below and right; {SIDES}"
        )
    return x0, y0, x1, y1


def unusable(box: Box, width: int, height: int, sides: bool = False) -> str:
    """Say why a visible box can't be one in a picture of a size; empty where it can.

    `sides` says that it was written as x, y, width and height, so that it may be that two corners were meant.
    """
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        return "the box has no area"
    if min(x0, y0) < -OVERHANG or x1 > width + OVERHANG or y1 > height + OVERHANG:
        corners = sides and x1 - x0 > x0 >= 0 and y1 - y0 > y0 >= 0 and x1 - x0 <= width and y1 - y0 <= height
        return f"the box leaves the picture{CORNERS if corners else ''}"
    if min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0):
        return "the box has no area inside the picture"
    return ""


def is_number(found: Any) -> bool:
    """Tell whether a value is a finite number of a size that files have, and no bool."""
    return isinstance(found, (int, float)) and not isinstance(found, bool) and -_HUGE < found < _HUGE


def number(name: str, found: str, place: Place) -> float:
    """Take a number that is written as a text, in digits of ASCII: Python alone would take 1_0 for 10."""
    try:
        told = float(found) if found.isascii() and "_" not in found else math.nan
    except ValueError:
        told = math.nan
    if not is_number(told):
        raise place.wrong(name, found, "a number must stand here")
    return told


def lines(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read the records of a JSONL file one after the other, each with its place."""
    require(path)
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            empty = False
            place = Place(str(path), f"line {number}")
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise place.error(f"not JSON ({error}); one object a line must stand here") from error
            yield place, mapping(record, place)
    if empty:
        raise no_record(path)


def no_record(path: Path) -> DataError:
    """Make the error of a file that is empty."""
    return Place(str(path)).error("the file holds no record; copy it anew, or leave it out")


def document(path: Path) -> Any:
    """Read a JSON file whole."""
    require(path)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Place(str(path)).error(f"not JSON ({error}); copy it anew, and see that it is unpacked") from error


def require(path: Path) -> None:
    """Refuse a file that is not there."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise Place(str(path)).error(f"{what}; name a file")


def known(name: str, names: Sequence[str], what: str, place: Place) -> str:
    """Take one of some words; the error lists them."""
    if name not in names:
        raise place.error(f"there is no {what} {name!r}; there are {', '.join(names) or 'none'}")
    return name
