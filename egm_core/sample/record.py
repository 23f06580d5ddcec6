"""The record of a sample, and the check of one that is decoded."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any

from egm_core.boxes import Box
from egm_core.families import TASKS, Task
from egm_core.pictures.reference import mirrored
from egm_core.sample.shown import shown
from egm_core.sample.worlds import apart, licence_of

OVERHANG = 1.0
LARGEST = 1e9
# An amodal box may leave the image, but not by ten times its size: such a box is in another unit.
FARTHEST = 10


@dataclass(frozen=True)
class Sample:
    """An image with a referring expression and its truth.

    `bbox` is the visible box; `amodal_bbox` is the whole object's, which may leave the image, and None where it is not
    known. Both are None where the object is absent; `bbox` alone is None where it is wholly hidden, and then
    `visible_fraction` is 0. `truth` gives what is trained and scored. `reasoning` leads to the visible box,
    `amodal_reasoning` to the amodal one. `task` is "visible" or "amodal" where a record stands for that question alone,
    as selection writes it, and "" where it stands for both; with "amodal", `bbox` may be None for a visible box that
    is not known. Read from a file, `image` is the resolved path.

    `source` is the data set's name and `split` its split; the ids are those of the data set. `occluders` are the names
    of what hides the object, from front to back, and `occluder_boxes` are around what is seen of these, where that is
    known. `depth_order` is the object's place in depth, 1 in front. With `mirrored` the picture is flipped left to
    right on reading, and the boxes are already those of the mirrored picture. `world` is the kind of place that is
    shown, such as street, and `expression_kind` the kind of its words, where the data set tells: neither is a split.
    """

    image: str
    sent: str
    bbox: Box | None
    amodal_bbox: Box | None
    visible_fraction: float | None
    height: int
    width: int
    reasoning: str = ""
    source: str = ""
    split: str = ""
    amodal_reasoning: str = ""
    task: str = ""
    image_id: str = ""
    annotation_id: str = ""
    ref_id: str = ""
    sentence_id: str = ""
    licence: str = ""
    occluders: tuple[str, ...] = ()
    depth_order: int | None = None
    mirrored: bool = False
    category: str = ""
    occluder_boxes: tuple[Box, ...] = ()
    world: str = ""
    expression_kind: str = ""

    @property
    def picture(self) -> str:
        """What reading takes (`egm_core.pictures.source.read`): the image, marked where it is to be mirrored."""
        return mirrored(self.image, self.mirrored)

    @property
    def hidden(self) -> bool:
        """Whether the object is there, and nothing of it is seen."""
        return self.bbox is None and self.amodal_bbox is not None and self.visible_fraction == 0

    @property
    def absent(self) -> bool:
        """Whether nothing in the image fits the expression; a hidden object is there."""
        return self.bbox is None and self.amodal_bbox is None

    def truth(self, task: Task) -> Box | None:
        """Give the box that a task asks for, cut at the image's edges.

        None where the object is absent, its amodal box unknown, or nothing of that box inside the image.
        """
        box = self.bbox if task == "visible" else self.amodal_bbox
        if box is None:
            return None
        return _inside(box, self.width, self.height)

    def asks(self, task: Task) -> bool:
        """Tell whether the record has a question for a task: it stands for it, and the truth is known.

        A hidden object has no visible box to ask for, and one wholly beyond the image has no box at all.
        """
        return self.task in ("", task) and (self.absent or self.truth(task) is not None)


FIELDS = tuple(field.name for field in dataclasses.fields(Sample))
# Where a record's object comes from; a foreign file may have others that look alike, such as `license`.
ORIGIN = ("image_id", "annotation_id", "ref_id", "sentence_id", "licence", "category", "world", "expression_kind")
_KNOWN = frozenset(FIELDS)
VISIBLE_ALIAS = "modal_bbox"
REQUIRED = ("image", "sent", "bbox", "height", "width")


class SampleError(ValueError):
    """A record that can't be used; the message has file, line, field and remedy."""


def from_record(record: Any, place: str) -> Sample:
    """Check one decoded record; SampleError begins with `place`, such as `data.jsonl:12`."""
    if not isinstance(record, dict):
        raise SampleError(f"{place}: a record must be an object with the fields {', '.join(FIELDS)}")
    if VISIBLE_ALIAS in record:
        record = {"bbox": record[VISIBLE_ALIAS], **{k: v for k, v in record.items() if k != VISIBLE_ALIAS}}
    _check_names(record, place)
    task = _task(record, place)
    if task == "amodal" and "amodal_bbox" not in record:
        raise SampleError(
            f"{place}: task is 'amodal' and amodal_bbox is missing; give four numbers, or null where the object is "
            "absent"
        )
    width, height = _size(record, "width", place), _size(record, "height", place)
    visible = _box(record, "bbox", width, height, place)
    amodal = _box(record, "amodal_bbox", width, height, place, leaves=True)
    fraction = _fraction(record, place)
    if visible is None and amodal is not None and fraction != 0 and task != "amodal":
        raise SampleError(
            f"{place}: amodal_bbox is given and bbox is null; for an absent object give neither, for a wholly hidden "
            "one visible_fraction 0, for any other both, or task 'amodal' where the visible box is not known"
        )
    kinds = _id(record, "world", place), _id(record, "expression_kind", place)
    source, world, kind = apart(_text(record, "source", place), *kinds)
    return Sample(
        image=_text(record, "image", place, required=True),
        sent=_text(record, "sent", place, required=True),
        bbox=visible,
        amodal_bbox=amodal,
        visible_fraction=fraction,
        height=height,
        width=width,
        reasoning=_text(record, "reasoning", place),
        source=source,
        split=_text(record, "split", place),
        amodal_reasoning=_text(record, "amodal_reasoning", place),
        task=task,
        image_id=_id(record, "image_id", place),
        annotation_id=_id(record, "annotation_id", place),
        ref_id=_id(record, "ref_id", place),
        sentence_id=_id(record, "sentence_id", place),
        licence=licence_of(source, _id(record, "licence", place)),
        occluders=_names(record, "occluders", place),
        depth_order=_depth_order(record, place),
        mirrored=_flag(record, "mirrored", place),
        category=_id(record, "category", place),
        occluder_boxes=_boxes(record, "occluder_boxes", width, height, place),
        world=world,
        expression_kind=kind,
    )


