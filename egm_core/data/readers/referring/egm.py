"""The files of the paper's release: raw and reasoned training rows, the teacher's analyses, RL tables, evaluation rows.

What a record is its fields tell. Boxes of conversations and truths of RL are thousandths, rounded or not; those of
evaluation rows are pixels. A teacher's failed call was stored as if it were reasoning; such records are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.referring.internvl import THOUSANDTHS, kept, row, scaled
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.called import SET, SPLIT, Chosen
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import Pictures, add_images, coco_id
from egm_core.data.readers.shared.splits import LICENCE as REFCOCO
from egm_core.data.readers.shared.splits import licence_of, told
from egm_core.sample import Sample

# Names of the release's files and folders, and of its data set.
NAMES = r"vanilla_grounding_reasoning\w*|(?:train|val)_grounding|processed_rl_data|egm_datasets"
FAILED = "Analysis failed"
LICENCE = f"EGM's release Apache-2.0; {REFCOCO}"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument(
        "--file", type=Path, nargs="+", required=True, help="file of the release, .jsonl, .json or .parquet; or several"
    )
    add_images(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        source, split = told(path.stem)
        named, part = Chosen(SET, "", "", source, str(path)), Chosen(SPLIT, "", "", split, str(path))
        licence = stated(path, NAMES, LICENCE) or licence_of(source)
        pictures = Pictures.below(options.images or path.parent, tally)
        for place, number, record in tables.rows(path):
            for sample in _samples(record, place, number, pictures, tally):
                if sample.reasoning.startswith(FAILED):
                    tally.drop("records whose reasoning is a failed call of the teacher's API", place)
                    continue
                yield replace(
                    sample,
                    source=named.take(sample.source) or "EGM",
                    split=part.take(sample.split),
                    licence=licence,
                )
        named.tell(tally)
        part.tell(tally)


def _samples(record: dict[str, Any], place: Place, number: int, pictures: Pictures, tally: Tally) -> Iterator[Sample]:
    if "reward_model" in record:
        return _of_rl(record, place, number, pictures, tally)
    if "gt_bbox_normalized" in record:
        return _of_analysis(record, place, pictures, tally)
    return row(record, place, pictures, THOUSANDTHS, tally)


def _of_analysis(record: dict[str, Any], place: Place, pictures: Pictures, tally: Tally) -> Iterator[Sample]:
    """Read a teacher's analysis; its `gt_bbox_absolute` is not asked, for it may hold thousandths, too."""
    sent = fields.text(record, "question", place)
    width, height = fields.side(record, "image_width", place), fields.side(record, "image_height", place)
    box = scaled(fields.xyxy(record, "gt_bbox_normalized", place), width, height, THOUSANDTHS)
    image = fields.text(record, "image_path", place)
    known = _known(image, pictures, width, height)
    yield from kept(sent, box, known, place, tally, fields.text(record, "gpt_analysis", place))


def _of_rl(record: dict[str, Any], place: Place, number: int, pictures: Pictures, tally: Tally) -> Iterator[Sample]:
    extra = fields.mapping(fields.value(record, "extra_info", place), Place(place.file, f"{place.record}, extra_info"))
    inside = Place(place.file, f"{place.record}, extra_info")
    width, height = fields.size(extra, inside)
    truth = fields.value(fields.mapping(fields.value(record, "reward_model", place), place), "ground_truth", place)
    if isinstance(truth, str):
        try:
            truth = json.loads(truth)
        except ValueError:
            raise place.wrong("ground_truth", truth, "a list of 4 numbers must stand here") from None
    shown = fields.listed(record, "images", place)
    if len(shown) != 1:
        tally.drop("rows with several pictures: a sample shows one", place)
        return
    box = scaled(fields.xyxy({"ground_truth": truth}, "ground_truth", place), width, height, THOUSANDTHS)
    cell = shown[0]
    name = cell.get("image") or cell.get("path") if isinstance(cell, dict) else cell
    if not isinstance(name, str) or not name.strip() or not fields.writable(name):
        # A list's bytes have no reference; the release has paths.
        raise place.wrong("images", cell, "the path of one picture must stand here")
    known = _known(name.removeprefix("file://"), pictures, width, height)
    split = fields.identity(extra, "split", inside)
    for sample in kept(fields.text(extra, "question", inside), box, known, place, tally):
        yield replace(sample, split=split, sentence_id=fields.identity(extra, "index", inside))


def _known(image: str, pictures: Pictures, width: int, height: int) -> dict[str, Any]:
    path, flipped = pictures.mirrored(image)
    return {"image": path, "mirrored": flipped, "width": width, "height": height, "image_id": coco_id(image)}


KIND = Kind(
    "egm",
    "files of the paper's release: training rows, analyses of the teacher, RL tables, evaluation rows",
    LICENCE,
    arguments,
    read,
    "--file vanilla_grounding_reasoning_training_dataset_raw.jsonl --images data",
)
