"""The server that its tests share, and a picture to ask about."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.engines.openai import OpenAIEngine


@pytest.fixture(scope="module")
def url(served_qwen: str) -> str:
    with OpenAIEngine(served_qwen) as engine:
        engine.wait_ready(120)
    return served_qwen


@pytest.fixture(scope="module")
def data_url(noise: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", noise)[1].tobytes()).decode()
