"""Contact sheets: many scenes on one picture, with visible boxes solid and amodal boxes dashed."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.pictures.draw import draw, mounted
from egm_core.scenes.truth import ObjectTruth, Scene


def tile(scene: Scene, zoom: float = 2.0, boxes: bool = True) -> NDArray[np.uint8]:
    """Return a scene's picture enlarged by `zoom`, with its objects' boxes and names."""
    picture = np.asarray(cv2.resize(scene.image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    if not boxes:
        return picture
    seen = [thing for thing in scene.objects if thing.visible[2] > thing.visible[0]]
    marked = draw(picture, [_grown(o.visible, zoom) for o in seen], [_grown(o.amodal, zoom) for o in seen], scale=0.6)
    for thing in seen:
        _name(marked, thing, zoom)
    return marked


def sheet(scenes: Iterable[Scene], columns: int = 4, zoom: float = 2.0, boxes: bool = True) -> NDArray[np.uint8]:
    """Return the tiles of scenes side by side on white (H, W, 3 RGB)."""
    tiles = [tile(scene, zoom, boxes) for scene in scenes]
    if not tiles:
        raise ValueError("a contact sheet needs at least one scene")
    return mounted(tiles, columns)


def _grown(box: Box, zoom: float) -> Box:
    return box[0] * zoom, box[1] * zoom, box[2] * zoom, box[3] * zoom


def _name(canvas: NDArray[np.uint8], thing: ObjectTruth, zoom: float) -> None:
    text = f"{thing.color} {thing.category} {thing.visible_fraction:.0%}"
    at = (int(thing.visible[0] * zoom) + 2, max(int(thing.visible[1] * zoom) - 3, 9))
    for color, width in (((0, 0, 0), 2), ((255, 255, 255), 1)):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.3 * zoom / 2 + 0.05, color, width, cv2.LINE_AA)
