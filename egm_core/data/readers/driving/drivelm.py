"""DriveLM: short descriptions of key objects in the six cameras' pictures of nuScenes."""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from egm_core.data.readers.driving import cameras
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import Found, Shown, Source, add_names, samples, split_of
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "DriveLM"
NAMES = r"drivelm|v1_[01]_(?:train|val)_nus\w*"
LICENCE = "CC BY-NC-SA 4.0, and nuScenes' terms: not for commercial use"
KEY = ("an object's tag", "camera", "x", "y")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="train_sample.json, or several")
    add_images(parser, what="the file's folder; nuScenes' own, its samples, or one of all images")
    add_names(parser, occluded=False)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files, frame by frame."""
    for path in options.file:
        pictures = Pictures.below(options.images or path.parent, tally)
        source = Source(NAME, split_of(path, options.split), stated(path, NAMES, LICENCE), None)
        for frame, record, place in frames(path):
            images = _images(record, frame, place, pictures)
            found = list(objects(record, frame, place, tally))
            yield from samples(found, images, {}, source, options, tally)


def frames(path: Path) -> Iterator[tuple[str, dict[str, Any], Place]]:
    """Read the key frames of a file, each with its token."""
    for scene, record in fields.mapping(fields.document(path), Place(str(path))).items():
        place = Place(str(path), f"scene {scene}")
        found = fields.value(fields.mapping(record, place), "key_frames", place)
        for frame, inner in fields.mapping(found, place).items():
            at = Place(str(path), f"scene {scene}, frame {frame}")
            yield frame, fields.mapping(inner, at), at


def objects(record: dict[str, Any], frame: str, place: Place, tally: Tally) -> Iterator[Found]:
    """Read the key objects of a frame."""
    there = fields.mapping(fields.value(record, "key_object_infos", place), place)
    for key, inner in there.items():
        at = Place(place.file, f"{place.record}, object {key}")
        info = fields.mapping(inner, at)
        camera = _camera(key, at)
        if not info.get("Visual_description") or info.get("2d_bbox") is None:
            tally.drop("objects without a description or a box", at)
            continue
        yield Found(
            at,
            f"{frame} {camera}",
            key,
            None,
            fields.xyxy(info, "2d_bbox", at),
            None,
            name=fields.text(info, "Visual_description", at),
            category=fields.text(info, "Category", at) if info.get("Category") else "",
        )


def _camera(key: str, place: Place) -> str:
    parts = key.strip("<>").split(",")
    if len(parts) != len(KEY):
        raise place.wrong("the key", key, "it must look like <c1,CAM_BACK,1088.3,497.5>")
    return fields.known(parts[1].strip(), cameras.CAMERAS, "camera", place)


def _images(record: dict[str, Any], frame: str, place: Place, pictures: Pictures) -> dict[Hashable, Shown]:
    paths = fields.mapping(fields.value(record, "image_paths", place), place)
    asked = {_camera(key, place) for key in fields.mapping(fields.value(record, "key_object_infos", place), place)}
    images: dict[Hashable, Shown] = {}
    for camera in sorted(asked):
        found = cameras.find(pictures, fields.text(paths, camera, place))
        images[f"{frame} {camera}"] = Shown(found, *cameras.size_of(found, place))
    return images


KIND = Kind(
    "drivelm",
    "DriveLM: descriptions of key objects in the six cameras' images of nuScenes",
    LICENCE,
    arguments,
    read,
    "--file v1_1_train_nus.json --images nuscenes",
)
