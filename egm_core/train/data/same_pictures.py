"""Finds the pictures of one set of files in another, by what the files hold and not by their names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection

from egm_core.pictures.reference import split
from egm_core.pictures.source import encoded

# The length of a picture in an archive or table is not told by its file.
UNKNOWN = -1


def shared_pictures(asked: Collection[str], known: Collection[str]) -> set[str]:
    """Give those of the pictures asked about whose very bytes are among the known ones; one that is gone is not."""
    sizes = {size for path in asked if (size := _size(path)) is not None}
    # Only files of equal length can be equal: of a large training set few need to be read.
    wanted = {size for path in known if (size := _size(path)) in sizes or UNKNOWN in (size, *sizes)} - {None}
    alike = [path for path in known if _size(path) in wanted]
    digests = {_digest(path) for path in alike} - {None}
    return {path for path in asked if path in known or (_size(path) is not None and _digest(path) in digests)}


def _size(path: str) -> int | None:
    try:
        container, kind, _ = split(path)
        size = os.stat(container).st_size
        return UNKNOWN if kind else size
    except (OSError, ValueError):
        return None


def _digest(path: str) -> bytes | None:
    try:
        data = encoded(path)
    except (OSError, ValueError):
        return None
    # A moment of a video has no bytes of its own.
    return None if data is None else hashlib.sha256(data).digest()
