"""nuScenes' tables, joined by their tokens: of each key frame its cameras and its boxes in space.

Tables are read element by element; of the large ones only what belongs to cameras' key frames is kept.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from egm_core.data.readers.driving.projection import Camera, Pose
from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.sample.shown import shown

# The length of a quaternion, below which it turns nothing; whole ones have 1.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Picture:
    """A camera's picture at a key frame."""

    token: str
    sample: str
    file: str
    width: int
    height: int
    pose: str
    mount: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Thing:
    """An annotated object at a key frame: its box in space, its category, and its visibility, 1 to 4 or 0."""

    token: str
    category: str
    translation: tuple[float, ...]
    size: tuple[float, ...]
    rotation: tuple[float, ...]
    visibility: int
    place: Place


def table(folder: Path, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read the records of a table, each with its place."""
    path = folder / f"{name}.json"
    for _, number, record in arrays(path):
        yield Place(str(path), f"record {number}"), fields.mapping(record, Place(str(path), f"record {number}"))


def pictures(folder: Path, channels: Collection[str]) -> list[Picture]:
    """Read the pictures of some cameras at key frames."""
    sensors = _by_token((fields.text(one, "channel", at), one, at) for at, one in table(folder, "sensor"))
    mounts = _by_token(
        (_joined(sensors, fields.text(one, "sensor_token", at), "sensor", at), one, at)
        for at, one in table(folder, "calibrated_sensor")
    )
    found: dict[str, Picture] = {}
    for place, record in table(folder, "sample_data"):
        fields.value(record, "is_key_frame", place)
        if not fields.flag(record, "is_key_frame", place):
            continue
        mount = fields.text(record, "calibrated_sensor_token", place)
        if _joined(mounts, mount, "calibrated_sensor", place) not in channels:
            continue
        width, height = fields.size(record, place)
        names = ("token", "sample_token", "filename", "ego_pose_token")
        token, sample, file, pose = (fields.text(record, name, place) for name in names)
        fields.once(found, token, Picture(token, sample, file, width, height, pose, mount, place), "the token", place)
    return list(found.values())


def cameras(folder: Path, shown: Collection[Picture]) -> dict[str, Camera]:
    """Read where the cameras of pictures stand, by the pictures' tokens."""
    asked = {one.pose for one in shown}
    poses = _by_token(
        (_pose(one, at), one, at) for at, one in table(folder, "ego_pose") if fields.text(one, "token", at) in asked
    )
    mounts = _by_token(
        ((_pose(one, at), _matrix(one, at)), one, at)
        for at, one in table(folder, "calibrated_sensor")
        if one.get("camera_intrinsic")
    )
    made = {}
    for one in shown:
        mount, matrix = _joined(mounts, one.mount, "calibrated_sensor with camera_intrinsic", one.place)
        car = _joined(poses, one.pose, "ego_pose", one.place)
        made[one.token] = Camera(_stands(car), _stands(mount), np.array(matrix), (one.width, one.height))
    return made


def things(folder: Path, samples: Collection[str]) -> dict[str, list[Thing]]:
    """Read the annotated objects of key frames, by the key frames' tokens."""
    names = _by_token((fields.text(one, "name", at), one, at) for at, one in table(folder, "category"))
    categories = _by_token(
        (_joined(names, fields.text(one, "category_token", at), "category", at), one, at)
        for at, one in table(folder, "instance")
    )
    found: dict[str, list[Thing]] = {}
    for place, record in table(folder, "sample_annotation"):
        sample = fields.text(record, "sample_token", place)
        if sample not in samples:
            continue
        said = fields.value(record, "visibility_token", place)
        if said not in ("", "1", "2", "3", "4"):
            raise place.wrong("visibility_token", said, "a text, 1 to 4 or empty, must stand here")
        found.setdefault(sample, []).append(
            Thing(
                fields.text(record, "token", place),
                _joined(categories, fields.text(record, "instance_token", place), "instance", place),
                fields.numbers(fields.value(record, "translation", place), "translation", place, 3),
                _size(record, place),
                _rotation(record, place),
                int(said or 0),
                place,
            )
        )
    return found


def _by_token(told: Iterable[tuple[Any, dict[str, Any], Place]]) -> dict[str, Any]:
    """Collect what records tell by their tokens; a token that stands for two different things is an error."""
    found: dict[str, Any] = {}
    for what, record, place in told:
        fields.once(found, fields.text(record, "token", place), what, "the token", place)
    return found


def _pose(record: dict[str, Any], place: Place) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return fields.numbers(fields.value(record, "translation", place), "translation", place, 3), _rotation(record, place)


def _stands(pose: tuple[tuple[float, ...], tuple[float, ...]]) -> Pose:
    return Pose(np.array(pose[0]), np.array(pose[1]))


def _matrix(record: dict[str, Any], place: Place) -> tuple[tuple[float, ...], ...]:
    rows = fields.listed(record, "camera_intrinsic", place)
    matrix = tuple(fields.numbers(row, "camera_intrinsic", place, 3) for row in rows)
    if len(matrix) != 3:
        raise place.wrong("camera_intrinsic", rows, "three rows of three numbers must stand here")
    # Otherwise nothing would be in the picture, or all of it mirrored, without a word.
    if matrix[0][0] <= 0 or matrix[1][1] <= 0 or list(matrix[2]) != [0, 0, 1]:
        raise place.wrong(
            "camera_intrinsic", rows, "focal lengths above 0, and 0, 0, 1 as the last row must stand here"
        )
    return matrix


def _size(record: dict[str, Any], place: Place) -> tuple[float, ...]:
    found = fields.numbers(fields.value(record, "size", place), "size", place, 3)
    if min(found) <= 0:
        raise place.wrong("size", record["size"], "width, length and height above 0 must stand here")
    return found


def _rotation(record: dict[str, Any], place: Place) -> tuple[float, ...]:
    found = fields.numbers(fields.value(record, "rotation", place), "rotation", place, 4)
    if math.hypot(*found) < _LEAST:
        raise place.wrong("rotation", record["rotation"], "a quaternion w, x, y, z must stand here")
    return found


def _joined(known: dict[str, Any], token: str, what: str, place: Place) -> Any:
    if token not in known:
        raise place.error(f"there is no {what} of the token {shown(token)}; see that all tables are of one version")
    return known[token]
