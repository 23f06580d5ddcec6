"""LeRobot's data sets, versions 2.0, 2.1 and 3.0: pictures in parquet cells or videos, instructions as tasks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.robots.lerobot_layout import Camera, Layout, layout
from egm_core.data.readers.robots.question import FRAME, Question, Recordings
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.pictures import picture_size
from egm_core.pictures.containers import Stamp, parquet_errors, stamp
from egm_core.pictures.reference import join

LICENCE = "that of the data set's card (lerobot/droid_100 is MIT)"
_COLUMNS = ("episode_index", "frame_index", "timestamp", "task_index")


@dataclass(frozen=True)
class Row:
    """The row of an episode's frame in its data file."""

    number: int
    timestamp: float
    task: int


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the data set."""
    parser.add_argument("--root", type=Path, required=True, help="the data set's folder, in which meta and data lie")
    parser.add_argument("--camera", default="", help="camera by its name (default: the first that is no wrist's)")
    parser.add_argument("--frame", type=FRAME, default=0, help="number of the image in its episode")
    parser.add_argument("--source", default="", help="name of the data set (default: the folder's)")


def questions(options: argparse.Namespace, tally: Tally) -> Iterator[Question]:
    """Read an episode's picture and its task; episodes without one are counted."""
    known = layout(options.root)
    camera = chosen(known, options.camera, tally)
    tasks = read_tasks(known)
    if not known.many_in_a_file and not _told(known).is_file():
        tally.note(
            f"{_told(known)} is missing: the {known.episodes} episodes that info.json counts are looked for, from 0 on"
        )
    checked = False
    for episode, data, video, start in _episodes(known, camera):
        place = Place(str(data), f"episode {episode}")
        if not data.is_file():
            tally.drop("episodes whose data file is missing", place)
            continue
        row = _frames(data, stamp(str(data)), options.frame).get(episode)
        if row is None:
            tally.drop(f"episodes that have no frame {options.frame}", place)
            continue
        sent = " ".join(tasks.get(row.task, "").split())
        if row.task not in tasks:
            raise place.wrong("task_index", row.task, f"the tasks of {known.root / 'meta'} must name it")
        if not sent:
            tally.drop("episodes whose instructions are empty", place)
            continue
        moment = round(start + row.timestamp, 6)
        image = join(str(video), moment) if camera.video else join(str(data), camera.key, row.number)
        if not checked and Path(video if camera.video else data).is_file():
            _check_size(image, camera, known)
            checked = True
        yield Question(
            image,
            sent,
            camera.width,
            camera.height,
            options.source or known.root.resolve().name,
            str(episode),
            options.frame,
            also=(f"episode_{episode:06d}",),
        )


def chosen(known: Layout, wanted: str, tally: Tally) -> Camera:
    """Choose a camera, and say which others there are."""
    cameras = {camera.key: camera for camera in known.cameras}
    if not cameras:
        raise known.place.error("the data set has no camera of colour: no feature has the dtype image or video")
    if wanted:
        return cameras[fields.known(wanted, list(cameras), "camera", known.place)]
    first = next((key for key in cameras if not {"wrist", "hand", "gripper"} & set(_words(key))), next(iter(cameras)))
    if len(cameras) > 1:
        others = ", ".join(key for key in cameras if key != first)
        tally.note(f"{first} is read, --camera takes another: {others}")
    return cameras[first]


def read_tasks(known: Layout) -> dict[int, str]:
    """Read the instructions by their numbers."""
    table = known.root / "meta" / f"tasks.{'parquet' if known.many_in_a_file else 'jsonl'}"
    found: dict[int, str] = {}
    if not table.is_file():
        raise Place(str(table)).error(
            f"is not there, and it has the instructions of version {known.version}; copy the data set's whole meta "
            "folder"
        )
    if not known.many_in_a_file:
        for place, row in fields.lines(table):
            fields.once(found, fields.whole(row, "task_index", place), _said(row, place), "the task", place)
        return found
    for place, _, row in tables.rows(table):
        # The text is the index of pandas, which writes it under its name, or under this one.
        name = next((name for name in ("task", "__index_level_0__") if name in row), "task")
        said = _said({"task": fields.value(row, name, place)}, place)
        fields.once(found, fields.whole(row, "task_index", place), said, "the task", place)
    return found