def _check_names(record: dict[str, Any], place: str) -> None:
    for name in () if record.keys() <= _KNOWN else record.keys() - _KNOWN:
        absent = [field for field in FIELDS if field not in record and field not in ORIGIN]
        near = difflib.get_close_matches(str(name), absent, n=1, cutoff=0.8)
        if near:
            raise SampleError(f"{place}: unknown field {shown(name)}; did you mean {near[0]!r}?")
    for name in REQUIRED:
        if name not in record:
            remedy = "give four numbers, or null where the object is absent" if name == "bbox" else "add it"
            raise SampleError(f"{place}: the field {name!r} is missing; {remedy}")


def _text(record: dict[str, Any], name: str, place: str, required: bool = False) -> str:
    value = record.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise SampleError(f"{place}: {name} is {shown(value)}; give a text{' that is not empty' if required else ''}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise SampleError(f"{place}: {name} is {shown(value)}, which holds half of a character; write it anew")
    return value


def _task(record: dict[str, Any], place: str) -> str:
    task = _text(record, "task", place)
    if task not in ("", *TASKS):
        raise SampleError(f"{place}: task is {shown(task)}; give {' or '.join(TASKS)}, or leave it out for both")
    return task


def _id(record: dict[str, Any], name: str, place: str) -> str:
    """Read a text, or the number that many data sets have in its place."""
    value = record.get(name)
    if value is None or isinstance(value, str):
        return _text(record, name, place)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(record, name, place)


def _names(record: dict[str, Any], name: str, place: str) -> tuple[str, ...]:
    value = record.get(name)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise SampleError(f"{place}: {name} is {shown(value)}; give a list of texts")
    return tuple(_text({name: one}, name, place) for one in value)


def _depth_order(record: dict[str, Any], place: str) -> int | None:
    value = record.get("depth_order")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < LARGEST):
        raise SampleError(
            f"{place}: depth_order is {shown(value)}; give a whole number, 1 for the object in front, or null"
        )
    return value


def _flag(record: dict[str, Any], name: str, place: str) -> bool:
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise SampleError(f"{place}: {name} is {shown(value)}; give true or false")
    return bool(value)


def _size(record: dict[str, Any], name: str, place: str) -> int:
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < LARGEST:
        raise SampleError(f"{place}: {name} is {shown(value)}; give the image's size in whole pixels")
    return value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def far(box: Box, width: int, height: int) -> bool:
    """Tell whether a box leaves its picture by more than `FARTHEST` times the picture's size, on any side."""
    return min(box[0] / width, box[1] / height) < -FARTHEST or max(box[2] / width, box[3] / height) > FARTHEST + 1


def _box(record: dict[str, Any], name: str, width: int, height: int, place: str, leaves: bool = False) -> Box | None:
    """Read a box and cut it at the image's edges, unless it may leave the image; then it must not lie too far out."""
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or len(value) != 4 or not all(map(_number, value)):
        raise SampleError(f"{place}: {name} is {shown(value)}; give [x0, y0, x1, y1] in pixels, or null")
    x0, y0, x1, y1 = map(float, value)
    if x0 >= x1 or y0 >= y1:
        raise SampleError(
            f"{place}: {name} is {shown(value)}, which has no area; boxes are [x0, y0, x1, y1], not x, y, width, height"
        )
    if leaves:
        if far((x0, y0, x1, y1), width, height):
            raise SampleError(
                f"{place}: {name} is {shown(value)}, far out of the image of {width} x {height}; check that it is in "
                "pixels"
            )
        return x0, y0, x1, y1
    if min(x0, y0) < -OVERHANG or x1 > width + OVERHANG or y1 > height + OVERHANG:
        raise SampleError(
            f"{place}: {name} is {shown(value)} and leaves the image of {width} x {height}; cut it at the image's "
            "edges, and check that it is in pixels, not in thousandths, and that width and height aren't swapped"
        )
    inside = _inside((x0, y0, x1, y1), width, height)
    if inside is None:
        raise SampleError(
            f"{place}: {name} is {shown(value)}, which has no area inside the image of {width} x {height}"
        )
    return inside


def _boxes(record: dict[str, Any], name: str, width: int, height: int, place: str) -> tuple[Box, ...]:
    value = record.get(name)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise SampleError(f"{place}: {name} is {shown(value)}; give a list of boxes, each [x0, y0, x1, y1] in pixels")
    found = (_box({name: one}, name, width, height, place) for one in value)
    return tuple(box for box in found if box)


def _inside(box: Box, width: int, height: int) -> Box | None:
    """Cut a box at the image's edges; None where nothing is left. `boxes.clip` takes ten times as long for one box."""
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _fraction(record: dict[str, Any], place: str) -> float | None:
    value = record.get("visible_fraction")
    if value is None:
        return None
    if not _number(value) or not 0 <= value <= 1:
        raise SampleError(f"{place}: visible_fraction is {shown(value)}; give a number from 0 to 1, or null")
    return float(value)
