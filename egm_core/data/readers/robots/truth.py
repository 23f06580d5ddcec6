"""Boxes that people drew for robots' episodes, as IA-Bench has them: episode, frame, expression, box."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egm_core.boxes import Box
from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.shared import fields, tables

EPISODES = ("episode", "episode_id", "source_episode_index", "episode_index", "trajectory_name")
SENTENCES = ("language_instruction", "instruction", "sent")
FRAMES = ("start_frame", "frame_index", "frame")
BOX = "initial_object_box"
SIZE = "image_size_hw"


@dataclass(frozen=True)
class Truth:
    """A box in one frame of an episode; `frame` None: the row does not say which. `size` is that of its picture."""

    box: Box
    frame: int | None
    sent: str
    size: tuple[int, int] | None
    place: Place

    def fitted(self, width: int, height: int) -> Box | None:
        """Give the box in a picture of this size; None where it can't be one there."""
        wide, high = self.size or (width, height)
        x, y = width / wide, height / high
        box = self.box[0] * x, self.box[1] * y, self.box[2] * x, self.box[3] * y
        return None if fields.unusable(box, width, height) else box


def frame_size(text: str) -> tuple[int, int]:
    """Take a size such as 1280x720."""
    wide, _, high = text.lower().partition("x")
    if not wide.isdecimal() or not high.isdecimal() or not int(wide) or not int(high):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 1280x720")
    return int(wide), int(high)


def add_truth(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options about boxes; a field within a field has a dotted name."""
    parser.add_argument("--truth", type=Path, help="boxes by episode, .jsonl, .json or .parquet, such as IA-Bench's")
    parser.add_argument("--truth-episode", default="", help=f"its field of the episode (default: {_or(EPISODES)})")
    parser.add_argument("--truth-box", default=BOX, help="its field of the box, x0 y0 x1 y1 in pixels")
    parser.add_argument("--truth-sent", default="", help=f"its field of the expression (default: {_or(SENTENCES)})")
    parser.add_argument(
        "--truth-size", type=frame_size, metavar="WxH", help=f"size that its boxes are for (default: {SIZE})"
    )


def read_truth(options: argparse.Namespace, tally: Tally) -> dict[str, list[Truth]]:
    """Read the boxes by episode; rows without a box are counted."""
    found: dict[str, list[Truth]] = {}
    for place, _, row in tables.rows(options.truth):
        box = _field(row, options.truth_box, place)
        if isinstance(box, list) and len(box) == 1 and isinstance(box[0], list):
            box = box[0]
        if not box:
            tally.drop("rows of the truth without a box", place)
            continue
        x0, y0, x1, y1 = fields.numbers(box, options.truth_box, place, 4)
        if x0 >= x1 or y0 >= y1:
            raise place.wrong(options.truth_box, box, "x0, y0, x1, y1 must stand here, x0 < x1 and y0 < y1")
        frame = _first(row, FRAMES)
        if frame is None:
            tally.note(f"{options.truth} names no frame ({_or(FRAMES)}): its boxes are taken for the frame read")
        episode = _field(row, options.truth_episode, place) if options.truth_episode else _first(row, EPISODES)
        if not isinstance(episode, (str, int)) or isinstance(episode, bool) or episode == "":
            named = options.truth_episode or _or(EPISODES)
            raise place.wrong(named, episode, "the episode's name must stand here; name its field with --truth-episode")
        sent = _field(row, options.truth_sent, place) if options.truth_sent else _first(row, SENTENCES)
        if sent is not None and (not isinstance(sent, str) or not fields.writable(sent)):
            raise place.wrong(options.truth_sent or _or(SENTENCES), sent, "a text of whole characters must stand here")
        truth = Truth(
            (x0, y0, x1, y1),
            None if frame is None else fields.whole({"frame": frame}, "frame", place, 0),
            sent.strip() if isinstance(sent, str) else "",
            options.truth_size or _size(row, place),
            place,
        )
        found.setdefault(str(episode), []).append(truth)
    return found


def _size(row: dict[str, Any], place: Place) -> tuple[int, int] | None:
    if row.get(SIZE) is None:
        return None
    high, wide = fields.numbers(row[SIZE], SIZE, place, 2)
    if min(high, wide) < 1:
        raise place.wrong(SIZE, row[SIZE], "height and width in pixels must stand here")
    return int(wide), int(high)


def _field(row: dict[str, Any], name: str, place: Place) -> Any:
    found: Any = row
    for part in [name] if name in row else name.split("."):
        found = fields.value(fields.mapping(found, place), part, place)
    return found


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
