"""The truth of a generated scene: what the camera sees and what every object is, to the pixel.

Boxes are xyxy floats with half-open pixel edges in the scene's own image; lengths are metres; the camera
frame is optical (x right, y down, z forward, REP-103).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box

World = Literal["tabletop", "street"]
Size = Literal["small", "medium", "large"]

WORLDS: tuple[World, ...] = ("tabletop", "street")
CATEGORIES: dict[World, tuple[str, ...]] = {
    "tabletop": ("mug", "box", "bottle", "bowl", "ball", "can", "book", "notebook", "pen", "hammer"),
    "street": ("car", "van", "person", "cone"),
}
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (200, 35, 35),
    "green": (40, 160, 60),
    "blue": (40, 70, 205),
    "yellow": (225, 205, 40),
    "orange": (235, 125, 25),
    "purple": (130, 50, 165),
    "white": (238, 238, 235),
    "black": (32, 32, 36),
}
EVALUATION_FIRST_SEED = 500_000_000
_CUT_SHORT = 0.03


def training_seed(seed: int) -> int:
    """Return the seed if training may use it.

    Raises ValueError for seeds from 500,000,000 on, which are kept for evaluation.
    """
    if not 0 <= seed < EVALUATION_FIRST_SEED:
        raise ValueError(
            f"scene seed {seed} is reserved for evaluation; train on seeds 0 to {EVALUATION_FIRST_SEED - 1}"
        )
    return seed


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: pixels of focal length and centre, and its pose in the world (world to optical)."""

    fx: float
    fy: float
    cx: float
    cy: float
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectTruth:
    """One object of a scene, as it is seen and as it is.

    `index + 1` is its value in the segmentation. `amodal_full` may leave the frame, `amodal` is clipped to it.
    `occluders` names objects as `object:<index>` and furniture by its word (`arm`, `pole`, `truck`).
    `depth` is the median distance of the visible surface along the optical axis, `center_depth` the centre's.
    """

    index: int
    category: str
    color: str
    size: Size
    state: str
    visible: Box
    amodal_full: Box
    amodal: Box
    visible_fraction: float
    occluders: tuple[str, ...]
    supported_by: int | None
    depth: float
    center_depth: float
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    extent: NDArray[np.float64]

    def cut_short(self, width: int) -> bool:
        """Tell whether a side of the visible box lies off the amodal one's by over 3 % of the image's width."""
        off = max(abs(a - b) for a, b in zip(self.visible, self.amodal, strict=True))
        return off > _CUT_SHORT * width


@dataclass(frozen=True)
class Scene:
    """A rendered scene with its truth: RGB image (H, W, 3), segmentation (H, W), depth (H, W) in metres."""

    seed: int
    world: World
    version: int
    width: int
    height: int
    image: NDArray[np.uint8]
    segmentation: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    objects: tuple[ObjectTruth, ...]
    camera: Camera
