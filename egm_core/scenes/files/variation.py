"""Variations of a rendered scene for training: a mirror, other light, blur and noise, with the truth kept true."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from egm_core.boxes import Box
from egm_core.scenes.truth import ObjectTruth, Scene


def varied(scene: Scene, rng: np.random.Generator) -> Scene:
    """Vary a scene's picture: mirrored in half of the cases, then light, gradient, blur and noise.

    Boxes and segmentation follow the mirroring; camera, poses and depth don't, so use the result for
    pictures, boxes and expressions only.
    """
    image, segmentation, objects = scene.image, scene.segmentation, scene.objects
    if rng.random() < 0.5:
        image, segmentation = image[:, ::-1], segmentation[:, ::-1]
        objects = tuple(_mirrored(o, scene.width) for o in objects)
    picture = image.astype(np.float32)
    slope = rng.uniform(-0.2, 0.2)
    picture *= np.linspace(1 - slope, 1 + slope, scene.width, dtype=np.float32)[None, :, None]
    picture *= rng.uniform(0.8, 1.15)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    noise = rng.standard_normal((scene.height // 2, scene.width // 2), dtype=np.float32) * rng.uniform(0.5, 6)
    picture += cv2.resize(noise, (scene.width, scene.height))[:, :, None]
    return replace(
        scene,
        image=np.clip(picture, 0, 255).astype(np.uint8),
        segmentation=np.ascontiguousarray(segmentation),
        objects=objects,
    )


def _mirrored(thing: ObjectTruth, width: int) -> ObjectTruth:
    def flip(b: Box) -> Box:
        return (width - b[2], b[1], width - b[0], b[3])

    return replace(thing, visible=flip(thing.visible), amodal=flip(thing.amodal), amodal_full=flip(thing.amodal_full))
