"""The cameras of nuScenes: their names, the size of their pictures, and where these lie."""

from __future__ import annotations

from pathlib import PurePosixPath

from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared.pictures import Pictures, picture_size
from egm_core.pictures.source import exists

CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
SIZE = (1600, 900)


def size_of(image: str, place: Place) -> tuple[int, int]:
    """Give the (width, height) of a picture; that of all of nuScenes where it is missing."""
    return picture_size(image, place) if exists(image) else SIZE


def find(pictures: Pictures, name: str) -> str:
    """Find a picture by its path in nuScenes, by the end of it from `samples` on, or by its base name alone."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("..", ".", "/")]
    ways = ["/".join(parts[at:]) for at in range(len(parts))]
    for way in ways:
        if exists(found := pictures.find(way)):
            return found
    inside = parts.index("samples") if "samples" in parts else 0
    return pictures.find(ways[inside])
