"""Finds the pictures that records name: below a folder or in an archive, and mirrored copies by their originals."""

from __future__ import annotations

import argparse
import io
import re
import struct
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.shared.whereabouts import whereabouts
from egm_core.pictures.reference import is_url, join
from egm_core.pictures.source import encoded, exists, is_file, read

ARCHIVES = (".zip", ".tar")
# EXIF's mark, and those of its values that make a picture's width its height.
_ORIENTATION, _LAID_DOWN = 274, (5, 6, 7, 8)
LACKING = "width and height are missing, and the picture can't tell them"
FLIPPED = ("coco_flip", "coco")
# A reference's own name ends in the number of its annotation: COCO_train2014_000000581857_16.jpg.
_COCO = re.compile(r"(?:COCO_[a-z0-9]+_0*([0-9]+)(?:_[0-9]+)?|(?=[0-9]{12}\.)0*([0-9]+))\.(?:jpe?g|png)", re.IGNORECASE)
# Most names are of this kind, and need no look at their parts.
_BASE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9]+")


@dataclass(frozen=True)
class Pictures:
    """Where pictures lie: a folder, or a ZIP or TAR archive, in which base names are enough.

    `flipped` names a folder of mirrored copies and that of the originals: where a copy is missing, its original is
    taken and mirrored on reading.
    """

    root: Path
    flipped: tuple[str, str] = FLIPPED
    _held: dict[bytes, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def below(cls, root: Path, tally: Tally) -> Pictures:
        """Make those of a folder or archive, of which the tally then knows that they were looked for there."""
        tally.folders.setdefault(root)
        return cls(root)

    def held(self, reference: str, data: bytes) -> str:
        """Give the reference of the first row that held the same picture: rows of one picture must stay rows of one."""
        return self._held.setdefault(blake2b(data, digest_size=16).digest(), reference)

    def find(self, image: str) -> str:
        """Give the path of a picture, or its reference in the archive; it need not be there."""
        if not self._is_archive and _BASE.fullmatch(image):
            return self._folder + image
        if is_url(image) or Path(image).is_absolute():
            return image
        if self._is_archive:
            named = self._members.get(image) or self._members.get(PurePosixPath(image).name) or image
            return join(str(self.root), named)
        return str(self.root / image)

    def mirrored(self, image: str) -> tuple[str, bool]:
        """Find a picture, and tell whether it is an original that is to be mirrored."""
        path, parts = self.find(image), PurePosixPath(image).parts
        copies, originals = self.flipped
        if copies not in parts or is_file(path):
            return path, False
        at = parts.index(copies)
        ways = ((*parts[:at], originals, *parts[at + 1 :]), (*parts[:at], *parts[at + 1 :]))
        found = [self.find("/".join(way)) for way in ways]
        there = [way for way in found if is_file(way) or self._is_archive]
        return (there[0], True) if there else (path, False)

    def size(self, image: str, place: Place) -> tuple[int, int]:
        """Look up the (width, height) of a picture that was found, where its record does not say it."""
        hint = "" if is_url(image) or exists(image) else whereabouts([image], [self.root])
        return picture_size(image, place, hint)

    @cached_property
    def _is_archive(self) -> bool:
        return self.root.suffix.lower() in ARCHIVES

    @cached_property
    def _folder(self) -> str:
        return str(self.root / "_").removesuffix("_")

    @cached_property
    def _members(self) -> dict[str, str]:
        """Name an archive's members by their whole names, and by their base names where those are unique."""
        place = Place(str(self.root))
        try:
            if self.root.suffix.lower() == ".zip":
                with zipfile.ZipFile(self.root) as archive:
                    names = archive.namelist()
            else:
                with tarfile.open(self.root, "r:") as tar:
                    names = tar.getnames()
        except (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, struct.error, ValueError, OSError) as error:
            raise place.error(f"no archive that can be read ({error}); copy it anew, or unpack it") from error
        count = Counter(PurePosixPath(name).name for name in names)
        alone = {base: name for name in names if count[base := PurePosixPath(name).name] == 1}
        return alone | {name: name for name in names}


def add_images(parser: argparse._ActionsContainer, needed: bool = False, what: str = "the file's folder") -> None:
    """Give a parser the option that names the pictures' folder."""
    parser.add_argument(
        "--images",
        type=Path,
        required=needed,
        help="folder of the images, or a .zip or .tar of them" + ("" if needed else f" (default: {what})"),
    )


def picture_size(image: str, place: Place, hint: str = "") -> tuple[int, int]:
    """Look up the (width, height) of a picture as it is shown; `hint` says where it may be if it is not there."""
    try:
        data = encoded(image)
        if data is None:
            height, width = read(image).shape[:2]
            return width, height
    except (OSError, ValueError) as error:
        raise place.error(f"{LACKING}: {error}{'; ' * bool(hint)}{hint}") from error
    return size_of(data, place, f"{LACKING}: {image}")


def size_of(data: bytes, place: Place, wrong: str = LACKING) -> tuple[int, int]:
    """Give the (width, height) of a picture file's bytes, as it is shown; `wrong` says what is wrong without them."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            turned = _orientation(picture) in _LAID_DOWN
    except UnidentifiedImageError as error:
        # Its own words have the address of the bytes in memory.
        raise place.error(f"{wrong}: no kind of picture that is known") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise place.error(f"{wrong}: {error}") from error
    return (height, width) if turned else (width, height)


def _orientation(picture: Any) -> Any:
    """Give EXIF's mark of how a picture is shown; 1, as it lies, where what it says cannot be read."""
    try:
        return picture.getexif().get(_ORIENTATION, 1)
    # What Pillow raises at broken EXIF: readers of pixels pass over it, too.
    except (SyntaxError, struct.error, ValueError, LookupError, TypeError, OSError):
        return 1


def coco_id(image: str) -> str:
    """Give the COCO id that a picture's name tells, such as 581857; empty where it tells none."""
    found = _COCO.fullmatch(PurePosixPath(image).name)
    return found[1] or found[2] if found else ""
