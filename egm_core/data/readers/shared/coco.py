"""Files in COCO's layout: images, annotations and categories, in whatever order they stand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.named import Found, Shown
from egm_core.sample.shown import shown

ROUNDING = 1e-6


@dataclass(frozen=True)
class Layout:
    """What a file says: its pictures and categories by their ids, and its objects in their order."""

    images: dict[Hashable, Shown] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)


def layout(path: Path, take: Callable[[dict[str, Any], Place], Iterable[Found]], categories: bool = True) -> Layout:
    """Read a file; `take` gives the objects of one annotation, of which nothing else is kept."""
    made = Layout()
    names = ("images", "annotations", *(("categories",) if categories else ()))
    for name, number, record in arrays(path, names):
        place = Place(str(path), f"{name} {number}")
        record = fields.mapping(record, place)
        if "id" in record:
            place = Place(str(path), f"{name} {number} (id {shown(record['id'])})")
        if name == "annotations":
            made.found.extend(take(record, place))
        elif name == "images":
            picture = Shown(fields.text(record, "file_name", place), *fields.size(record, place))
            fields.once(made.images, fields.whole(record, "id", place), picture, "the image id", place)
        else:
            name = fields.text(record, "name", place)
            fields.once(made.categories, fields.whole(record, "id", place), name, "the category id", place)
    return made


def share(record: dict[str, Any], name: str, place: Place) -> float:
    """Take a number from 0 to 1."""
    found = fields.value(record, name, place)
    if not fields.is_number(found) or not -ROUNDING <= found <= 1 + ROUNDING:
        raise place.wrong(name, found, "a number from 0 to 1 must stand here")
    return min(1.0, max(0.0, float(found)))


def identity(record: dict[str, Any], place: Place) -> str:
    """Take an id, which is a number or a text."""
    found = fields.value(record, "id", place)
    return fields.text(record, "id", place) if isinstance(found, str) else str(fields.whole(record, "id", place))
