"""Where the camera node's pictures come from: clips, folders, videos, bags, webcams and rendered scenes.

Each source is an endless supply of fresh iterators, so that a camera can loop. Nothing here imports ROS.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_ros.camera.frames import Frame, Intrinsics, Skipping, Source, SourceError, Tell
from egm_ros.interface.camera import HEEDED

if TYPE_CHECKING:
    from egm_core.scenes.truth import World

CLIPS = Path(__file__).resolve().parents[1] / "clips"
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
FOLDER_RATE = 2.0
# So many things to ask for are named, of the kind that names an object by its colour.
SHOWN, PLAIN = 3, "attribute"

_log = logging.getLogger(__name__)


def folder(
    path: Path, rate: float = FOLDER_RATE, intrinsics: Intrinsics | None = None, tell: Tell = _log.warning
) -> Source:
    """Supply the pictures of a folder in the order of their names; what cannot be read is named and left out."""
    if not path.is_dir():
        raise SourceError(f"path: {str(path)!r} is not a folder")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise SourceError(f"path: the folder {str(path)!r} has no pictures ({', '.join(sorted(PICTURES))})")

    def frames() -> Iterator[Frame]:
        skipping = Skipping(str(path), tell)
        for file in files:
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                skipping.bad(file.name, ValueError("no picture that OpenCV reads; remove or replace it"))
                continue
            skipping.good()
            yield Frame(_rgb(image), intrinsics)
        skipping.end()

    return Source(str(path), rate, frames)


def clip(name: str) -> Source:
    """Supply a clip that comes with the package (or one in the same form in another folder)."""
    path = CLIPS / name if (CLIPS / name).is_dir() else Path(name)
    manifest = path / "clip.json"
    if not manifest.is_file():
        known = ", ".join(sorted(entry.name for entry in CLIPS.glob("*") if entry.is_dir()))
        raise SourceError(f"path: there is no clip {name!r}; there are {known}")
    description = json.loads(manifest.read_text())
    there = (
        entry["text"]
        for entry in sorted(description.get("instructions", ()), key=lambda entry: entry["kind"] != PLAIN)
        if entry["target"] is not None
    )
    source = folder(path, description["fps"], Intrinsics(**description["camera"]))
    return replace(source, shows=tuple(there)[:SHOWN])


def video(path: Path) -> Source:
    """Supply the frames of a video file."""
    if not path.is_file():
        raise SourceError(f"path: there is no video {str(path)!r}")
    capture = cv2.VideoCapture(str(path))
    rate, opened = capture.get(cv2.CAP_PROP_FPS), capture.isOpened()
    capture.release()
    if not opened or not math.isfinite(rate):
        raise SourceError(f"path: {str(path)!r} cannot be read as a video: re-encode it, for instance as MP4")
    return Source(str(path), rate if rate > 0 else 30.0, lambda: _captured(cv2.VideoCapture(str(path))))


def webcam(device: int) -> Source:
    """Supply what a webcam sees."""
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        raise SourceError(f"device: webcam {device} does not open: look at /dev/video* and its permissions")
    return Source(f"webcam {device}", capture.get(cv2.CAP_PROP_FPS) or 30.0, lambda: _captured(capture))


def scene(world: str, seed: int, frames: int, rate: float = 10.0) -> Source:
    """Supply a moving scene, rendered as it is asked for, with its camera and its depth."""
    from egm_core.scenes import Generator
    from egm_core.scenes.language.expressions import expressions

    try:
        generator = Generator()
    except RuntimeError as error:
        raise SourceError(f"source: {error}") from error

    def rendered() -> Iterator[Frame]:
        for truth in generator.clip(seed, frames, rate, world=cast("World", world)):
            camera = truth.camera
            yield Frame(truth.image, Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy), truth.depth)

    first = next(iter(generator.clip(seed, frames, rate, world=cast("World", world))))
    plain: dict[int | None, str] = {}
    for said in expressions(first):
        if said.kind == PLAIN:
            plain.setdefault(said.target, said.text)
    return Source(f"{world} scene {seed}", rate, rendered, tuple(plain.values())[:SHOWN])


def bag(path: Path, topic: str = "", tell: Tell = _log.warning) -> Source:
    """Supply the images of a recorded topic, see `bags.bag`."""
    from egm_ros.camera import bags

    try:
        return bags.bag(path, topic, tell)
    except ModuleNotFoundError as error:
        raise SourceError(f"source: a bag needs {error.name}: pip install rosbags") from error
    except ValueError as error:
        raise error if isinstance(error, SourceError) else SourceError(f"path: {error}") from error


def open_source(values: dict[str, Any], tell: Tell = _log.warning) -> Source:
    """Open the source that the camera's parameters name; `tell` hears what is broken, left out or chosen.

    Raises SourceError where there is none.
    """
    path = Path(values["path"]).expanduser()
    match values["source"]:
        case "clip":
            return clip(values["path"])
        case "folder":
            return folder(path, tell=tell)
        case "video":
            return video(path)
        case "bag":
            return bag(path, values["topic"], tell)
        case "webcam":
            return webcam(values["device"])
        case _:
            return scene(values["world"], values["seed"], values["frames"], values["rate"] or 10.0)


def idle(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Say of each parameter that was set and does nothing with the source so, with the remedy."""
    source = values["source"]
    return [
        f"{name} does nothing with source:={source}; leave it away, or take source:={' or '.join(sources)}"
        for name, sources in HEEDED.items()
        if source not in sources and values[name] != defaults[name]
    ]


def _rgb(image: Any) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _captured(capture: Any) -> Iterator[Frame]:
    while True:
        arrived, image = capture.read()
        if not arrived:
            return
        yield Frame(_rgb(image))
