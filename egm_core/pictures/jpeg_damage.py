"""Tells a JPEG whose middle is damaged: most decoders fill it with grey or shift it, and do not tell their callers.

libjpeg warns of such files; simplejpeg passes its warnings on, where OpenCV prints them at most. Without simplejpeg, as
on a robot that has no more than ROS and OpenCV, damage is not told, and the log says so once.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable

from egm_core.pictures.file import JPEG

_log = logging.getLogger("egm.pictures")
# libjpeg's words for what it had to make up or leave out.
_WARNINGS = ("corrupt", "premature")
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_END = b"\xff\xd9"


@functools.cache
def _decoder() -> Callable[..., object] | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        _log.warning("damage in the middle of JPEGs is not noticed here: simplejpeg is missing; pip install simplejpeg")
        return None
    return decode_jpeg  # type: ignore[no-any-return]


def damage(data: bytes) -> str:
    """Say in what way a JPEG's coded data are damaged; empty where they are not, and for any other kind of file.

    It costs a decoding without colours. Bytes that a whole picture could have as well cannot be told from it. Zeros
    before the end marker, with which some cameras fill up, are no damage.
    """
    decode = _decoder() if data[: len(JPEG)] == JPEG else None
    if decode is None:
        return ""
    try:
        decode(data, "GRAY", strict=True)
    except ValueError as error:
        said = str(error)
        if not any(word in said.lower() for word in _WARNINGS) or _filled_up(said, data):
            return ""
        return said[:1].lower() + said[1:]
    return ""


def _filled_up(said: str, data: bytes) -> bool:
    found = _EXTRANEOUS.search(said)
    return found is not None and bytes(int(found[1])) + _END in data
