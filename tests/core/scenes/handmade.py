"""Scenes written down by hand: pictures of 1000 x 1000 pixels, so that pixels are thousandths."""

from __future__ import annotations

from typing import Any

import numpy as np

from egm_core.scenes.truth import Camera, ObjectTruth, Scene

CAMERA = Camera(1000.0, 1000.0, 500.0, 500.0, np.zeros(3), np.eye(3))


def thing(name: str, x: float, y: float, side: float = 80.0, depth: float = 1.0, **options: Any) -> dict[str, Any]:
    """An object such as "red mug" with its centre, its side and its depth; options override the truth's fields."""
    color, category = name.split()
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return {
        "category": category,
        "color": color,
        "size": "medium",
        "state": "",
        "visible": box,
        "amodal_full": box,
        "amodal": box,
        "visible_fraction": 1.0,
        "occluders": (),
        "supported_by": None,
        "depth": depth,
        "center_depth": depth,
        "position": np.array([x / 1000, 0.0, depth]),
        "rotation": np.eye(3),
        "extent": np.full(3, side / 1000),
        **options,
    }


def scene(*things: dict[str, Any], world: Any = "tabletop", seed: int = 7) -> Scene:
    """A scene of these objects; its picture is black."""
    objects = tuple(ObjectTruth(index=i, **fields) for i, fields in enumerate(things))
    blank = np.zeros((1000, 1000), np.uint8)
    return Scene(seed, world, 1, 1000, 1000, np.stack([blank] * 3, -1), blank, None, objects, CAMERA)
