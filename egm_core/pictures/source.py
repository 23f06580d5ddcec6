"""Reads the picture of a sample wherever it lies: in a file, an archive, a table or a video; see `reference`.

Training, evaluation and checks all read by these functions, so that a picture is the same everywhere.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.pictures import containers
from egm_core.pictures.pixels import decode, read_checked, read_image
from egm_core.pictures.reference import MIRRORED, VIDEOS, is_url, split

Picture = NDArray[np.uint8]
# How far beyond a video's last frame a moment may lie, in seconds, where two frames take less.
_LATE = 0.05


class Pictured(Protocol):
    """Whatever names a picture; `egm_core.sample.Sample` does."""

    @property
    def picture(self) -> str:
        """The reference to read, with the mark of a mirrored one."""


def read_picture(sample: Pictured) -> Picture:
    """Read a sample's picture as (H, W, 3) RGB; FileNotFoundError or ValueError says what is wrong."""
    return read(sample.picture)


def read(picture: str, trusted: bool = False) -> Picture:
    """Read a picture by its reference; `trusted` leaves out the search for damage, in half of the time."""
    plain = picture.removesuffix(MIRRORED)
    shown = _read(plain, trusted)
    return shown if plain == picture else np.ascontiguousarray(shown[:, ::-1])


def exists(image: str) -> bool:
    """Tell whether a picture is there; a video's moment and the values in a TFRecord's record are not looked for."""
    container, kind, place = split(image.removesuffix(MIRRORED))
    if is_url(image) or not is_file(container):
        return False
    try:
        if kind == "zip":
            return containers.has_zip_member(container, place)
        if kind == "tar":
            return containers.has_tar_member(container, place)
        if kind in ("parquet", "tsv"):
            column, row = _cell(image, place)
            there = containers.has_parquet_cell if kind == "parquet" else containers.has_tsv_cell
            return there(container, column, row)
        if kind == "tfrecord":
            return containers.has_tfrecord_record(container, _record(image, place)[0])
    except ValueError:
        # The container or the reference is broken, so nothing can be read from it; reading says why.
        return False
    return True


def is_file(path: str | Path) -> bool:
    """Tell whether a file is there; a name that no file can have, for it is too long, is that of none."""
    try:
        return Path(path).is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def encoded(image: str) -> bytes | None:
    """Give a picture's bytes as they are stored, not mirrored; None for a video, whose pictures have none."""
    plain = image.removesuffix(MIRRORED)
    container, kind, place = split(plain)
    if is_url(plain):
        raise FileNotFoundError(f"{plain} is on a network, and nothing is fetched; download it and name the file")
    if not kind:
        if not is_file(container):
            raise FileNotFoundError(f"{container} is not there; name a picture file")
        return Path(container).read_bytes()
    if kind == "zip":
        return containers.zip_member(container, place)
    if kind == "tar":
        return containers.tar_member(container, place)
    if kind == "parquet":
        return containers.parquet_cell(container, *_cell(image, place))
    if kind == "tsv":
        return containers.tsv_cell(container, *_cell(image, place))
    if kind == "tfrecord":
        return containers.tfrecord_cell(container, *_record(image, place))
    return None


def as_file(picture: str) -> bytes:
    """Give the bytes of a picture file: those stored where they will do, else a PNG of what is read."""
    data = None if picture.endswith(MIRRORED) else encoded(picture)
    if data is None:
        shown = cv2.cvtColor(read(picture), cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".png", shown)[1].tobytes()
    return data


def _read(image: str, trusted: bool) -> Picture:
    container, kind, place = split(image)
    if kind in VIDEOS:
        return _frame(container, _number(image, place, float))
    if not kind and not is_url(image):
        return (read_checked if trusted else read_image)(Path(container))
    data = encoded(image)
    assert data is not None
    return decode(data, image, trusted)


def _frame(path: str, seconds: float) -> Picture:
    """Decode the frame of a video that is shown nearest to a time."""
    import av

    containers.stamp(path)
    best: Any = None
    first, reached = None, 0.0
    try:
        with av.open(path) as video:
            stream = video.streams.video[0]
            stream.thread_type = "AUTO"
            start = stream.start_time or 0
            video.seek(max(start, int(seconds / stream.time_base)), stream=stream, backward=True)
            for frame in video.decode(stream):
                if frame.time is None:
                    continue
                first, reached = first if first is not None else frame.time, frame.time
                if best is None or abs(frame.time - seconds) < abs(best.time - seconds):
                    best = frame
                if frame.time >= seconds:
                    break
            # Frames may lie far apart, for one is shown until the next comes; only what no frame follows is not there.
            between = first is not None and first <= seconds <= reached
            if best is None or not (between or abs(best.time - seconds) <= max(_LATE, 2 / (stream.average_rate or 1))):
                last = "no frame" if best is None else f"{best.time:g} s as its nearest frame"
                raise FileNotFoundError(f"{path} has nothing at {seconds:g} s ({last}); copy the whole video")
            return np.asarray(best.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} cannot be decoded at {seconds:g} s ({error}); copy it anew") from error


def _cell(image: str, place: str) -> tuple[str, int]:
    column, _, row = place.rpartition("::")
    return column, _number(image, row, int)


def _record(image: str, place: str) -> tuple[int, str, int]:
    parts = place.split("::")
    if len(parts) != 3:
        raise ValueError(f"{image} is no place in a TFRecord; write file.tfrecord::record::key::index")
    return _number(image, parts[0], int), parts[1], _number(image, parts[2], int)


def _number(image: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{image} ends in {text!r}, where a number must stand") from None
