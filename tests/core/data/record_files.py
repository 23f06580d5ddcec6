"""Writes small files for the tests of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def jsonl(path: Path, *records: Any) -> Path:
    """Write records as JSONL."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def picture(path: Path, width: int = 64, height: int = 48) -> Path:
    """Write a picture that has a left and a right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.tile(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, 1, 3))
    cv2.imwrite(str(path), shade)
    return path
