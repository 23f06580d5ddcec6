"""Decodes ROS image messages into NumPy arrays: every encoding a camera sends, without ROS or its types.

`decode` reads any object with the fields of sensor_msgs/Image or CompressedImage, as a bag's reader makes them, too.
`egm_core.pictures.depth` does the same for depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.pictures.encodings import COLOUR, DEPTH, PACKED, PLANAR, Packed, Planar, guessed
from egm_core.pictures.file import cut_short, deep_grey
from egm_core.pictures.jpeg_damage import damage

RGB = NDArray[np.uint8]
# Converts a message to RGB by other means, given its samples were looked at; None leaves it to this module.
Other: TypeAlias = Callable[[Any], RGB | None]

_DRIVER = "have the driver fill width, height and step with the picture's own"
_EVEN = "have the driver send even sides, or rgb8"
_VIDEO = ("h264", "h265", "hevc", "av1", "vp8", "vp9")


class ImageError(ValueError):
    """An image that cannot be used; `reason` is one word for why, the message says it in a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def decode(message: Any, quick: bool = False, other: Other | None = None) -> RGB:
    """Decode a colour or grey image to RGB, shape (height, width, 3), 8 bits; 16-bit values are scaled down.

    A JPEG is decoded twice to find damage in its middle, unless `quick`: for what only shows or follows.
    Raises ImageError with the reason empty_image, bad_step, truncated, size_mismatch, unsupported_encoding,
    odd_size, not_colour, damaged or undecodable.
    """
    if not hasattr(message, "encoding"):
        return _decode_compressed(message, quick)
    encoding = str(message.encoding)
    if encoding in PLANAR:
        return _decode_planar(message, PLANAR[encoding])
    if encoding not in PACKED:
        if encoding in DEPTH:
            raise ImageError("not_colour", f"{encoding} is a depth image; subscribe to the camera's colour image")
        raise ImageError("unsupported_encoding", f"{encoding!r} is none of {', '.join(COLOUR)}")
    packed = PACKED[encoding]
    pixels = samples_of(message, packed.sample, packed.channels)
    height, width = pixels.shape[:2]
    if packed.channels == 2 and width % 2:
        raise ImageError("odd_size", f"{encoding} shares colours between two pixels, but the width is {width}; {_EVEN}")
    if encoding.startswith("bayer") and (width < 2 or height < 2):
        raise ImageError("odd_size", f"{encoding} needs 2x2 pixels, but the image is {width}x{height}")
    converted = other(message) if other else None
    return _to_rgb(pixels, packed) if converted is None else converted


def quickly(message: Any) -> RGB:
    """Decode an image that only shows or is followed: damage in the middle of a JPEG is not looked for."""
    return decode(message, quick=True)


def guess(message: Any) -> str:
    """Say what an image is taken for where its encoding leaves that open, and the remedy; empty where it does not."""
    return guessed(str(getattr(message, "encoding", "")))