def _told(known: Layout) -> Path:
    return known.root / "meta" / "episodes.jsonl"


def _numbered(known: Layout) -> list[int]:
    """Give the episodes of version 2: those that meta/episodes.jsonl names, for some may have been taken out."""
    told = _told(known)
    if not told.is_file():
        return list(range(known.episodes))
    return sorted({fields.whole(row, "episode_index", place, 0) for place, row in fields.lines(told)})


def _said(row: dict[str, Any], place: Place) -> str:
    said = fields.value(row, "task", place)
    if not isinstance(said, str) or not fields.writable(said):
        raise place.wrong("task", said, "the instruction must stand here")
    return said


def _episodes(known: Layout, camera: Camera) -> Iterator[tuple[int, Path, Path, float]]:
    """Give each episode's number, data file, video, and the time in the video at which it begins."""
    if not known.many_in_a_file:
        for episode in _numbered(known):
            data = known.of_episode(known.data_path, episode)
            yield episode, data, known.of_episode(known.video_path, episode, camera.key), 0.0
        return
    files = sorted((known.root / "meta" / "episodes").glob("*/*.parquet"))
    if not files:
        raise Place(str(known.root / "meta" / "episodes")).error("no parquet file lies here; copy the data set anew")
    video = f"videos/{camera.key}/"
    for path in files:
        for row in _rows(path, ("episode_index", "data/", video)):
            place = Place(str(path), f"episode {row.get('episode_index')}")
            data = known.file(known.data_path, **_numbers(row, "data/", place))
            if not camera.video:
                yield fields.whole(row, "episode_index", place, 0), data, data, 0.0
                continue
            (start,) = fields.numbers([fields.value(row, f"{video}from_timestamp", place)], "from_timestamp", place, 1)
            film = known.file(known.video_path, video_key=camera.key, **_numbers(row, video, place))
            yield fields.whole(row, "episode_index", place, 0), data, film, start


def _numbers(row: dict[str, Any], prefix: str, place: Place) -> dict[str, int]:
    return {name: fields.whole(row, f"{prefix}{name}", place, 0) for name in ("chunk_index", "file_index")}


@lru_cache(2)
def _frames(path: Path, _: Stamp, frame: int) -> dict[int, Row]:
    """Find in a data file the row of a frame of each episode."""
    place = Place(str(path))
    found, number = {}, 0
    for batch in _batches(path, _COLUMNS):
        for row in batch:
            lacking = [name for name in _COLUMNS if name not in row]
            if lacking:
                raise place.error(f"the column {lacking[0]!r} is missing; the file has {', '.join(row)}")
            if row["frame_index"] == frame:
                at = Place(str(path), f"row {number}")
                (moment,) = fields.numbers([row["timestamp"]], "timestamp", at, 1)
                task = fields.whole(row, "task_index", at, 0)
                found[fields.whole(row, "episode_index", at, 0)] = Row(number, moment, task)
            number += 1
    return found


def _rows(path: Path, prefixes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Read the rows of a table, with the columns whose names begin with one of some texts."""
    for batch in _batches(path, prefixes):
        yield from batch


def _batches(path: Path, prefixes: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    from pyarrow.parquet import ParquetFile

    fields.require(path)
    try:
        with ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name.startswith(prefixes)]
            for batch in file.iter_batches(columns=names):
                yield batch.to_pylist()
    except parquet_errors() as error:
        raise Place(str(path)).error(f"no whole parquet file ({error}); copy it anew") from error


def _check_size(image: str, camera: Camera, known: Layout) -> None:
    """Compare one picture's size with the one that is told of all."""
    place = Place(known.place.file, f"features.{camera.key}")
    width, height = picture_size(image, place)
    if (width, height) != (camera.width, camera.height):
        told = f"{camera.width} x {camera.height}"
        raise place.error(f"shape and names tell {told}, but {image} is {width} x {height}; mend the names")


def _words(key: str) -> list[str]:
    return key.lower().replace(".", "_").split("_")


RECORDINGS = Recordings(
    "lerobot", "episodes of a LeRobot data set, v2.0 to v3.0", LICENCE, arguments, questions, "--root droid_100"
)
