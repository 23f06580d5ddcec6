"""One record for grounding data of any origin: generated scenes, robots, RefCOCO, amodal benchmarks.

A file is JSONL or parquet, one record a row, with the fields of `Sample`; `image`, `sent`, `bbox`, `height` and
`width` are required, the others may be left out. Image paths are relative to the file (or absolute); a picture in an
archive, a table or a video has a reference, see `egm_core.pictures.reference`. Boxes are absolute xyxy pixels;
`bbox: null` means that nothing in the image fits the expression, or, beside an amodal box, that nothing of it is seen.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from egm_core.boxes import Box, area, clip
from egm_core.families import TASKS, Task
from egm_core.pictures.reference import below, mirrored, moved

OVERHANG = 1.0
LARGEST = 1e9
# An amodal box may leave the image, but not by ten times its size: such a box is in another unit.
FARTHEST = 10
BATCH = 1024


@dataclass(frozen=True)
class Sample:
    """An image with a referring expression and its truth.

    `bbox` is the visible box; `amodal_bbox` is the whole object's, which may leave the image, and None where it is not
    known. Both are None where the object is absent; `bbox` alone is None where it is wholly hidden, and then
    `visible_fraction` is 0. `truth` gives what is trained and scored. `reasoning` leads to the visible box,
    `amodal_reasoning` to the amodal one. `task` is "visible" or "amodal" where a record stands for that question alone,
    as selection writes it, and "" where it stands for both. Read from a file, `image` is the resolved path.

    `source` is the data set's name and `split` its split; the ids are those of the data set. `occluders` are the names
    of what hides the object, from front to back, and `depth_order` is its place in depth, 1 in front. With `mirrored`
    the picture is flipped left to right on reading, and the boxes are already those of the mirrored picture.
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

    @property
    def picture(self) -> str:
        """What reading takes (`egm_core.pictures.source.read`): the image, marked where it is to be mirrored."""
        return mirrored(self.image, self.mirrored)

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
        inside = clip(box, self.width, self.height)
        return inside if area(inside) else None

    def asks(self, task: Task) -> bool:
        """Tell whether the record has a question for a task: it stands for it, and the truth is known.

        A hidden object has no visible box to ask for, and one wholly beyond the image has no box at all.
        """
        return self.task in ("", task) and (self.absent or self.truth(task) is not None)


FIELDS = tuple(field.name for field in dataclasses.fields(Sample))
# Where a record's object comes from; a foreign file may have others that look alike, such as `license`.
ORIGIN = ("image_id", "annotation_id", "ref_id", "sentence_id", "licence", "category")
# Those that files had before: written always, the others where there is something to say.
WRITTEN = FIELDS[: FIELDS.index("task") + 1]
_EMPTY = {field.name: field.default for field in dataclasses.fields(Sample)}
VISIBLE_ALIAS = "modal_bbox"
REQUIRED = ("image", "sent", "bbox", "height", "width")


class SampleError(ValueError):
    """A record that can't be used; the message has file, line, field and remedy."""


def read_samples(path: Path, image_root: Path | None = None) -> Iterator[Sample]:
    """Read the records of a `.jsonl` or `.parquet` file one after the other, without loading it whole.

    Relative image paths are resolved against `image_root`, by default the file's folder. Raises SampleError at the
    first bad record. Boxes that stand out of the image by a pixel at most, as rounding makes them, are clipped.
    """
    return (sample for _, sample in read_placed(path, image_root))


def read_placed(path: Path, image_root: Path | None = None) -> Iterator[tuple[str, Sample]]:
    """Read records as `read_samples` does, each with its place, such as `data.jsonl:12`."""
    path = Path(path)
    root = path.parent if image_root is None else Path(image_root)
    for place, record in _rows(path):
        sample = from_record(record, place)
        yield place, dataclasses.replace(sample, image=below(root, sample.image))


def write_samples(path: Path, samples: Iterable[Sample]) -> int:
    """Write records to a `.jsonl` or `.parquet` file and give their number.

    Image paths become relative to the file where they lie below its folder. The file appears when it is complete.
    """
    path = Path(path)
    writers = {".jsonl": _write_lines, ".parquet": _write_parquet}
    writer = writers.get(path.suffix) or _unknown_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    folder = os.path.abspath(path.parent)
    try:
        count = writer(part, (_to_record(sample, folder, f"{path}:{n}") for n, sample in enumerate(samples, 1)))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def missing_images(samples: Iterable[Sample]) -> list[str]:
    """List the images of samples that don't exist, each once, in order."""
    from egm_core.pictures.source import exists

    return [image for image in dict.fromkeys(s.image for s in samples) if not exists(image)]


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
    amodal = _box(record, "amodal_bbox", width, height, place, leaves=FARTHEST)
    fraction = _fraction(record, place)
    if visible is None and amodal is not None and fraction != 0:
        raise SampleError(
            f"{place}: amodal_bbox is given and bbox is null; for an absent object give neither, for a wholly hidden "
            "one visible_fraction 0, for any other both"
        )
    return Sample(
        image=_text(record, "image", place, required=True),
        sent=_text(record, "sent", place, required=True),
        bbox=visible,
        amodal_bbox=amodal,
        visible_fraction=fraction,
        height=height,
        width=width,
        reasoning=_text(record, "reasoning", place),
        source=_text(record, "source", place),
        split=_text(record, "split", place),
        amodal_reasoning=_text(record, "amodal_reasoning", place),
        task=task,
        image_id=_id(record, "image_id", place),
        annotation_id=_id(record, "annotation_id", place),
        ref_id=_id(record, "ref_id", place),
        sentence_id=_id(record, "sentence_id", place),
        licence=_id(record, "licence", place),
        occluders=_names(record, "occluders", place),
        depth_order=_depth_order(record, place),
        mirrored=_flag(record, "mirrored", place),
        category=_id(record, "category", place),
    )


