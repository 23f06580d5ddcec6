"""From boxes in a picture to boxes in space."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from egm_core.boxes import Box, clip
from egm_core.lifting.box3d import Box3D
from egm_core.lifting.camera import Camera, LiftError
from egm_core.lifting.surface import Depth, Surface, surface

# Fewest measured pixels that a range is taken from.
MIN_PIXELS = 8
# Standard deviation of the amodal centre along z, in parts of the depth that was guessed (tools/bench_lifting.py).
DOUBT = 0.2
# A surface seen head-on has no depth of its own, but a box has.
THINNEST = 0.001


@dataclass(frozen=True)
class Lifted:
    """One object in the camera's optical frame, or the reason why there is none.

    `range` is the median distance of its visible surface along the optical axis in metres, from `pixels` pixels.
    `reason` is a word: outside_image, no_valid_depth, few_valid_pixels, no_ray; empty where there are boxes.
    """

    visible: Box3D | None = None
    amodal: Box3D | None = None
    range: float = math.nan
    pixels: int = 0
    reason: str = ""


def lift(
    visible: Box, amodal: Box | None, depth: Depth, camera: Camera, min_pixels: int = MIN_PIXELS, density: float = 1.0
) -> Lifted:
    """Lift an object's boxes, in pixels of the camera's picture, to 3D boxes in its optical frame.

    `depth` is (H, W) in metres along the optical axis, of the picture's size or of the same picture in another size;
    what is not finite, zero or negative was not measured. The range comes from the visible surface alone. The visible
    box is what can be seen, as deep as its surface. The amodal one is an estimate: it begins where the surface does,
    and is as deep as that, but no less than its own shorter side. `density` says which part of its pixels the depth
    image still has; the others are counted all the same.

    Raises LiftError with the reason depth_size where depth is of another shape than the picture, and depth_unit where
    it is not of floats.
    """
    across, down = _scale(depth, camera)
    shown = clip(visible, camera.width, camera.height) if _sound(visible) else None
    if shown is None or not _sound(shown):
        return Lifted(reason="outside_image")
    seen = surface(depth, (shown[0] * across, shown[1] * down, shown[2] * across, shown[3] * down))
    if seen is None:
        return Lifted(reason="no_valid_depth")
    pixels = round(seen.pixels / density)
    if pixels < min_pixels:
        return Lifted(pixels=pixels, reason="few_valid_pixels")
    spread = max(seen.far - seen.near, THINNEST)
    measured = _box(camera, shown, seen.middle, (seen.near + seen.far) / 2, spread)
    if measured is None:
        return Lifted(pixels=pixels, reason="no_ray")
    whole = None
    if amodal is not None and _sound(amodal):
        whole = _whole(camera, amodal, seen, spread)
    return Lifted(measured, whole, seen.middle, pixels)


def _whole(camera: Camera, amodal: Box, seen: Surface, spread: float) -> Box3D | None:
    """Guess the whole object: it begins at the surface, and is as deep as that or as its own shorter side."""
    ahead = _box(camera, amodal, 1.0, 1.0, spread)
    if ahead is None:
        return None
    # The shorter side at the middle, which lies half of it behind the surface.
    angle = min(ahead.size[:2])
    deep = max(spread, angle * seen.near / (1 - min(angle / 2, 0.5)))
    there = seen.near + deep / 2
    box = _box(camera, amodal, there, there, deep)
    return replace(box, estimated=True, doubt=DOUBT * deep) if box is not None else None


def _sound(box: Box) -> bool:
    """Whether a box is finite and has an area."""
    return bool(np.isfinite(box).all()) and box[2] > box[0] and box[3] > box[1]


def _scale(depth: Depth, camera: Camera) -> tuple[float, float]:
    """Give depth pixels to a pixel of the picture, across and down."""
    if depth.ndim != 2 or 0 in depth.shape:
        raise LiftError("depth_size", f"depth of shape {depth.shape} is no image; give (height, width)")
    if not np.issubdtype(depth.dtype, np.floating):
        raise LiftError("depth_unit", f"depth is of {depth.dtype}: give metres as floats (16UC1 has millimetres)")
    high, wide = depth.shape
    across, down = wide / camera.width, high / camera.height
    # Rounding to whole pixels may take one off either side.
    if abs(across - down) > max(across / wide, down / high):
        raise LiftError(
            "depth_size",
            f"depth is {wide}x{high}, but the picture is {camera.width}x{camera.height}: let the driver align depth to"
            " the picture",
        )
    return across, down


def _box(camera: Camera, box: Box, range: float, z: float, depth: float) -> Box3D | None:
    """Stand a box of the picture up in space: as wide and high as it is at `range`, its middle on the ray at `z`.

    None where the lens's distortion has no ray for it.
    """
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        rays = camera.rays([(x, y), (x0, y), (x1, y), (x, y0), (x, y1)])
        wide, high = np.abs(rays[2, 0] - rays[1, 0]) * range, np.abs(rays[4, 1] - rays[3, 1]) * range
        center = (float(rays[0, 0] * z), float(rays[0, 1] * z), float(z))
    size = (float(wide), float(high), float(depth))
    return Box3D(center, size) if np.isfinite([*center, *size]).all() else None
