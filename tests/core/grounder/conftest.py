"""The server that answers what it is told, and a picture to ask it about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import SIZE, misbehaving


@pytest.fixture(scope="module")
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