def _check_names(record: dict[str, Any], place: str) -> None:
    for name in record:
        absent = [field for field in FIELDS if field not in record and field not in ORIGIN]
        near = difflib.get_close_matches(str(name), absent, n=1, cutoff=0.8) if name not in FIELDS else []
        if near:
            raise SampleError(f"{place}: unknown field {name!r}; did you mean {near[0]!r}?")
    for name in REQUIRED:
        if name not in record:
            remedy = "give four numbers, or null where the object is absent" if name == "bbox" else "add it"
            raise SampleError(f"{place}: the field {name!r} is missing; {remedy}")


def _text(record: dict[str, Any], name: str, place: str, required: bool = False) -> str:
    value = record.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise SampleError(f"{place}: {name} is {value!r}; give a text{' that is not empty' if required else ''}")
    return value


def _task(record: dict[str, Any], place: str) -> str:
    task = _text(record, "task", place)
    if task not in ("", *TASKS):
        raise SampleError(f"{place}: task is {task!r}; give {' or '.join(TASKS)}, or leave it out for both")
    return task


def _id(record: dict[str, Any], name: str, place: str) -> str:
    """Read a text, or the number that many data sets have in its place."""
    value = record.get(name)
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
        raise SampleError(f"{place}: {name} is {value!r}; give a list of texts")
    return tuple(value)


def _depth_order(record: dict[str, Any], place: str) -> int | None:
    value = record.get("depth_order")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise SampleError(f"{place}: depth_order is {value!r}; give a whole number, 1 for the object in front, or null")
    return value


def _flag(record: dict[str, Any], name: str, place: str) -> bool:
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise SampleError(f"{place}: {name} is {value!r}; give true or false")
    return bool(value)


def _size(record: dict[str, Any], name: str, place: str) -> int:
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SampleError(f"{place}: {name} is {value!r}; give the image's size in whole pixels")
    return value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def _box(record: dict[str, Any], name: str, width: int, height: int, place: str, leaves: int = 0) -> Box | None:
    """Read a box and cut it at the image's edges, unless it may leave the image by `leaves` times its size."""
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or len(value) != 4 or not all(map(_number, value)):
        raise SampleError(f"{place}: {name} is {value!r}; give [x0, y0, x1, y1] in pixels, or null")
    x0, y0, x1, y1 = map(float, value)
    if x0 >= x1 or y0 >= y1:
        raise SampleError(
            f"{place}: {name} is {value!r}, which has no area; boxes are [x0, y0, x1, y1], not x, y, width, height"
        )
    if leaves:
        if min(x0 / width, y0 / height) < -leaves or max(x1 / width, y1 / height) > leaves + 1:
            raise SampleError(
                f"{place}: {name} is {value!r}, far out of the image of {width} x {height}; check that it is in pixels"
            )
        return x0, y0, x1, y1
    clipped = clip((x0, y0, x1, y1), width, height)
    if min(x0, y0) < -OVERHANG or x1 > width + OVERHANG or y1 > height + OVERHANG:
        raise SampleError(
            f"{place}: {name} is {value!r} and leaves the image of {width} x {height}; clip it with boxes.clip, and "
            "check that it is in pixels, not in thousandths, and that width and height aren't swapped"
        )
    if not area(clipped):
        raise SampleError(f"{place}: {name} is {value!r}, which has no area inside the image of {width} x {height}")
    return clipped


def _fraction(record: dict[str, Any], place: str) -> float | None:
    value = record.get("visible_fraction")
    if value is None:
        return None
    if not _number(value) or not 0 <= value <= 1:
        raise SampleError(f"{place}: visible_fraction is {value!r}; give a number from 0 to 1, or null")
    return float(value)


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    readers = {".jsonl": _read_lines, ".parquet": _read_parquet}
    reader = readers.get(path.suffix) or _unknown_suffix(path)
    if not path.is_file():
        raise SampleError(f"{path}: no such file; export scenes to it, or bring your own records")
    return reader(path)


def _unknown_suffix(path: Path) -> NoReturn:
    raise SampleError(f"{path}: unknown kind of file; sample files end in .jsonl or .parquet")


def _read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            place = f"{path}:{number}"
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise SampleError(f"{place}: not JSON ({error}); write one object a line") from error


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except ArrowInvalid as error:
        raise SampleError(f"{path}: not a parquet file ({error}); write it anew with write_samples") from error
    with file:
        number = 0
        for batch in file.iter_batches(BATCH):
            for record in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", record


def _to_record(sample: Sample, folder: str, place: str) -> dict[str, Any]:
    record = {name: getattr(sample, name) for name in FIELDS}
    record["image"] = moved(sample.image, lambda path: _seen_from(folder, path))
    from_record(record, place)
    return record


def _seen_from(folder: str, path: str) -> str:
    whole, inside = os.path.abspath(path), folder.rstrip(os.sep) + os.sep
    return whole.removeprefix(inside)


def _write_lines(path: Path, records: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            told = {name: value for name, value in record.items() if name in WRITTEN or value != _EMPTY[name]}
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(path: Path, records: Iterator[dict[str, Any]]) -> int:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    box, text = pa.list_(pa.float64()), pa.string()
    kinds = {
        "bbox": box,
        "amodal_bbox": box,
        "visible_fraction": pa.float64(),
        "height": pa.int64(),
        "width": pa.int64(),
        "occluders": pa.list_(text),
        "depth_order": pa.int64(),
        "mirrored": pa.bool_(),
    }
    schema = pa.schema([(name, kinds.get(name, text)) for name in FIELDS])
    count = 0
    with ParquetWriter(path, schema) as writer:
        while batch := list(islice(records, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
    return count
