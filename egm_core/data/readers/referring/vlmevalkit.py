"""VLMEvalKit's table `RefCOCO.tsv`: a row is a sentence with its picture in base64.

A cell that is too short for a picture names the row, by its index, that has it. An index is not unique before the
split is put in front, so it is looked for among the rows of the same category.
"""

from __future__ import annotations

import argparse
import base64
import csv
from collections.abc import Iterator
from pathlib import Path

from egm_core.boxes import Box
from egm_core.data.readers.kind import DataError, Kind, Place, Tally
from egm_core.data.readers.referring.internvl import kept
from egm_core.data.readers.referring.turns import read_turn
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.pictures import Pictures, size_of
from egm_core.data.readers.shared.splits import LICENCE, licence_of, told
from egm_core.pictures.containers import unlimited_cells
from egm_core.pictures.reference import join
from egm_core.sample import Sample

COLUMNS = ("index", "image", "question")
CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
# No picture's base64 is as short, and no index as long.
SHORTEST = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="TSV file, or several")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the tables."""
    for path in options.file:
        yield from _table(path, tally)


def _table(path: Path, tally: Tally) -> Iterator[Sample]:
    fields.require(path)
    if path.suffix.lower() != ".tsv":
        raise Place(str(path)).error("the name of a table parted by tabs must end in .tsv, for samples refer to it")
    unlimited_cells()
    seen: dict[tuple[str, str], tuple[str, tuple[int, int]]] = {}
    pictures, empty = Pictures(path.parent), True
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t")
        try:
            heading = next(reader, [])
            lacking = [name for name in COLUMNS if name not in heading]
            if lacking:
                raise Place(str(path)).error(f"it has no column {', '.join(lacking)}; the first line must name them")
            for number, cells in enumerate(cells for cells in reader if cells):
                place = Place(str(path), f"row {number}")
                if len(cells) != len(heading):
                    raise place.error(f"it has {len(cells)} cells, and the heading {len(heading)}; copy the file anew")
                empty = False
                yield from _row(dict(zip(heading, cells, strict=True)), place, number, seen, pictures, tally)
        except (csv.Error, UnicodeDecodeError) as error:
            raise Place(str(path)).error(f"no table parted by tabs ({error}); copy it anew") from error
    if empty:
        raise fields.no_record(path)


def _row(
    record: dict[str, str],
    place: Place,
    number: int,
    seen: dict[tuple[str, str], tuple[str, tuple[int, int]]],
    pictures: Pictures,
    tally: Tally,
) -> Iterator[Sample]:
    category = record.get("category") or " ".join(filter(None, (record.get("dataset"), record.get("split"))))
    source, split = _named(record, category)
    if (part := record.get("split", "")) and record.get("category") and split != part and part != record.get("dataset"):
        tally.note(
            f"{place.file}: category tells the split {split!r} and the column split {part!r}; that of category is "
            "taken: empty that column to have the other"
        )
    cell, key = fields.text(record, "image", place), (category, record["index"])
    image, found = join(place.file, "image", number), None
    if len(cell) <= SHORTEST:
        if (category, cell) not in seen:
            raise place.wrong("image", cell, f"no row above of {category!r} has that index, and it is no picture")
        image, found = seen[category, cell]
    else:
        own, image = image, pictures.held(image, cell.encode())
        if own == image:
            # Also where the row tells the size: a cell that holds no picture would only be found when a model is asked.
            found = size_of(_bytes(cell, place), place, "image is no picture")
    told = _size(record, place)
    width, height = told if all(told) else found or size_of(_bytes(cell, place), place)
    if key in seen:
        tally.note(f"{place.file}: {record['index']!r} is the index of several rows of {category!r}; the first counts")
    seen.setdefault(key, (image, (width, height)))
    question = fields.text(record, "question", place)
    if "\t" in question:
        # The csv module goes on to the next quote, which may be some rows below.
        raise place.wrong(
            "question", question, "no tab may stand here; double the quote that this or a row above holds"
        )
    known = {
        "image": image,
        "width": width,
        "height": height,
        "source": source,
        "split": split,
        "sentence_id": record["index"],
        "licence": licence_of(source),
    }
    yield from kept(read_turn(question, "").sent or question, _box(record, width, height, place), known, place, tally)


def _named(record: dict[str, str], category: str) -> tuple[str, str]:
    """Give the data set and split: by a known name, else by the category `SET SPLIT` where the columns are joined."""
    source, split = told(category)
    dataset, part = record.get("dataset", ""), record.get("split", "")
    if not source and dataset and dataset == part:
        name, _, end = category.rpartition(" ")
        return (name, end) if name and f"{name}_{end}" == dataset else (dataset, "")
    return source or dataset, split or part


def _size(record: dict[str, str], place: Place) -> tuple[int, int]:
    """Give the size that a row tells; (0, 0) where it tells none: a missing one was written as 1.0."""
    values = []
    for name in ("width", "height"):
        value = fields.number(name, record[name], place) if record.get(name, "").strip() else None
        values.append(0 if value is None or value <= 1 else fields.side({name: value}, name, place))
    return values[0], values[1]


def _box(record: dict[str, str], width: int, height: int, place: Place) -> Box:
    if all(record.get(name, "").strip() for name in CORNERS):
        corners = [fields.number(name, record[name], place) for name in CORNERS]
        return fields.xyxy({"bbox": corners}, "bbox", place)
    relative = [f"{name}_norm" for name in CORNERS]
    if all(record.get(name, "").strip() for name in relative):
        x0, y0, x1, y1 = (fields.number(name, record[name], place) for name in relative)
        return fields.xyxy({"bbox": [x0 * width, y0 * height, x1 * width, y1 * height]}, "bbox", place)
    raise place.error(f"the row has neither {', '.join(CORNERS)} nor their _norm; they must be there")


def _bytes(cell: str, place: Place) -> bytes:
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError as error:
        raise _no_picture(place, error) from error


def _no_picture(place: Place, error: Exception) -> DataError:
    return place.error(f"image is no base64 ({error}); copy the file anew")


KIND = Kind(
    "vlmevalkit",
    "VLMEvalKit's RefCOCO.tsv: a row is a sentence, with its image in base64",
    LICENCE,
    arguments,
    read,
    "--file RefCOCO.tsv",
)
