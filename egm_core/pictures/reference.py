"""Where a sample's picture is: a file, or a reference to a place inside an archive, a table or a video.

    a.zip::member  a.tar::member  x.parquet::column::row  x.tsv::column::row  x.mp4::seconds
    x.tfrecord::record::key::index  https://...

Rows and records count from 0, the table's heading not included. `::mirrored` at the end stands for the picture with
left and right swapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

SEPARATOR = "::"
MIRRORED = "::mirrored"
VIDEOS = ("mp4", "mkv", "avi", "mov", "webm")
KINDS = ("zip", "tar", "parquet", "tsv", *VIDEOS, "tfrecord")

# TFRecords end in .tfrecord-00000-of-00031. The container is the shortest path that ends as one.
_CONTAINER = re.compile(rf"(.*?\.({'|'.join(KINDS)})(?:-[0-9]+-of-[0-9]+)?)::(.+)", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_url(image: str) -> bool:
    """Tell whether a picture is on a network, from where nothing here fetches it."""
    return _URL.match(image) is not None


def split(image: str) -> tuple[str, str, str]:
    """Give a picture's container, the container's kind, and the place inside; a plain file has neither."""
    found = _CONTAINER.fullmatch(image) if SEPARATOR in image and not is_url(image) else None
    return (found[1], found[2].lower(), found[3]) if found else (image, "", "")


def join(container: str, *places: str | int | float) -> str:
    """Write the reference to a place in a container."""
    return SEPARATOR.join([container, *map(str, places)])


def moved(image: str, change: Callable[[str], str]) -> str:
    """Give a picture's reference with another path: `change` is applied to the file or container, never to a URL."""
    if is_url(image):
        return image
    if SEPARATOR not in image:
        return change(image)
    plain = image.removesuffix(MIRRORED)
    container, _, place = split(plain)
    return (join(change(container), place) if place else change(container)) + image[len(plain) :]


def below(folder: Path, image: str) -> str:
    """Resolve a picture's path against a folder."""
    return moved(image, lambda path: str(folder / path))


def mirrored(image: str, yes: bool = True) -> str:
    """Mark a picture as one to be mirrored on reading."""
    return image + MIRRORED if yes else image
