"""One generator for all scene tests of a process, and a few dozen scenes of both worlds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from egm_core.scenes import Generator, Scene


@pytest.fixture(scope="session")
def generator() -> Iterator[Generator]:
    made = Generator(max_size=(640, 480))
    yield made
    made.close()


@pytest.fixture(scope="session")
def rendered(generator: Generator) -> list[Scene]:
    return [generator.scene(seed) for seed in range(3000, 3080)]
