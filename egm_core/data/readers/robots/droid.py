"""DROID as TFDS writes it in RLDS: TFRecord files, of which each record is an episode of three cameras."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.robots import tfrecords
from egm_core.data.readers.robots.question import FRAME, Question, Recordings
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import size_of
from egm_core.pictures.reference import join

NAMES = r"droid(?:_\d+)?|r2d2_faceblur"
LICENCE = "see DROID's page (its small copy lerobot/droid_100 is MIT); IA-Bench's boxes are Apache-2.0"
CAMERAS = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
INSTRUCTIONS = ("language_instruction", "language_instruction_2", "language_instruction_3")
_PATHS = ("episode_metadata/file_path", "episode_metadata/recording_folderpath")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument(
        "--file", type=Path, nargs="+", required=True, help="TFRecord files, or their folder (1.0.0 of droid_100)"
    )
    parser.add_argument("--camera", choices=CAMERAS, default=CAMERAS[0], help="camera whose image is taken")
    parser.add_argument("--frame", type=FRAME, default=0, help="number of the image in its episode")
    parser.add_argument(
        "--instructions", choices=("first", "all"), default="first", help="of an episode's three: the first, or each"
    )
    parser.add_argument("--success-only", action="store_true", help="leave out episodes that are not told successful")


def questions(options: argparse.Namespace, tally: Tally) -> Iterator[Question]:
    """Read an episode's picture and its instructions; empty instructions are counted."""
    for path in shards(options.file):
        licence = stated(path, NAMES, LICENCE)
        for number, (place, features) in enumerate(tfrecords.examples(path)):
            outcome = told_outcome(tfrecords.texts(features, _PATHS[0], place))
            if options.success_only and outcome != "success":
                tally.drop("episodes that are not told successful", place)
                continue
            data = _picture(features, options, tally, place)
            said = _instructions(features, options, place)
            if not said:
                tally.drop("episodes whose instructions are empty", place)
            if not data or not said:
                continue
            width, height = size_of(data, place)
            image = join(str(path), number, _key(options), options.frame)
            names = [name for key in _PATHS for name in tfrecords.texts(features, key, place)[:1] if name]
            record = f"{path.name}:{number}"
            for sent in said:
                yield Question(
                    image, sent, width, height, "DROID", record, options.frame, outcome, licence, tuple(names)
                )


def shards(named: list[Path]) -> list[Path]:
    """List the TFRecord files that files and folders name, in the order of their names."""
    found = []
    for path in named:
        inside = sorted(file for file in path.iterdir() if ".tfrecord" in file.name) if path.is_dir() else [path]
        if not inside:
            raise Place(str(path)).error("no file of this folder is a .tfrecord; name the folder of the shards")
        found += inside
    return found


def told_outcome(paths: list[str]) -> str:
    """Give what an episode's path tells: success, failure, or nothing."""
    parts = [part for path in paths for part in PurePosixPath(path).parts]
    return next((word for word in ("success", "failure") if word in parts), "")


def _key(options: argparse.Namespace) -> str:
    return f"steps/observation/{options.camera}"


def _picture(features: Mapping[str, Any], options: argparse.Namespace, tally: Tally, place: Place) -> bytes:
    key = _key(options)
    if key not in features:
        known = ", ".join(sorted(name for name in features if "image" in name)) or "none with pictures"
        raise place.error(f"the feature {key!r} is missing; there are {known}; is it DROID in RLDS?")
    pictures = features[key].bytes_list.value
    if options.frame >= len(pictures):
        tally.drop(f"episodes that have no frame {options.frame}", place)
        return b""
    if not pictures[options.frame]:
        tally.drop(f"episodes whose frame {options.frame} has no picture", place)
    return bytes(pictures[options.frame])


def _instructions(features: Mapping[str, Any], options: argparse.Namespace, place: Place) -> list[str]:
    if not any(f"steps/{name}" in features for name in INSTRUCTIONS):
        raise place.error(f"the feature 'steps/{INSTRUCTIONS[0]}' is missing; is it DROID in RLDS?")
    found = []
    for name in INSTRUCTIONS:
        said = tfrecords.texts(features, f"steps/{name}", place)
        # One for each step, all alike.
        text = " ".join((said[min(options.frame, len(said) - 1)] if said else "").split())
        if text and text not in found:
            found.append(text)
    return found if options.instructions == "all" else found[:1]


RECORDINGS = Recordings(
    "droid",
    "DROID's episodes in RLDS (TFRecord), read without TensorFlow",
    LICENCE,
    arguments,
    questions,
    "--file droid_100/1.0.0",
)
