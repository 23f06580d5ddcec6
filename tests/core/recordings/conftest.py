"""A server that answers what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kept_bags import misbehaving


@pytest.fixture
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server
