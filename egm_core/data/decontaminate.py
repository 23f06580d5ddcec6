"""Finds pictures of one sample file in another, by their ids and by what they look like.

A picture's look is 64 bits: which of the lowest frequencies of its grey values, shrunk to 32 x 32, are above their
median. Recoding and resizing change few of them. A mirrored picture is looked for, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.data.picture_key import inner_name, of_coco
from egm_core.data.readers.shared.pictures import coco_id
from egm_core.pictures.reference import split
from egm_core.pictures.source import read
from egm_core.sample import Sample

# Of 64 bits. JPEG at quality 50 and a quarter of the size changed 2 bits of 37 photographs at most, a cut of 2 % up to
# 10; different ones were 14 bits apart or more, the nearest being of one street.
THRESHOLD = 6
_SIDE, _LOW = 32, 8
_BLOCK = 4096

Bits = NDArray[np.uint64]


@dataclass(frozen=True)
class Match:
    """A picture that is in both files: how it was found, and its name in the other."""

    picture: str
    other: str
    why: str


@dataclass
class Pictures:
    """The pictures of a sample file: by name, with their ids and, once asked for, their looks."""

    keys: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Pictures:
        """Gather the pictures of samples; a mirrored copy is its original."""
        keys: dict[str, tuple[str, ...]] = {}
        for sample in samples:
            if sample.image not in keys:
                keys[sample.image] = tuple(_keys(sample))
        return cls(keys)


def _keys(sample: Sample) -> Iterable[str]:
    """Give the ids by which a picture may be known: its size is part of them, for ids are small numbers."""
    size = f"{sample.width}x{sample.height}"
    number = sample.image_id or coco_id(sample.image)
    if number:
        yield f"id {_whose(sample)}{number.lstrip('0') or '0'} {size}"
    if coco := coco_id(inner_name(sample.image)):
        yield f"id {coco} {size}"
    if not split(sample.image)[1]:
        yield f"file {sample.image}"


def _whose(sample: Sample) -> str:
    """Tell whose id a sample's image has: COCO's, which many data sets share, or its own data set's.

    Without the name of a data set it is taken for COCO's.
    """
    coco = not sample.source or coco_id(sample.image) or of_coco(sample.source)
    return "" if coco else f"of {sample.source}: "


def by_id(ours: Pictures, theirs: Pictures) -> dict[str, Match]:
    """Find those of our pictures whose id, with the size, is among theirs; or whose very file is."""
    known = {key: picture for picture, keys in theirs.keys.items() for key in keys}
    found = {}
    for picture, keys in ours.keys.items():
        key = next((key for key in keys if key in known), "")
        if key:
            found[picture] = Match(picture, known[key], "the same id and size" if key.startswith("id") else "one file")
    return found


def look(image: NDArray[np.uint8]) -> int:
    """Give the 64 bits of a picture's look."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:_LOW, :_LOW].ravel()
    # The first is the mean brightness, which a change of exposure moves.
    above = low > np.median(low[1:])
    above[0] = False
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def looks(pictures: Iterable[str], unread: list[str], mirrored: bool = False) -> tuple[list[str], Bits]:
    """Give the looks of pictures, with `mirrored` of their mirror images, too; what cannot be read is named."""
    names: list[str] = []
    bits: list[int] = []
    for picture in pictures:
        try:
            image = read(picture, trusted=True)
        except (OSError, ValueError) as error:
            unread.append(f"{picture}: {error}")
            continue
        for way in (image, np.ascontiguousarray(image[:, ::-1])) if mirrored else (image,):
            names.append(picture)
            bits.append(look(way))
    return names, np.array(bits, np.uint64)


def by_look(ours: tuple[list[str], Bits], theirs: tuple[list[str], Bits], threshold: int) -> dict[str, Match]:
    """Find those of our pictures whose look differs from one of theirs in at most `threshold` bits."""
    found = {}
    names, bits = theirs
    for begin in range(0, len(ours[0]) if names else 0, _BLOCK):
        block = ours[1][begin : begin + _BLOCK]
        nearest = np.zeros(len(block), np.int64)
        least = np.full(len(block), 65, np.uint8)
        for at, value in enumerate(bits):
            apart = np.bitwise_count(block ^ value)
            nearer = apart < least
            least[nearer], nearest[nearer] = apart[nearer], at
        for row in np.flatnonzero(least <= threshold):
            picture = ours[0][begin + int(row)]
            other = names[int(nearest[row])]
            found[picture] = Match(picture, other, f"a look that differs in {int(least[row])} of 64 bits")
    return found
