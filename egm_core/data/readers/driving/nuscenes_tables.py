"""nuScenes' tables, joined by their tokens: of each key frame its cameras and its boxes in space.

Tables are read element by element; of the large ones only what belongs to cameras' key frames is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egm_core.data.readers.driving.projection import Camera, Pose
from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays


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
    place: Place


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
    sensors = {fields.text(one, "token", at): fields.text(one, "channel", at) for at, one in table(folder, "sensor")}
    mounts = {
        fields.text(one, "token", at): _joined(sensors, fields.text(one, "sensor_token", at), "sensor", at)
        for at, one in table(folder, "calibrated_sensor")
    }
    found = []
    for place, record in table(folder, "sample_data"):
        if not fields.value(record, "is_key_frame", place):
            continue
        mount = fields.text(record, "calibrated_sensor_token", place)
        if _joined(mounts, mount, "calibrated_sensor", place) not in channels:
            continue
        width, height = fields.size(record, place)
        names = ("token", "sample_token", "filename", "ego_pose_token")
        token, sample, file, pose = (fields.text(record, name, place) for name in names)
        found.append(Picture(token, sample, file, width, height, pose, mount, place))
    return found


def cameras(folder: Path, shown: Collection[Picture]) -> dict[str, Camera]:
    """Read where the cameras of pictures stand, by the pictures' tokens."""
    asked = {one.pose for one in shown}
    poses = {
        record["token"]: _pose(record, place)
        for place, record in table(folder, "ego_pose")
        if record.get("token") in asked
    }
    mounts = {}
    for place, record in table(folder, "calibrated_sensor"):
        if record.get("camera_intrinsic"):
            rows = fields.listed(record, "camera_intrinsic", place)
            matrix = np.array([fields.numbers(row, "camera_intrinsic", place, 3) for row in rows])
            if matrix.shape != (3, 3):
                raise place.wrong("camera_intrinsic", rows, "three rows of three numbers must stand here")
            mounts[record["token"]] = (_pose(record, place), matrix)
    made = {}
    for one in shown:
        mount, matrix = _joined(mounts, one.mount, "calibrated_sensor with camera_intrinsic", one.place)
        car = _joined(poses, one.pose, "ego_pose", one.place)
        made[one.token] = Camera(car, mount, matrix, (one.width, one.height))
    return made


def things(folder: Path, samples: Collection[str]) -> dict[str, list[Thing]]:
    """Read the annotated objects of key frames, by the key frames' tokens."""
    names = {fields.text(one, "token", at): fields.text(one, "name", at) for at, one in table(folder, "category")}
    categories = {
        fields.text(one, "token", at): _joined(names, fields.text(one, "category_token", at), "category", at)
        for at, one in table(folder, "instance")
    }
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
                fields.numbers(fields.value(record, "size", place), "size", place, 3),
                _rotation(record, place),
                int(said or 0),
                place,
            )
        )
    return found


def _pose(record: dict[str, Any], place: Place) -> Pose:
    where = fields.numbers(fields.value(record, "translation", place), "translation", place, 3)
    return Pose(np.array(where), np.array(_rotation(record, place)))


def _rotation(record: dict[str, Any], place: Place) -> tuple[float, ...]:
    found = fields.numbers(fields.value(record, "rotation", place), "rotation", place, 4)
    if not any(found):
        raise place.wrong("rotation", record["rotation"], "a quaternion w, x, y, z must stand here")
    return found


def _joined(known: dict[str, Any], token: str, what: str, place: Place) -> Any:
    if token not in known:
        raise place.error(f"there is no {what} of the token {token!r}; see that all tables are of one version")
    return known[token]
