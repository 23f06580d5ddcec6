"""The domain of a model: unknown words are named, foreign pictures are told, familiar ones are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.models.domain import UNLIKE, Domain


def flat_world(seed: int, size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    picture = np.full((size[1], size[0], 3), rng.integers(120, 220, 3), np.uint8)
    for _ in range(5):
        corner = rng.integers(0, 100, 2) * size[0] // 160
        color = tuple(int(v) for v in rng.integers(0, 255, 3))
        cv2.rectangle(picture, corner.tolist(), (corner + size[0] // 5).tolist(), color, -1)
    return picture


@pytest.fixture(scope="module")
def domain() -> Domain:
    return Domain.fit(["the", "red", "mug"], [(flat_world(i) for i in range(300))])


def test_unknown_words_are_named_once_in_order(domain: Domain) -> None:
    assert domain.unknown_words("The purple mug, the Zebra's purple 3") == ("purple", "zebra", "s")
    assert domain.unknown_words("the red mug") == ()


def test_noise_is_foreign_and_a_new_picture_of_the_world_is_not(domain: Domain) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    blank = np.full((120, 160, 3), 128, np.uint8)
    assert UNLIKE in domain.warnings(noise, "the mug")
    assert UNLIKE in domain.warnings(blank, "the mug")
    familiar = [domain.distance(flat_world(i)) for i in range(1000, 1100)]
    assert np.mean(np.array(familiar) > 1) <= 0.12


def test_resolution_does_not_matter(domain: Domain) -> None:
    large = [domain.distance(flat_world(i, (640, 480))) for i in range(2000, 2050)]
    assert np.mean(np.array(large) > 1) <= 0.2


def test_saved_and_loaded_it_says_the_same(domain: Domain, tmp_path: Path) -> None:
    domain.save(tmp_path / "domain.json")
    again = Domain.load(tmp_path / "domain.json")
    picture = flat_world(7)
    assert again.words == domain.words
    assert again.distance(picture) == pytest.approx(domain.distance(picture), rel=1e-2)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "domain.json").write_text("{}")
    with pytest.raises(ValueError, match="is not a domain file"):
        Domain.load(tmp_path / "domain.json")
