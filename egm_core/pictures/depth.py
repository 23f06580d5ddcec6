"""Decodes depth images: raw ones, and those of image_transport's `compressedDepth`, as PNG or RVL.

The layout of `compressedDepth` was read from compressed_depth_image_transport, image_transport_plugins at 7404d772:
twelve bytes of settings, then the picture. Depth in metres is kept as its inverse in steps.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.pictures import rvl
from egm_core.pictures.encodings import DEPTH
from egm_core.pictures.file import PNG, cut_short
from egm_core.pictures.messages import ImageError, samples_of

# A word for the kind, which is always the same, and two numbers for the inverse depth.
_SETTINGS = struct.Struct("<iff")
_SIZE = struct.Struct("<II")
# More pixels than any camera's depth has: damaged bytes must not take all memory.
_LARGEST = 1 << 26


def decode_depth(message: Any) -> NDArray[np.float32]:
    """Decode a depth image to metres, shape (height, width); what was not measured (0, NaN) becomes NaN."""
    samples = depth_samples(message)
    unit = 0.001 if np.issubdtype(samples.dtype, np.integer) else 1.0
    depth = samples.astype(np.float32) * np.float32(unit)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def depth_samples(message: Any) -> NDArray[Any]:
    """Give a depth image's samples (height, width): whole millimetres, or metres as floats."""
    if not hasattr(message, "encoding"):
        return _decompressed(str(message.format), memoryview(message.data))
    encoding = str(message.encoding)
    if encoding not in DEPTH:
        raise ImageError("unsupported_encoding", f"depth as {encoding!r} is none of {', '.join(DEPTH)}")
    return samples_of(message, DEPTH[encoding][0], 1)


def _decompressed(declared: str, data: memoryview) -> NDArray[Any]:
    """Decode a compressed depth image of a format such as `16UC1; compressedDepth rvl`."""
    encoding, _, way = (part.strip() for part in declared.partition(";"))
    if encoding not in DEPTH or (way and "compressedDepth" not in way and "png" not in way):
        raise ImageError(
            "unsupported_encoding",
            f"depth as {declared!r}: take a topic of compressedDepth (16UC1 or 32FC1, PNG or RVL), or the raw one",
        )
    bare = "rvl" not in way and bytes(data[: len(PNG)]) == PNG
    if len(data) <= _SETTINGS.size:
        raise ImageError("truncated", f"compressed depth ({declared!r}) of {len(data)} bytes holds no picture")
    _, scale, shift = (0, 0.0, 0.0) if bare else _SETTINGS.unpack_from(data)
    picture = data if bare else data[_SETTINGS.size :]
    samples = _of_rvl(picture, declared) if "rvl" in way else _of_png(picture, declared)
    if DEPTH[encoding][0] is not np.float32:
        return samples
    if not scale:
        raise ImageError("unsupported_encoding", f"{declared!r} says metres, but has no settings to tell them by")
    metres = np.full(samples.shape, np.nan, np.float32)
    measured = samples > 0
    metres[measured] = np.float32(scale) / (samples[measured].astype(np.float32) - np.float32(shift))
    return metres


def _of_png(picture: memoryview, declared: str) -> NDArray[np.uint16]:
    size = f"{declared!r}, {len(picture)} bytes"
    if bytes(picture[: len(PNG)]) != PNG:
        raise ImageError("undecodable", f"compressed depth ({size}) is no PNG; have the driver send png or rvl")
    if cut_short(picture):
        raise ImageError("truncated", f"the depth image ({size}) has no end")
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ImageError("undecodable", f"the depth image ({size}) is a damaged PNG; see its way here")
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ImageError("unsupported_encoding", f"the depth image ({size}) is not of 16-bit grey")
    return np.asarray(image, np.uint16)


def _of_rvl(picture: memoryview, declared: str) -> NDArray[np.uint16]:
    if len(picture) < _SIZE.size:
        raise ImageError("truncated", f"the depth image ({declared!r}, {len(picture)} bytes) has no size")
    width, height = _SIZE.unpack_from(picture)
    if not width * height:
        raise ImageError("empty_image", f"the depth image ({declared!r}) is {width}x{height}")
    if width * height > _LARGEST:
        raise ImageError("size_mismatch", f"the depth image ({declared!r}) calls itself {width}x{height}")
    try:
        return rvl.decode(picture[_SIZE.size :], width * height).reshape(height, width)
    except ValueError as error:
        raise ImageError("undecodable", f"the depth image ({declared!r}, {width}x{height}): {error}") from error
