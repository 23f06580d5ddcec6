"""Where a LeRobot data set of version 2.0, 2.1 or 3.0 keeps its episodes, as its meta/info.json tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields

VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
MOST = 10_000_000
_AXES = {"height": "h", "width": "w", "channel": "c", "channels": "c", "h": "h", "w": "w", "c": "c"}


@dataclass(frozen=True)
class Camera:
    """One of a data set's cameras: its name, whether its pictures are in a video, and their size."""

    key: str
    video: bool
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """A data set's folder, version and patterns of file names, and its cameras that show colour."""

    root: Path
    version: str
    data_path: str
    video_path: str
    chunk: int
    episodes: int
    cameras: tuple[Camera, ...]
    place: Place

    @property
    def many_in_a_file(self) -> bool:
        """Whether files hold several episodes, as from version 3.0 on."""
        return self.version.startswith("v3.")

    def file(self, pattern: str, **numbers: Any) -> Path:
        """Fill a pattern of file names; DataError for a file that is not within the data set's folder."""
        try:
            name = pattern.format(**numbers)
        # A pattern may ask for parts of a number, and for as many digits as it likes.
        except (LookupError, ValueError, AttributeError, TypeError, MemoryError, OverflowError) as error:
            known = ", ".join(numbers)
            raise self.place.error(f"the pattern {pattern!r} cannot be filled ({error}); there are {known}") from error
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise self.place.error(f"the pattern {pattern!r} leads out of the data set's folder; name files within it")
        return self.root / name

    def of_episode(self, pattern: str, episode: int, key: str = "") -> Path:
        """Name an episode's file of version 2."""
        return self.file(
            pattern,
            episode_chunk=episode // self.chunk,
            episode_index=episode,
            total_episodes=self.episodes,
            video_key=key,
        )


def layout(root: Path) -> Layout:
    """Read meta/info.json."""
    path = root / "meta" / "info.json"
    place = Place(str(path))
    if not path.is_file():
        raise place.error("is not there; name the data set's folder, in which meta and data lie")
    info = fields.mapping(fields.document(path), place)
    version = fields.text(info, "codebase_version", place)
    if not version.startswith(("v2.", "v3.")):
        raise place.wrong("codebase_version", version, "v2.0, v2.1 and v3.0 are read; convert the data set to v3.0")
    return Layout(
        root,
        version,
        fields.text(info, "data_path", place),
        fields.text(info, "video_path", place) if info.get("video_path") else VIDEO_PATH,
        fields.whole(info, "chunks_size", place, 1),
        _episodes(info, place),
        tuple(_cameras(info, place)),
        place,
    )


def _episodes(info: dict[str, Any], place: Place) -> int:
    found = fields.whole(info, "total_episodes", place, 0)
    # Each may have to be looked for.
    if found > MOST:
        raise place.wrong("total_episodes", found, f"no data set has more than {MOST:,} episodes")
    return found


def _cameras(info: dict[str, Any], place: Place) -> Iterator[Camera]:
    if "features" not in info and {"video_keys", "image_keys"} & info.keys():
        yield from _early_cameras(info, place)
        return
    for key, feature in fields.mapping(fields.value(info, "features", place), place).items():
        at = Place(place.file, f"features.{key}")
        kind = fields.text(fields.mapping(feature, at), "dtype", at)
        if kind not in ("image", "video"):
            continue
        high, wide, channels = _shape(feature, at)
        told = fields.mapping(feature.get("info") or feature.get("video_info") or {}, at)
        # Depth, and what else has one channel, is no picture to ask about.
        if not told.get("video.is_depth_map", told.get("is_depth_map", False)) and channels >= 3:
            yield Camera(key, kind == "video", wide, high)


def _shape(feature: dict[str, Any], place: Place) -> tuple[int, int, int]:
    """Give height, width and channels, whose order the names tell."""
    shape = fields.listed(feature, "shape", place)
    if len(shape) != 3:
        raise place.wrong("shape", shape, "height, width and channels must stand here, in the order of names")
    names = feature.get("names")
    axes = [_AXES.get(str(name).lower(), "") for name in names] if isinstance(names, list) else []
    if sorted(axes) != ["c", "h", "w"]:
        # Without names, the side of at most four is that of the channels.
        axes = ["c", "h", "w"] if isinstance(shape[0], int) and shape[0] <= 4 else ["h", "w", "c"]
    sizes = {axis: fields.whole({"shape": size}, "shape", place, 1) for axis, size in zip(axes, shape, strict=True)}
    return sizes["h"], sizes["w"], sizes["c"]


def _early_cameras(info: dict[str, Any], place: Place) -> Iterator[Camera]:
    """Read the cameras of an early v2.0, whose info lists keys and shapes."""
    shapes = fields.mapping(fields.value(info, "shapes", place), place)
    for name in ("video_keys", "image_keys"):
        for key in fields.listed(info, name, place) if info.get(name) is not None else ():
            if not isinstance(key, str):
                raise place.wrong(name, key, "the names of cameras must stand here")
            at = Place(place.file, f"shapes.{key}")
            shape = fields.mapping(fields.value(shapes, key, place), at)
            width, height = fields.size(shape, at)
            if "channels" not in shape or fields.whole(shape, "channels", at, 1) >= 3:
                yield Camera(key, name == "video_keys", width, height)
