"""The pictures of a run's samples: what is missing, corrupt or of another size is listed; too many stop the run.

A picture's size is the size as it is shown: a phone's EXIF mark turns it, here as in every reader of this package.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
from tqdm import tqdm

from egm_core.pictures.pixels import decode
from egm_core.pictures.reference import split
from egm_core.pictures.source import encoded, read
from egm_core.train.configuration import ConfigurationError

BAD = "bad_images.jsonl"
CHECKED = "checked_images.json"
EXIF_ORIENTATION = 274
UPRIGHT = 1
# Qwen's image processors refuse a picture that is more than this many times as long as it is wide.
LONGEST_ASPECT = 200
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")

Size: TypeAlias = tuple[int, int]
# The sizes that records say a picture has, and where the first record of each stands.
Claims: TypeAlias = Mapping[str, Mapping[Size, str]]


@dataclass(frozen=True)
class Picture:
    """What a picture file is: why it can't be used (empty: it can), its (width, height) as shown, and how it is kept.

    `turned` is its EXIF orientation where that is not upright; `deep` means 16 bits a channel, `blank` one colour only.
    """

    reason: str = ""
    width: int = 0
    height: int = 0
    turned: int = 0
    deep: bool = False
    blank: bool = False


def look_at(path: str) -> Picture:
    """Read a picture to know what it is, and whether all of it is there."""
    from PIL import Image

    try:
        data, turned, deep = encoded(path), UPRIGHT, False
        if data is not None:
            with Image.open(io.BytesIO(data)) as picture:
                turned = int(picture.getexif().get(EXIF_ORIENTATION, UPRIGHT))
                deep = picture.mode in SIXTEEN_BIT
        if not split(path)[1] and not cv2.haveImageReader(path):
            return Picture("of a kind that OpenCV does not read; give PNG or JPEG")
        # By the reader of training and scoring, for readers differ in what they let pass.
        shown = read(path) if data is None else decode(data, path)
        height, width, blank = *shown.shape[:2], bool((shown == shown[0, 0]).all())
    except FileNotFoundError:
        return Picture("missing")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Picture(f"corrupt: {error}")
    aspect = max(width, height) / min(width, height)
    reason = f"{aspect:.0f} times as long as wide, of at most {LONGEST_ASPECT}" if aspect > LONGEST_ASPECT else ""
    return Picture(reason, width, height, 0 if turned == UPRIGHT else turned, deep, blank)


def look_at_all(folder: Path, paths: Sequence[str]) -> dict[str, Picture]:
    """Look at pictures, several at a time; what is known is kept in the folder by path, size and time."""
    stamp = _stamp(paths)
    known = _remembered(folder / CHECKED, stamp)
    if known is None:
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(pool.map(look_at, paths), total=len(paths), unit="picture", desc="checking", disable=None) as looks,
        ):
            known = dict(zip(paths, looks, strict=True))
        content = {"stamp": stamp, "pictures": {path: _told(picture) for path, picture in known.items()}}
        (folder / CHECKED).write_text(json.dumps(content), encoding="utf-8")
    return known


def bad_images(folder: Path, images: Iterable[str] | Claims, missing_share: float) -> dict[str, str]:
    """Find the image files that can't be used: missing, corrupt, or of no size that a record says.

    They are listed in the run's folder as `bad_images.jsonl`, each with its reason. What was looked at is remembered,
    so that a resumed run need not read all again. Raises ConfigurationError where the share of bad ones is above
    `missing_share`; the message names some. Of images that come without their records' sizes, those that an EXIF
    mark turns are bad: nothing says which way their boxes lie.
    """
    claims: Claims = images if isinstance(images, Mapping) else {path: {} for path in images}
    pictures = look_at_all(folder, list(claims))
    bad = {path: why for path, sizes in claims.items() if (why := _why(pictures[path], sizes))}
    lines = [json.dumps({"image": path, "reason": reason}, ensure_ascii=False) + "\n" for path, reason in bad.items()]
    (folder / BAD).write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
    if len(bad) > missing_share * len(claims):
        first = "; ".join(f"{_at(claims[path])}{path} ({reason})" for path, reason in islice(bad.items(), 3))
        raise ConfigurationError(
            f"{len(bad)} of {len(claims)} images can't be used, such as {first}; all are listed in {folder / BAD}. "
            f"Bring them, or allow more than missing_share={missing_share:g}"
        )
    return bad


def _why(picture: Picture, sizes: Mapping[Size, str]) -> str:
    size = picture.width, picture.height
    if picture.reason or size in sizes or not (sizes or picture.turned):
        return picture.reason
    turned = f", turned by its EXIF mark ({picture.turned})" if picture.turned else ""
    said = " and ".join(f"{width} x {height}" for width, height in sizes) or "unknown"
    return f"{size[0]} x {size[1]} pixels as it is shown{turned}, and its record's size is {said}"


def _at(sizes: Mapping[Size, str]) -> str:
    return next((f"{place}: " for place in sizes.values()), "")


def _told(picture: Picture) -> dict[str, str | int]:
    return {name: value for name, value in asdict(picture).items() if value}


def _stamp(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(split(path)[0])
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except (OSError, ValueError):  # not there, or a name that no file can have
            digest.update(f"{path!r}\0missing\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _remembered(file: Path, stamp: str) -> dict[str, Picture] | None:
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        if before["stamp"] != stamp:
            return None
        return {path: Picture(**facts) for path, facts in before["pictures"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
