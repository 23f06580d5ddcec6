"""The pictures of a report: each once, small enough for all of them to fit into what the page may weigh."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from egm_core.pictures.source import read

if TYPE_CHECKING:
    from egm_core.scenes.generator import Generator

Image = NDArray[np.uint8]
SCENE = "scene:"
# Longer side in pixels, and WebP's quality: from what is pleasant to what is just enough to see which object is meant.
LOOKS = ((512, 72), (448, 68), (384, 62), (320, 58), (288, 52), (256, 48), (224, 44), (192, 40), (176, 36), (160, 32),
         (152, 30), (144, 28), (136, 26), (128, 24), (120, 20), (112, 20), (104, 16), (96, 14))  # fmt: skip
TRIED = 24
SPARE = 0.94


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URL, and the size of the whole one; empty where it could not be read."""

    url: str
    width: int
    height: int


@dataclass(frozen=True)
class Thumbnails:
    """All pictures by their names, the longer side that they were shrunk to, and what is wrong with missing ones."""

    by_name: dict[str, Thumbnail]
    side: int
    missing: dict[str, str]


def thumbnails(names: Sequence[str], budget: int) -> Thumbnails:
    """Make the thumbnails of pictures that together take at most `budget` characters of the page.

    A picture that cannot be read is left out and told of; ValueError where even the smallest do not fit.
    """
    names = list(dict.fromkeys(names))
    start = _first(names, budget)
    for look in LOOKS[start:]:
        made, missing = _made(names, look)
        if sum(len(thumbnail.url) for thumbnail in made.values()) <= budget:
            return Thumbnails(made, look[0], missing)
    raise ValueError(
        f"{len(names)} pictures do not fit into {budget / 1e6:.0f} MB even as the smallest thumbnails; "
        "report on fewer answers (--most), or leave the pictures out (--no-pictures)"
    )


def _first(names: Sequence[str], budget: int) -> int:
    """Find by a few of the pictures which look fits."""
    tried = [image for name in names[:: max(1, len(names) // TRIED)] if isinstance(image := _load(name), np.ndarray)]
    for number, look in enumerate(LOOKS):
        lengths = [len(_url(image, look)) for image in tried]
        if not lengths or float(np.mean(lengths)) * len(names) <= SPARE * budget:
            return number
    return len(LOOKS) - 1


def _made(names: Sequence[str], look: tuple[int, int]) -> tuple[dict[str, Thumbnail], dict[str, str]]:
    made, missing = {}, {}

    def one(name: str) -> Thumbnail | str:
        image = _load(name)
        return image if isinstance(image, str) else Thumbnail(_url(image, look), image.shape[1], image.shape[0])

    for name, found in zip(names, _mapped(one, names), strict=True):
        if isinstance(found, Thumbnail):
            made[name] = found
        else:
            missing[name] = found
    return made, missing


def _mapped(one: Callable[[str], Thumbnail | str], names: Sequence[str]) -> Iterable[Thumbnail | str]:
    """Read files in threads; scenes are rendered one after the other, for a renderer belongs to its thread."""
    bar: dict[str, Any] = {"total": len(names), "unit": "picture", "desc": "thumbnails", "disable": None}
    if any(name.startswith(SCENE) for name in names):
        yield from tqdm(map(one, names), **bar)
        return
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield from tqdm(pool.map(one, names), **bar)


def _load(name: str) -> Image | str:
    """Read a picture, or render a scene; a text says what is wrong."""
    if name.startswith(SCENE):
        return _scene(int(name.removeprefix(SCENE)))
    try:
        return read(name, trusted=True)
    except (OSError, ValueError) as error:
        return str(error)


def _scene(seed: int) -> Image:
    return np.asarray(_generator().scene(seed).image, np.uint8)


@lru_cache(maxsize=1)
def _generator() -> Generator:
    """Make the renderer once; only a report about scenes needs its libraries."""
    from egm_core.scenes.generator import Generator

    return Generator()


def _url(image: Image, look: tuple[int, int]) -> str:
    side, quality = look
    height, width = image.shape[:2]
    scale = min(1.0, side / max(width, height))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_WEBP_QUALITY, quality))
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode("ascii")
