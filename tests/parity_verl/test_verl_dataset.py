"""verl's own loader on our parquet: the same tokens and pixels as our engine, and our reward by verl's manager."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("verl.trainer", reason="verl is not installed here: run make test-verl")

import torch
from omegaconf import OmegaConf
from PIL import Image
from verl.trainer.ppo.reward import load_reward_manager
from verl.trainer.ppo.utils import create_rl_dataset
from verl.utils.tokenizer import hf_tokenizer
from verl.utils.tokenizer.continuous_token import QwenVLContinuousTokenBuilder, VLContinuousTokenBuilder

from egm_core.engines.checkpoint import Checkpoint
from egm_core.families import family
from egm_core.models.folder import load_info
from egm_core.sample import Sample
from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.verl.data import Asking, write_parquet

BOX, AMODAL = (9.6, 6.4, 48.0, 32.0), (4.8, 6.4, 48.0, 64.0)
# The last is above the budget, and shrinks to a multiple of 32, which is the step of a real Qwen3-VL and of verl.
SIZES = ((96, 64), (64, 96), (640, 640))


def parquet(folder: Path, model: Path, embed: bool) -> Path:
    """Write three pictures' questions, visible and amodal, and one for an absent object."""
    samples = []
    for number, (width, height) in enumerate(SIZES):
        path = folder / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)).save(path)
        samples.append(Sample(str(path), "the red mug", BOX, AMODAL, 0.6, height, width))
    samples.append(Sample(samples[0].image, "the green dragon", None, None, None, 64, 96, task="visible"))
    file = folder / "train.parquet"
    assert write_parquet(file, samples, Asking(load_info(model), ("visible", "amodal"), embed=embed)) == 7
    return file


def dataset(compose_verl: Any, folder: Path, model: Path, embed: bool = True) -> tuple[Any, Any, Any]:
    """Compose our configuration, and load tokenizer, processor and data as verl's trainer does."""
    from verl.utils.tokenizer import hf_processor

    info, file = load_info(model), parquet(folder, model, embed)
    words = {"freeze_vision": False, "output": str(folder / "run"), "max_tokens": 64, "vllm_context": 1024}
    config = compose_verl(RLConfig(**words), info.family, model, file)
    OmegaConf.set_struct(config, False)
    config.data.cache_dir, config.data.filter_overlong_prompts_workers = str(folder / "cache"), 1
    tokenizer, processor = hf_tokenizer(str(model)), hf_processor(str(model))
    assert processor is not None
    data = create_rl_dataset([config.data.train_files], config.data, tokenizer, processor)
    return config, processor, data


def read_back(data: Any, builder: Any, row: dict[str, Any], config: Any) -> tuple[list[int], Any]:
    """Give the prompt's tokens and the processor's features as verl's agent loop makes them."""
    size = getattr(builder.processor.image_processor, "patch_size", 14)
    images, _, _ = asyncio.run(data.process_multi_modal_info(row["raw_prompt"], size, config.data))
    features: dict[str, Any] = {}
    return builder.build_initial_tokens(row["raw_prompt"], images=images, mm_inputs_out=features), (features, images)


@pytest.mark.parametrize("embed", [True, False], ids=["bytes", "paths"])
def test_qwen_is_asked_as_our_engine_asks(compose_verl: Any, tiny_qwen: Path, tmp_path: Path, embed: bool) -> None:
    config, processor, data = dataset(compose_verl, tmp_path, tiny_qwen, embed)
    assert len(data) == 7, "the length filter dropped prompts"
    checkpoint, speaker = Checkpoint(tiny_qwen), family("qwen3_vl")
    builder = QwenVLContinuousTokenBuilder(checkpoint.tokenizer, processor)
    for number in range(7):
        row = data[number]
        extra = row["extra_info"]
        ids, (features, _) = read_back(data, builder, row, config)
        pixels = np.asarray(Image.open(tmp_path / f"{min(number // 2, 2) if number < 6 else 0}.png"))
        picture = checkpoint.picture(pixels)
        assert ids == checkpoint.ids(speaker.prompt(extra["question"], extra["task"]), picture)
        grid = features["image_grid_thw"]
        assert torch.equal(grid, picture.tensors["image_grid_thw"])
        if pixels.shape[:2] != SIZES[2][::-1]:
            assert torch.allclose(features["pixel_values"], picture.tensors["pixel_values"], atol=1e-5)
    truths = [data[i]["reward_model"]["ground_truth"] for i in (0, 1, 6)]
    assert truths == ["[100.0, 100.0, 500.0, 500.0]", "[50.0, 100.0, 500.0, 1000.0]", "[]"]