def samples_of(message: Any, sample: type[np.generic], channels: int) -> NDArray[Any]:
    """View a raw message's samples as (height, width[, channels]) in this machine's byte order."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    dtype = np.dtype(sample).newbyteorder(">" if message.is_bigendian else "<")
    row = width * channels * dtype.itemsize
    if width <= 0 or height <= 0:
        raise ImageError("empty_image", f"the image is {width}x{height}")
    if step < row:
        raise ImageError("bad_step", f"a row of {width} pixels takes {row} bytes, but step is {step}; {_DRIVER}")
    data = np.frombuffer(message.data, np.uint8)
    if data.size != step * height:
        reason = "truncated" if data.size < step * height else "size_mismatch"
        raise ImageError(reason, f"{height} rows of {step} bytes make {step * height}, but {data.size} came; {_DRIVER}")
    rows = data.reshape(height, step)[:, :row]
    pixels = np.ascontiguousarray(rows).view(dtype)
    if not dtype.isnative:
        pixels = pixels.astype(dtype.newbyteorder("="))
    return pixels if channels == 1 else pixels.reshape(height, width, channels)


def _decode_planar(message: Any, planar: Planar) -> RGB:
    """Decode an image of two planes; rows may be padded, in both alike."""
    width, height, encoding = int(message.width), int(message.height), str(message.encoding)
    if width <= 0 or height <= 0:
        raise ImageError("empty_image", f"the image is {width}x{height}")
    if width % planar.share or height % planar.share:
        what = f"shares colours between {planar.share}x{planar.share} pixels"
        raise ImageError("odd_size", f"{encoding} {what}, but the image is {width}x{height}; {_EVEN}")
    data = np.frombuffer(message.data, np.uint8)
    # Drivers disagree on what `step` counts here: bytes of a row of luma, or of all planes. The buffer decides.
    colours = 2 * height // planar.share**2
    row, left = divmod(data.size, height + colours)
    if row < width or left:
        reason = "truncated" if data.size < width * (height + colours) else "size_mismatch"
        raise ImageError(
            reason,
            f"{encoding} of {width}x{height} takes {width * (height + colours)} bytes, or {height + colours} long rows "
            f"of one length (luma and colours), but {data.size} came; {_DRIVER}, with both planes whole, or as rgb8",
        )
    luma = data[: height * row].reshape(height, row)[:, :width]
    pairs = data[height * row :].reshape(height // planar.share, 2 * row // planar.share)
    chroma = pairs[:, : 2 * width // planar.share].reshape(height // planar.share, width // planar.share, 2)
    return np.asarray(planar.convert(np.ascontiguousarray(luma), np.ascontiguousarray(chroma)), np.uint8)


def _to_rgb(pixels: NDArray[Any], packed: Packed) -> RGB:
    colour = pixels.copy() if packed.conversion is None else cv2.cvtColor(pixels, packed.conversion)
    if colour.dtype == np.uint16:
        colour = cv2.convertScaleAbs(colour, alpha=255.0 / 65535.0)
    return np.asarray(colour, np.uint8)


@dataclass(frozen=True)
class Compressed:
    """A compressed colour picture that may be decoded: its bytes, and what its format says of the picture inside.

    `inner` is the encoding before compression, as image_transport writes it; empty where the format does not say.
    `swapped`: the file holds RGB where files hold BGR.
    """

    data: NDArray[np.uint8]
    declared: str
    inner: str
    swapped: bool

    @property
    def mosaic(self) -> bool:
        """Whether the file may hold the bare samples of a Bayer filter."""
        return self.inner.startswith("bayer_")


def opened(message: Any) -> Compressed:
    """Look at a compressed image's format and bytes; ImageError where no colour picture can come of them."""
    declared = str(message.format)
    inner = declared.partition(";")[0].strip() if ";" in declared else ""
    data = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in declared or (inner in DEPTH and inner != "mono16"):
        raise ImageError("not_colour", f"{declared!r} is a depth image; subscribe to the camera's colour image")
    if not data.size:
        raise ImageError("empty_image", "the compressed image has no bytes")
    if any(codec in declared.lower() for codec in _VIDEO):
        raise ImageError(
            "undecodable", f"{declared!r} is a video stream, not pictures; republish the camera's raw image as JPEG"
        )
    if cut_short(data.data):
        raise ImageError("truncated", f"the picture ({declared!r}, {data.size} bytes) has no end")
    # Deep grey is depth more often than a picture, and would look almost black.
    if inner != "mono16" and not inner.startswith("bayer_") and deep_grey(data.data):
        raise ImageError(
            "not_colour",
            f"{declared!r} holds 16-bit grey, such as depth; subscribe to the camera's colour image, or have the "
            "publisher write 'mono16; png compressed' as its format if this is a grey picture",
        )
    return Compressed(data, declared, inner, "compressed rgb8" in declared)


def _decode_compressed(message: Any, quick: bool) -> RGB:
    picture = opened(message)
    flags = (cv2.IMREAD_UNCHANGED if picture.mosaic else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    image = imdecode(picture, flags)
    harm = "" if quick else damage(picture.data.tobytes())
    if harm:
        size = f"{picture.declared!r}, {picture.data.size} bytes"
        raise ImageError("damaged", f"the picture ({size}) lost some of its middle: {harm}; see its way here")
    if picture.mosaic and image.ndim == 2 and picture.inner in PACKED and min(image.shape) >= 2:
        return _to_rgb(image, PACKED[picture.inner])
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=255.0 / 65535.0)
    if image.ndim == 2 or image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_BGRA2BGR)
    return in_rgb(picture, image)


def imdecode(picture: Compressed, flags: int) -> NDArray[Any]:
    """Decode with OpenCV's flags; ImageError `undecodable` where that fails."""
    try:
        image = cv2.imdecode(picture.data, flags)
    except cv2.error as error:
        raise ImageError("undecodable", str(error).strip().splitlines()[-1]) from error
    if image is None:
        raise ImageError("undecodable", f"{picture.data.size} bytes declared as {picture.declared!r} are no image")
    return np.asarray(image)


def in_rgb(picture: Compressed, image: NDArray[Any]) -> RGB:
    """Put the channels of a decoded colour picture (H, W, 3) in the order RGB."""
    return np.asarray(image if picture.swapped else cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
