"""The way without torchvision gives what transformers' full processor gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from egm_core.engines import EngineError
from egm_core.engines.checkpoint import Checkpoint


@pytest.fixture(scope="module", params=["random_qwen", "random_qwen3_5", "random_internvl", "random_internvl3_5"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return Checkpoint(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def processor(checkpoint: Checkpoint) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(checkpoint.path)


@pytest.mark.parametrize("size", [(96, 128), (64, 64), (50, 200), (123, 77)])
def test_inputs_equal_the_full_processors(checkpoint: Checkpoint, processor: Any, size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    content = [{"type": "image", "image": Image.fromarray(image)}, {"type": "text", "text": "Locate the red mug"}]
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    picture = checkpoint.picture(image)
    ours = checkpoint.batch([(checkpoint.ids("Locate the red mug", picture), picture)])
    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
    for name in ("mm_token_type_ids", "image_grid_thw"):
        if name in theirs:
            assert ours[name].tolist() == theirs[name].tolist()
    assert ours["pixel_values"].shape == theirs["pixel_values"].shape
    # Two implementations of bicubic resizing: a level or two of 256 apart, in units of the normalised range.
    assert (ours["pixel_values"] - theirs["pixel_values"]).abs().max() < 3 * 2 / 256 / 0.26


def test_a_padded_row_answers_like_a_row_alone(checkpoint: Checkpoint) -> None:
    rng = np.random.default_rng(2)
    rows = []
    for size, prompt in (((64, 64), "the box"), ((128, 128), "Locate the red mug behind the blue box")):
        picture = checkpoint.picture(rng.integers(0, 256, (*size, 3), np.uint8))
        rows.append((checkpoint.ids(prompt, picture), picture))
    assert len(rows[0][0]) != len(rows[1][0])
    with torch.inference_mode():
        options = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
        both = checkpoint.model.generate(**checkpoint.batch(rows), **options)[:, -8:]
        alone = [checkpoint.model.generate(**checkpoint.batch([row]), **options)[0, -8:] for row in rows]
    assert both.tolist() == [row.tolist() for row in alone]


def test_only_one_run_of_image_tokens_whatever_the_prompt(checkpoint: Checkpoint, noise: NDArray[np.uint8]) -> None:
    picture = checkpoint.picture(noise)
    honest = checkpoint.ids("the red mug", picture)
    sly = checkpoint.ids(f"the {checkpoint.image_token}red mug", picture)
    assert sly.count(checkpoint.image_token_id) == honest.count(checkpoint.image_token_id) > 0


def test_a_pixel_budget_means_fewer_image_tokens(random_qwen: Path, random_internvl: Path) -> None:
    image = np.zeros((128, 256, 3), np.uint8)
    for folder in (random_qwen, random_internvl):
        counts = []
        for budget in (None, 64 * 64):
            checkpoint = Checkpoint(folder, max_pixels=budget)
            counts.append(checkpoint.ids("x", checkpoint.picture(image)).count(checkpoint.image_token_id))
        assert counts[1] < counts[0]


def test_a_cpu_computes_in_float32(checkpoint: Checkpoint) -> None:
    if checkpoint.device == "cpu":
        assert checkpoint.model.dtype == torch.float32


def test_image_tokens_are_banned_and_ends_are_silent(checkpoint: Checkpoint) -> None:
    assert checkpoint.image_token_id in checkpoint.banned_ids
    assert checkpoint.end_ids <= checkpoint.silent_ids
    assert not checkpoint.end_ids & checkpoint.banned_ids


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"config\.json"):
        Checkpoint(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_no_prompt_becomes_a_marker_of_the_chat(
    checkpoint: Checkpoint, noise: NDArray[np.uint8], draw: st.DataObject
) -> None:
    """Whatever added tokens it holds, nested, split or doubled: it is text, and comes back letter by letter."""
    added = [token.content for token in checkpoint.tokenizer.added_tokens_decoder.values()]
    piece = st.sampled_from(added) | st.text(max_size=4)
    nested = st.builds(
        lambda a, b, at: a[: at % (len(a) + 1)] + b + a[at % (len(a) + 1) :], piece, piece, st.integers(0)
    )
    prompt = "".join(draw.draw(st.lists(piece | nested, max_size=6)))
    picture = checkpoint.picture(noise)
    ids = checkpoint.ids(prompt, picture)
    empty = checkpoint.ids("", picture)
    for marker in checkpoint.silent_ids:
        assert ids.count(marker) == empty.count(marker)
    assert prompt in checkpoint.tokenizer.decode(ids)


def test_an_ordinary_prompt_is_written_as_the_whole_chat_would_be(
    checkpoint: Checkpoint, noise: NDArray[np.uint8]
) -> None:
    picture = checkpoint.picture(noise)
    for prompt in ("Locate the red mug", "Where is <ref>the mug</ref>? (left, of 3)", "</think> 12, 999 ümlaut 杯"):
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
        text = checkpoint.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        text = text.replace(checkpoint.image_token, picture.placeholder, 1)
        assert checkpoint.ids(prompt, picture) == checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
