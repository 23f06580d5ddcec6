"""Shrinking a picture to a pixel budget."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.models.folder import load_info, resolve
from egm_core.pictures.pixels import fit, smart_size
from egm_core.torchvision_shim import install_schemas


@pytest.mark.parametrize(
    ("size", "budget", "expected"),
    [
        ((640, 480), 37632, (224, 160)),
        ((1920, 1080), 37632, (256, 128)),
        ((480, 480), 37632, (192, 192)),
    ],
)
def test_sizes_are_those_of_qwens_rule(size: tuple[int, int], budget: int, expected: tuple[int, int]) -> None:
    assert smart_size(*size, budget) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1024, 10**6))
def test_a_size_is_made_of_whole_patches_and_within_the_budget(width: int, height: int, budget: int) -> None:
    wide, high = smart_size(width, height, budget)
    assert wide % 32 == high % 32 == 0
    assert wide * high <= budget or 32 in (wide, high)


def test_equals_transformers_where_that_shrinks() -> None:
    assert install_schemas()
    qwen = importlib.import_module("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    for width, height in ((640, 480), (1280, 720), (333, 517), (1920, 1200)):
        theirs = qwen.smart_resize(height, width, 32, 1, 50176)
        assert smart_size(width, height, 50176) == theirs[::-1]


def test_only_what_exceeds_the_budget_is_touched() -> None:
    small = np.zeros((168, 224, 3), np.uint8)
    assert fit(small, 37632) is small
    assert fit(small, None) is small
    large = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    assert fit(large, 37632).shape == (160, 224, 3)
    assert fit(large, 37632, factor=1).shape == (168, 224, 3)
    assert abs(float(fit(large, 37632).mean()) - float(large.mean())) < 1


def test_nothing_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="cannot be fitted"):
        smart_size(0, 5, 100)


def test_a_models_own_processor_says_how_long_a_patch_group_is(tmp_path: Path) -> None:
    wide = np.zeros((1080, 1920, 3), np.uint8)
    embedded = load_info(resolve("egm_tiny"))
    assert (embedded.factor, embedded.fit(wide).shape) == (16, (144, 256, 3))
    assert embedded.fit(wide, 20000).shape[0] % 16 == 0
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    assert load_info(tmp_path).factor is None
    assert replace(load_info(tmp_path), max_pixels=37632).fit(wide).shape == (128, 256, 3)
    (tmp_path / "preprocessor_config.json").write_text('{"patch_size": 14, "merge_size": 2}')
    assert load_info(tmp_path).factor == 28
    (tmp_path / "processor_config.json").write_text('{"image_processor": {"patch_size": 16, "merge_size": 2}}')
    assert load_info(tmp_path).factor == 32
    (tmp_path / "processor_config.json").write_text('{"image_processor": {"patch_size": 0, "merge_size": 2}}')
    with pytest.raises(ValueError, match="patch_size 0"):
        load_info(tmp_path)
