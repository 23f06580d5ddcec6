"""A grounding node of one camera, as its tests start it, and the boxes that its engine gives."""

from __future__ import annotations

import numpy as np
from scripted_engine import box_of

LIVE = {
    "max_rate": 0.0,
    "min_score": 0.0,
    "query_timeout": 10.0,
    "deadline": 0.0,
    "max_result_age": 10.0,
    "default_instruction": "",
    "image_timeout": 3600.0,
    "force_amodal": True,
    "max_pixels": 0,
    "reasoning": True,
}


def corners(array) -> list[float]:
    """Give the only detection's box as corners."""
    (detection,) = array.detections
    box = detection.bbox
    x, y = box.center.position.x, box.center.position.y
    return [x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2]


def expected(instruction: str, width: int, height: int, amodal: bool = False) -> list[float]:
    """Scale the scripted box to pixels."""
    return (np.array(box_of(instruction, amodal)) / 1000.0 * [width, height, width, height]).tolist()
