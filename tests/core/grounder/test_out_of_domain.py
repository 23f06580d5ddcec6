"""Answers about words and pictures that are foreign to the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import BOTH, ground, misbehaving, says

from egm_core.grounder.question.models import Models
from egm_core.models.calibration import Curve
from egm_core.models.domain import Domain
from egm_core.models.folder import ModelInfo


@pytest.fixture
def narrow(tmp_path: Path) -> ModelInfo:
    """A model that was trained on noise, and on cups."""
    rng = np.random.default_rng(0)
    known = [np.clip(rng.normal(120, 40, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(120)]
    Domain.fit({"the", "cup"}, [known]).save(tmp_path / "domain.json")
    return replace(BOTH, path=tmp_path, domain="domain.json")


class TestOutOfDomain:
    def test_no_score_is_called_calibrated(
        self,
        server: misbehaving.Server,
        picture: NDArray[np.uint8],
        narrow: ModelInfo,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        curves = {"visible": Curve((0.0, 1.0), (0.0, 0.5)), "amodal": Curve((0.0, 1.0), (0.0, 0.5))}
        monkeypatch.setattr(Models, "curves", lambda self, replies: curves)
        asked = says((100, 200, 300, 400))
        assert ground(server, asked, picture, info=replace(narrow, domain=None)).calibrated == ("visible", "amodal")
        found = ground(server, asked, picture, info=narrow)
        assert (found.outcome, found.calibrated) == ("found", ())
        assert found.score == found.raw_score > 0.5

    def test_answers_are_taken_back_on_wish(
        self, server: misbehaving.Server, picture: NDArray[np.uint8], narrow: ModelInfo
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, info=narrow, out_of_domain="absent")
        assert (found.outcome, found.reason, found.visible, found.amodal) == ("absent", "out_of_domain", None, None)
        assert not found.score_available and found.raw_visible
        assert "unknown_words: mug" in found.detail and "image_unlike_training" in found.detail
        assert found.warnings == ("unknown_words: mug", "image_unlike_training")

    def test_an_amodal_model_has_its_own_worlds(
        self, server: misbehaving.Server, picture: NDArray[np.uint8], narrow: ModelInfo
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, amodal_info=narrow, out_of_domain="absent")
        assert (found.outcome, found.amodal) == ("found", None)
        assert found.warnings[1:] == ("unknown_words: mug", "image_unlike_training")

    def test_a_model_that_does_not_tell_its_worlds_keeps_its_answers_and_says_so(
        self, server: misbehaving.Server, picture: NDArray[np.uint8]
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, out_of_domain="absent")
        assert found.outcome == "found"
        assert found.warnings[0].startswith("out_of_domain_unknown: told")


def test_foreign_words_and_pictures_are_doubted(
    server: misbehaving.Server, picture: NDArray[np.uint8], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    known = [np.clip(rng.normal(120, 40, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(120)]
    Domain.fit({"the", "cup"}, [known]).save(tmp_path / "domain.json")
    info = replace(BOTH, path=tmp_path, domain="domain.json")
    found = ground(server, says((0, 0, 500, 500)), picture, info=info)
    assert found.outcome == "found"
    assert found.warnings == ("unknown_words: mug", "image_unlike_training")


def test_one_model_looks_at_an_image_once(
    server: misbehaving.Server, picture: NDArray[np.uint8], narrow: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    warnings = Domain.warnings

    def look(self: Domain, image: NDArray[np.uint8], words: str) -> tuple[str, ...]:
        looked.append(words)
        return warnings(self, image, words)

    monkeypatch.setattr(Domain, "warnings", look)
    found = ground(server, says((0, 0, 500, 500)), picture, info=narrow)
    assert found.visible and found.amodal, "both boxes were asked for"
    assert found.warnings == ("unknown_words: mug", "image_unlike_training") and len(looked) == 1
