"""JSONL in the form of InternVL and Qwen-VL: evaluation rows with pixels, and training rows with conversations.

A training row holds one picture and several turns, each a question with its box in thousandths.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.arguments import number
from egm_core.boxes import Box
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.referring.turns import Turn, read_turn
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SET, SPLIT, Chosen
from egm_core.data.readers.shared.pictures import Pictures, add_images, coco_id
from egm_core.data.readers.shared.splits import LICENCE, licence_of, of_file
from egm_core.sample import Sample

THOUSANDTHS = 1000.0
VISIBLE = ("bbox", "modal_bbox")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="JSONL file, or several")
    add_images(parser)
    parser.add_argument(
        "--frame",
        type=number(0),
        default=THOUSANDTHS,
        help="what conversations write for the image's whole width and height; 0: their boxes are in pixels",
    )
    parser.add_argument("--source", default="", help="name of the data set (default: what the file's name tells)")
    parser.add_argument("--split", default="", help="name of the split (default: what the file's name tells)")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        source, split = of_file(path)
        named = Chosen(SET, "--source", options.source, source, str(path))
        part = Chosen(SPLIT, "--split", options.split, split, str(path))
        pictures = Pictures.below(options.images or path.parent, tally)
        for place, record in fields.lines(path):
            for sample in row(record, place, pictures, options.frame, tally):
                of = named.take()
                yield replace(sample, source=of, split=part.take(), licence=licence_of(of))
        named.tell(tally)
        part.tell(tally)


def row(record: dict[str, Any], place: Place, pictures: Pictures, frame: float, tally: Tally) -> Iterator[Sample]:
    """Read the samples of one row, which may be several."""
    if isinstance(record.get("image"), list) and len(record["image"]) != 1:
        tally.drop("rows with several pictures: a sample shows one", place)
        return
    if not record.get("image"):
        tally.drop("rows without a picture", place)
        return
    image = fields.text({"image": record["image"][0]} if isinstance(record["image"], list) else record, "image", place)
    path, flipped = pictures.mirrored(image)
    told = record.get("width") is not None or record.get("height") is not None
    width, height = fields.size(record, place) if told else pictures.size(path, place)
    known = {"image": path, "mirrored": flipped, "width": width, "height": height, "image_id": coco_id(image)}
    if "conversations" not in record:
        if "text" in record and "sent" not in record:
            tally.drop("rows of interleaved text, which ask nothing", place)
            return
        name = next((name for name in VISIBLE if name in record), VISIBLE[0])
        box = fields.xyxy(record, name, place)
        yield from kept(fields.text(record, "sent", place), box, known, place, tally)
        return
    for count, turn in enumerate(_turns(record, place), 1):
        at = Place(place.file, f"{place.record}, turn {count}")
        if box_of := one_box(turn, at, tally):
            yield from kept(turn.sent, scaled(box_of, width, height, frame), known, at, tally, turn.reasoning)


def one_box(turn: Turn, place: Place, tally: Tally) -> Box | None:
    """Give a turn's one box; turns that have none or several, or ask for something else, are counted."""
    if not turn.sent:
        tally.drop("turns that ask for no box, or for several at once", place)
    elif turn.amodal:
        tally.drop("turns that ask for the amodal box, where the visible one is not known", place)
    elif not turn.boxes:
        raise place.error("the answer has no box [x0, y0, x1, y1]; a grounding question must be answered by one")
    elif len(turn.boxes) > 1:
        tally.drop("answers with several boxes: a sample has one", place)
    else:
        return turn.boxes[0]
    return None


def scaled(box: Box, width: int, height: int, frame: float) -> Box:
    """Give a box in pixels that is written for a picture of `frame` by `frame`; 0 means that it is in pixels."""
    x, y = (width / frame, height / frame) if frame else (1.0, 1.0)
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def kept(
    sent: str, box: Box, known: dict[str, Any], place: Place, tally: Tally, reasoning: str = "", sides: bool = False
) -> Iterator[Sample]:
    """Give a sample, unless its box can't be one; `sides` says that it was written as x, y, width and height."""
    why = fields.unusable(box, known["width"], known["height"], sides)
    if why:
        tally.drop(why, place, wrong=True)
        return
    yield Sample(sent=sent, bbox=box, amodal_bbox=None, visible_fraction=None, reasoning=reasoning, **known)


def _turns(record: dict[str, Any], place: Place) -> Iterator[Turn]:
    said: list[str] = []
    for count, message in enumerate(fields.listed(record, "conversations", place), 1):
        at = Place(place.file, f"{place.record}, message {count}")
        fields.mapping(message, at)
        speaker = fields.text(message, "from", at)
        if speaker == "system":
            continue
        if speaker not in ("human", "user", "gpt", "assistant"):
            raise at.wrong("from", speaker, "human or gpt must stand here")
        if (speaker in ("gpt", "assistant")) != (len(said) % 2 == 1):
            raise at.wrong("from", speaker, "human and gpt must take turns")
        said.append(fields.text(message, "value", at))
    if len(said) % 2:
        raise place.error("conversations ends with a question; each must have its answer")
    return (read_turn(*pair) for pair in zip(said[::2], said[1::2], strict=True))


KIND = Kind(
    "internvl",
    "JSONL of InternVL or Qwen-VL: evaluation rows, or conversations of one or more turns",
    LICENCE,
    arguments,
    read,
    "--file refcoco_val.jsonl --images coco/train2014",
)
