"""Regions of a COCO-Amodal annotation: what of each is hidden, and by which others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egm_core.boxes import Box
from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields, masks
from egm_core.data.readers.shared.coco import share
from egm_core.data.readers.shared.named import cleaned, exchanged, swapped

_PAIR = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
# A mask's box has whole pixels, and an outline's has not.
PIXEL = 1.0
# The author of files that `egm data write` makes, whose outlines and masks are boxes. Their regions say where they are
# from, have categories, and say what hides them by names and boxes as the sample had them. A region with `STANDS` is no
# object to ask for: it stands for what hides one.
BOXES = "egm"
NAMED = ("source", "split", "licence")
OWN = (*NAMED, "world", "expression_kind")
HIDES, HIDE_BOXES, DEPTH, STANDS = "occluders", "occluder_boxes", "depth_order", "only_hides"


@dataclass(frozen=True)
class Said:
    """What hides an object, by names and visible boxes, and its place in depth, where that is known."""

    names: tuple[str, ...]
    boxes: tuple[Box, ...]
    order: int | None


@dataclass(frozen=True)
class Region:
    """A region; its masks are None where it is wholly visible. `order` is 1 in front.

    `said` is what a file of boxes says itself of its depth and of what hides it.
    """

    place: Place
    order: int
    name: str
    stuff: bool
    outline: masks.Polygons
    amodal: Box
    visible: Box | None
    fraction: float
    seen: masks.Rle | None
    hidden: masks.Rle | None
    wrong: str = ""
    swapped: bool | None = None
    category: str = ""
    own: Mapping[str, str] | None = None
    said: Said | None = None
    stands: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """The (height, width) of its masks."""
        return (self.seen["size"][0], self.seen["size"][1]) if self.seen else None

    def seen_pixels(self, height: int, width: int) -> masks.Rle:
        """Give the mask of what is seen."""
        return self.seen or masks.filled(self.outline, height, width)


def regions(record: dict[str, Any], place: Place) -> list[Region]:
    """Read the regions of an annotation."""
    found = enumerate(fields.listed(record, "regions", place), 1)
    boxes = record.get("author") == BOXES
    return [_region(one, Place(place.file, f"{place.record}, region {number}"), boxes) for number, one in found]


def constraints(record: dict[str, Any], place: Place) -> dict[int, set[int]]:
    """Read which regions are in front of which: "1-2,1-5" says that region 1 is in front of 2 and of 5."""
    said = record.get("depth_constraint") or ""
    if not isinstance(said, str):
        raise place.wrong("depth_constraint", said, "a text such as 1-2,1-5 must stand here")
    behind: dict[int, set[int]] = {}
    for pair in filter(str.strip, said.split(",")):
        matched = _PAIR.fullmatch(pair)
        if not matched:
            raise place.wrong("depth_constraint", said, "pairs such as 1-2,1-5 must stand here, the front one first")
        behind.setdefault(int(matched[2]), set()).add(int(matched[1]))
    return behind


def occluders(one: Region, others: Sequence[Region], behind: Mapping[int, set[int]]) -> list[Region]:
    """Find the regions that hide a region, from front to back.

    They are in front of it by the constraints, or by their order where the constraints do not speak of it, and what is
    seen of them meets what is hidden of it.
    """
    box = masks.box_of(one.hidden) if one.hidden else None
    if one.hidden is None or box is None:
        return []
    height, width = one.hidden["size"]
    before = behind.get(one.order)
    front = [
        other
        for other in others
        if (other.order in before if before is not None else other.order < one.order)
        and other.visible is not None
        and _overlap(other.visible, box)
        and masks.meet(other.seen_pixels(height, width), one.hidden)
    ]
    return sorted(front, key=lambda other: other.order)


def cleaned_names(found: Sequence[Region]) -> tuple[str, ...]:
    """Give the names of regions as samples have them."""
    return tuple(cleaned(one.name) for one in found)


def snapped(visible: Box | None, amodal: Box) -> Box | None:
    """Move the edges of a mask's box that stand out of an outline's by less than a pixel to the outline's."""
    if visible is None:
        return None
    x0, y0 = (a if a - PIXEL < v < a else v for v, a in zip(visible[:2], amodal[:2], strict=True))
    x1, y1 = (a if a < v < a + PIXEL else v for v, a in zip(visible[2:], amodal[2:], strict=True))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else visible


def visible_share(rate: float, seen: masks.Rle, amodal_area: Callable[[], float]) -> float:
    """Give the share that is seen, from `occlude_rate`; what is hidden by it and still seen goes by its pixels."""
    count = masks.pixels(seen)
    if not count or rate < 1:
        return 1.0 - rate if count else 0.0
    whole = amodal_area()
    return min(1.0, count / whole) if whole > 0 else 1.0


def _region(found: Any, place: Place, boxes: bool) -> Region:
    record = fields.mapping(found, place)
    name = fields.value(record, "name", place)
    if not isinstance(name, str):
        raise place.wrong("name", name, "a text must stand here")
    stuff = record.get("isStuff", 0)
    if stuff not in (0, 1):
        raise place.wrong("isStuff", stuff, "0 or 1 must stand here")
    outline = masks.polygons(fields.value(record, "segmentation", place), "segmentation", place)
    amodal = masks.outline_box(outline)
    rate = share(record, "occlude_rate", place)
    seen, hidden = (
        masks.run_lengths(record[key], key, place) if record.get(key) is not None else None
        for key in ("visible_mask", "invisible_mask")
    )
    if seen is None and (hidden is not None or rate > 0):
        raise place.wrong("occlude_rate", record["occlude_rate"], "a region that is partly hidden needs visible_mask")
    if seen and hidden and seen["size"] != hidden["size"]:
        raise place.wrong("invisible_mask.size", hidden["size"], f"that of visible_mask is {seen['size']}")
    return Region(
        place,
        fields.depth(record, "order", place),
        name,
        bool(stuff),
        outline,
        amodal,
        amodal if seen is None else snapped(masks.box_of(seen), amodal),
        1.0 if seen is None else visible_share(rate, seen, lambda: masks.outline_area(outline)),
        seen,
        hidden,
        "" if seen is None else exchanged(masks.pixels(seen), masks.outline_area(outline)),
        None if seen is None or boxes else swapped(masks.pixels(seen), masks.pixels(hidden) if hidden else None, rate),
        fields.identity(record, "category", place) if boxes else "",
        {key: fields.words(record, key, place) for key in OWN if key in record} if boxes else None,
        _said(record, place) if boxes and HIDES in record else None,
        boxes and fields.flag(record, STANDS, place),
    )


def _said(record: dict[str, Any], place: Place) -> Said:
    names = fields.listed(record, HIDES, place)
    if not all(isinstance(name, str) and fields.writable(name) for name in names):
        raise place.wrong(HIDES, names, "a list of texts must stand here")
    found = fields.listed(record, HIDE_BOXES, place) if HIDE_BOXES in record else []
    drawn = tuple(fields.xyxy({HIDE_BOXES: one}, HIDE_BOXES, place) for one in found)
    return Said(tuple(names), drawn, None if record.get(DEPTH) is None else fields.depth(record, DEPTH, place))


def _overlap(one: Box, other: Box) -> bool:
    # Tens of thousands of pairs are compared, one by one.
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])
