"""Recordings of ROS 2, MCAP or SQLite: pictures of an image topic, and instructions from another topic or the user."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from egm_core.data.readers.kind import DataError, Place, Tally
from egm_core.data.readers.robots.question import FRAME, Question, Recordings
from egm_core.data.readers.shared import fields
from egm_core.pictures.messages import RGB, ImageError, decode, guess
from egm_core.recordings.by_rosbags import broken, in_short
from egm_core.recordings.cameras import overlays

LICENCE = "yours, or that of whoever recorded it"
IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
TEXTS = ("std_msgs/msg/String",)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the recording, its topics, and what is asked."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help=".mcap or .db3 files, or folders of a bag")
    parser.add_argument("--topic", default="", help="image topic, raw or compressed (default: the only one)")
    parser.add_argument("--sent", default="", help="instruction to ask of every image (default: the topic's)")
    parser.add_argument(
        "--instruction-topic", default="", help="topic of instructions, std_msgs/String (default: --sent is asked)"
    )
    parser.add_argument(
        "--every",
        type=FRAME,
        default=0,
        help="take each image of this number; 0: the first alone, or the first after each instruction",
    )


def questions(options: argparse.Namespace, tally: Tally) -> Iterator[Question]:
    """Write pictures into the folder `--pictures`, and give each with the instruction of its time."""
    if bool(options.sent.strip()) == bool(options.instruction_topic):
        raise Place("bag").error("give --sent or --instruction-topic, one of both: a picture alone asks nothing")
    for name, path in named(options.file).items():
        with _opened(path) as reader:
            yield from _of_bag(reader, name, path, options, tally)


def named(paths: list[Path]) -> dict[str, Path]:
    """Name recordings by their files, and where these are alike, by the folders, too."""
    found: dict[str, Path] = {}
    for path in paths:
        alike = sum(other.stem == path.stem for other in paths) > 1
        name = f"{path.resolve().parent.name}/{path.stem}" if alike else path.stem
        if name in found:
            raise Place(str(path)).error(f"its pictures would be named as those of {found[name]}; read them apart")
        found[name] = path
    return found


def _of_bag(reader: Any, bag: str, path: Path, options: argparse.Namespace, tally: Tally) -> Iterator[Question]:
    place = Place(str(path))
    topic = _topic(reader, options.topic, IMAGES, "image topic", place, tally)
    spoken = options.instruction_topic and _topic(reader, options.instruction_topic, TEXTS, "text topic", place, tally)
    sent, fresh, number = " ".join(options.sent.split()), True, -1
    for connection, stamp, data in _messages(reader, (topic, spoken), place):
        at = Place(str(path), f"{connection.topic} at {stamp / 1e9:.3f} s")
        message = _message(reader, connection, data, tally, at)
        if connection.topic == spoken:
            said = " ".join(message.data.split()) if message else ""
            fresh = fresh or said != sent
            sent = said
            if message and not said:
                tally.drop("empty instructions", at)
            continue
        number += 1
        wanted = number % options.every == 0 if options.every else fresh
        if message is None or not wanted:
            continue
        if not sent:
            if options.every:
                tally.drop("pictures without an instruction before them", at)
            continue
        picture = _picture(message, tally, at)
        if picture is not None:
            fresh = False
            name = re.sub(r"[^A-Za-z0-9]+", "-", f"{bag}-{topic}-{number:06d}").strip("-")
            image = options.pictures / f"{name}.png"
            _write(image, picture)
            height, width = picture.shape[:2]
            yield Question(str(image), sent, width, height, bag, f"{bag}:{topic}", number)


def _messages(reader: Any, topics: Collection[str], place: Place) -> Iterator[tuple[Any, int, bytes]]:
    """Give the messages of topics in their order; DataError where the recording is damaged."""
    found, count = reader.messages([c for c in reader.connections if c.topic in topics]), 0
    while True:
        try:
            one = next(found, None)
        except broken() as error:
            raise _damaged(place, f"after {count} messages", error) from error
        if one is None:
            return
        yield one
        count += 1


def _topic(reader: Any, wanted: str, kinds: tuple[str, ...], what: str, place: Place, tally: Tally) -> str:
    known: list[str] = list(dict.fromkeys(c.topic for c in reader.connections if c.msgtype in kinds and c.msgcount))
    if wanted:
        return fields.known(wanted, known, what, place)
    drawn = overlays(known)
    cameras = [topic for topic in known if topic not in drawn]
    if len(cameras) != 1:
        left_out = f", an overlay's left out: {', '.join(drawn)}" if drawn else ""
        raise place.error(
            f"has {len(cameras)} image topics ({', '.join(cameras) or 'none'}{left_out}); name one with --topic"
        )
    if drawn:
        tally.note(f"{place.file}: the overlay's images, {', '.join(drawn)}, are left out: boxes are drawn into them")
    return cameras[0]


def _message(reader: Any, connection: Any, data: bytes, tally: Tally, place: Place) -> Any:
    try:
        return reader.deserialize(data, connection.msgtype)
    except broken() as error:
        tally.drop("messages that cannot be read", f"{place}: {error}")
        return None


def _picture(message: Any, tally: Tally, place: Place) -> RGB | None:
    try:
        if told := guess(message):
            tally.note(f"{place.file}: {told}")
        return decode(message)
    except ImageError as error:
        tally.drop(f"pictures that cannot be used: {error.reason}", f"{place}: {error}")
        return None


def _write(path: Path, picture: RGB) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}; may its folder be written to?")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    place = Place(str(path))
    if not path.exists():
        raise place.error("is not there; name an .mcap or .db3 file, or the folder of a bag")
    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except broken() as error:
        raise _damaged(place, "at its beginning", error) from error
    try:
        yield reader
    finally:
        reader.close()


def _damaged(place: Place, where: str, error: Exception) -> DataError:
    return place.error(
        f"cannot be read as a bag {where}: {in_short(error)}; see that the recording was ended, and copy it anew"
    )


RECORDINGS = Recordings(
    "bag",
    "images of a ROS 2 recording, MCAP or SQLite",
    LICENCE,
    arguments,
    questions,
    '--file drive.mcap --sent "the red mug" --pictures pictures',
    writes_pictures=True,
)