def test_qwen_image_tokens_are_banned_and_collapsed_by_verl(tiny_qwen: Path) -> None:
    from verl.utils.tokenizer import hf_processor
    from verl.workers.rollout.utils import get_vision_placeholder_token_ids, qwen2_5_vl_dedup_image_tokens

    processor = hf_processor(str(tiny_qwen))
    image = processor.image_token_id
    assert image in get_vision_placeholder_token_ids(processor)
    assert qwen2_5_vl_dedup_image_tokens([1, image, image, image, 2], processor) == [1, image, 2]


@pytest.mark.parametrize("name", ["qwen3_vl", "internvl3"])
def test_verls_reward_manager_pays_by_our_reward(
    compose_verl: Any, name: str, tiny_qwen: Path, tiny_internvl: Path, tmp_path: Path
) -> None:
    from verl import DataProto

    import egm_core.train.rl.verl.internvl  # noqa: F401 (installs itself)

    speaker, model = family(name), {"qwen3_vl": tiny_qwen, "internvl3": tiny_internvl}[name]
    config, _, data = dataset(compose_verl, tmp_path, model)
    tokenizer = hf_tokenizer(str(model))
    answers = {
        0: speaker.target("the red mug", (100, 100, 500, 500), "the red mug", "visible"),
        1: speaker.target("the red mug", (50, 100, 500, 550), "the blue box hides it", "amodal"),
        6: speaker.target("the green dragon", None, "there is none", "visible"),
        2: "there is none",
    }

    async def pay() -> list[float]:
        manager = load_reward_manager(config, tokenizer)
        earned = []
        for number, answer in answers.items():
            ids = torch.tensor([tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids])
            row = data[number]
            columns = {key: np.array([row[key]], object) for key in ("data_source", "reward_model", "extra_info")}
            batch = DataProto.from_dict({"responses": ids, "attention_mask": torch.ones_like(ids)}, columns)
            earned.append((await manager.run_single(batch))["reward_score"])
        return earned

    earned = asyncio.run(pay())
    print(f"{name}: {earned}")
    assert earned == pytest.approx([1.0, 0.5 + 0.5 * 0.5, 1.0, 0.0], abs=0.02)


def test_internvl_comes_by_the_plugin(compose_verl: Any, tiny_internvl: Path, tmp_path: Path) -> None:
    import verl.workers.rollout.utils as rollout

    import egm_core.train.rl.verl.internvl  # noqa: F401 (installs itself)

    config, processor, data = dataset(compose_verl, tmp_path, tiny_internvl)
    assert len(data) == 7
    checkpoint, speaker = Checkpoint(tiny_internvl), family("internvl3")
    builder = VLContinuousTokenBuilder(checkpoint.tokenizer, processor)
    tiles: list[int] = []
    for number in (0, 1, 4):
        row = data[number]
        extra = row["extra_info"]
        ids, (features, images) = read_back(data, builder, row, config)
        picture = checkpoint.picture(np.asarray(images[0]))
        assert ids == checkpoint.ids(speaker.prompt(extra["question"], extra["task"]), picture)
        assert features["pixel_values"].shape == picture.tensors["pixel_values"].shape
        assert torch.allclose(features["pixel_values"], picture.tensors["pixel_values"], atol=0.05)
        # The agent loop processes the picture again with a text that has lost its image tokens.
        text = checkpoint.tokenizer.decode(ids, skip_special_tokens=True)
        again = processor(text=[text], images=images, return_tensors="pt")
        assert torch.equal(again["pixel_values"], features["pixel_values"])
        image = processor.image_token_id
        tiles.append(len(picture.tensors["pixel_values"]))
        assert ids.count(image) == 4 * tiles[-1]
        bare = rollout.qwen2_5_vl_dedup_image_tokens(ids, processor)
        assert bare.count(image) == 1
        written = checkpoint.tokenizer.decode(ids).replace("<img>", "").replace("</img>", "")
        written = written.replace("<IMG_CONTEXT>" * ids.count(image), "<IMG_CONTEXT>")
        assert bare == checkpoint.tokenizer(written, add_special_tokens=False).input_ids
    assert max(tiles) > 1, "no picture was cut into tiles"
    assert processor.image_token_id in rollout.get_vision_placeholder_token_ids(processor)
    assert not hasattr(processor, "get_rope_index"), "InternVL counts positions in one dimension"


def test_the_environment_variable_brings_the_plugin(tiny_internvl: Path) -> None:
    code = (
        "import sys; from verl.utils.tokenizer import hf_processor; import verl.utils as u; "
        "p = hf_processor(sys.argv[1]); print(type(p).__name__, u.hf_processor is hf_processor)"
    )
    seen = []
    for plugin in ("", "egm_core.train.rl.verl.internvl"):
        result = subprocess.run(
            [sys.executable, "-c", code, str(tiny_internvl)],
            env={**os.environ, "VERL_USE_EXTERNAL_MODULES": plugin},
            capture_output=True,
            text=True,
            timeout=3000,
            check=True,
        )
        seen.append(result.stdout.strip().splitlines()[-1])
    assert seen == ["NoneType True", "PlaceholderProcessor True"]
