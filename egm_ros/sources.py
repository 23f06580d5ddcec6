"""Where the camera node's pictures come from: clips, folders, videos, bags, webcams and rendered scenes.

Each source is an endless supply of fresh iterators, so that a camera can loop. Nothing here imports ROS.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_ros.images import decode

CLIPS = Path(__file__).resolve().parent / "clips"
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
FOLDER_RATE = 2.0


class SourceError(ValueError):
    """A source that cannot be opened or read; the message names it and what to do."""


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera in pixels, with the distortion of sensor_msgs/CameraInfo."""

    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "plumb_bob"
    distortion: tuple[float, ...] = (0.0,) * 5

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float) -> Intrinsics:
        """Make the camera of an image whose width spans `fov` degrees."""
        focal = width / 2 / math.tan(math.radians(fov) / 2)
        return cls(focal, focal, width / 2, height / 2)


@dataclass(frozen=True)
class Frame:
    """One picture: RGB (height, width, 3), and where the source knows it, its camera and its depth in metres."""

    image: NDArray[np.uint8]
    intrinsics: Intrinsics | None = None
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Source:
    """A named supply of pictures at its own rate; `frames` starts it from the beginning."""

    name: str
    rate: float
    frames: Callable[[], Iterator[Frame]]


def folder(path: Path, rate: float = FOLDER_RATE, intrinsics: Intrinsics | None = None) -> Source:
    """Supply the pictures of a folder in the order of their names."""
    if not path.is_dir():
        raise SourceError(f"path: {str(path)!r} is not a folder")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise SourceError(f"path: the folder {str(path)!r} has no pictures ({', '.join(sorted(PICTURES))})")

    def frames() -> Iterator[Frame]:
        for file in files:
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(f"path: {str(file)!r} cannot be read as a picture: remove or replace it")
            yield Frame(_rgb(image), intrinsics)

    return Source(str(path), rate, frames)


def clip(name: str) -> Source:
    """Supply a clip that comes with the package (or one in the same form in another folder)."""
    path = CLIPS / name if (CLIPS / name).is_dir() else Path(name)
    manifest = path / "clip.json"
    if not manifest.is_file():
        known = ", ".join(sorted(entry.name for entry in CLIPS.glob("*") if entry.is_dir()))
        raise SourceError(f"path: there is no clip {name!r}; there are {known}")
    description = json.loads(manifest.read_text())
    return folder(path, description["fps"], Intrinsics(**description["camera"]))


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

    try:
        generator = Generator()
    except RuntimeError as error:
        raise SourceError(f"source: {error}") from error

    def rendered() -> Iterator[Frame]:
        for truth in generator.clip(seed, frames, rate, world=world):
            camera = truth.camera
            yield Frame(truth.image, Intrinsics(camera.fx, camera.fy, camera.cx, camera.cy), truth.depth)

    return Source(f"{world} scene {seed}", rate, rendered)


def bag(path: Path, topic: str = "") -> Source:
    """Supply the images of a recorded topic, with its camera_info where that was recorded beside it."""
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)

    def opened() -> AnyReader:
        try:
            reader = AnyReader([path], default_typestore=store)
            reader.open()
        except (AnyReaderError, OSError) as error:
            raise SourceError(f"path: {str(path)!r} cannot be read as a bag: {error}") from error
        return reader

    reader = opened()
    kinds = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
    topics = {entry.topic: entry for entry in reader.connections if entry.msgtype in kinds and entry.msgcount}
    if not topics or (topic and topic not in topics):
        reader.close()
        raise SourceError(f"topic: {topic!r} has no images in {str(path)!r}; there are {', '.join(topics) or 'none'}")
    chosen = topics[topic or next(iter(topics))]
    intrinsics = _recorded_camera(reader, chosen.topic)
    seconds = reader.duration / 1e9
    rate = max((chosen.msgcount - 1) / seconds, 0.1) if chosen.msgcount > 1 and seconds > 0 else FOLDER_RATE
    reader.close()

    def frames() -> Iterator[Frame]:
        reader = opened()
        try:
            connections = [entry for entry in reader.connections if entry.topic == chosen.topic]
            for connection, _, data in reader.messages(connections):
                yield Frame(decode(reader.deserialize(data, connection.msgtype)), intrinsics)
        finally:
            reader.close()

    return Source(f"{path} {chosen.topic}", rate, frames)


def open_source(values: dict[str, Any]) -> Source:
    """Open the source that the camera's parameters name.

    Raises SourceError where there is none.
    """
    path = Path(values["path"]).expanduser()
    match values["source"]:
        case "clip":
            return clip(values["path"])
        case "folder":
            return folder(path)
        case "video":
            return video(path)
        case "bag":
            return bag(path, values["topic"])
        case "webcam":
            return webcam(values["device"])
        case _:
            return scene(values["world"], values["seed"], values["frames"], values["rate"] or 10.0)


def _rgb(image: Any) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _captured(capture: Any) -> Iterator[Frame]:
    while True:
        arrived, image = capture.read()
        if not arrived:
            return
        yield Frame(_rgb(image))


def _recorded_camera(reader: Any, topic: str) -> Intrinsics | None:
    """Take the first camera_info that was recorded beside an image topic."""
    base = topic.removesuffix("/compressed")
    beside = f"{base.rpartition('/')[0]}/camera_info"
    for connection, _, data in reader.messages([entry for entry in reader.connections if entry.topic == beside]):
        info = reader.deserialize(data, connection.msgtype)
        if info.k[0] > 0:
            k, distortion = [float(value) for value in info.k], tuple(float(value) for value in info.d)
            return Intrinsics(k[0], k[4], k[2], k[5], info.distortion_model or "plumb_bob", distortion)
    return None
