"""Fine-tuning: TRL's trainer on sample records, the loss on completions only, resume, and the folder it leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from egm_core.families import family
from egm_core.model_folder import ModelInfo, load_info, write_info
from egm_core.sample import Sample, write_samples
from egm_core.scenes.vocabulary import VOCABULARY
from egm_core.tiny.architecture import Architecture, build_model, build_processor
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.sft import SFTStageConfig, freeze_vision, rows, sft

TINY = Architecture(vision_width=32, vision_depth=1, vision_heads=2, deepstack=(0,), width=32, depth=3, heads=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tokenizer = build_tokenizer(VOCABULARY)
    patches = np.random.default_rng(0).standard_normal((400, 768)).astype(np.float32)
    build_model(tokenizer, TINY, patches).save_pretrained(folder)
    build_processor(tokenizer, TINY).save_pretrained(folder)
    write_info(folder, ModelInfo.for_training("tiny", "qwen3_vl", max_pixels=TINY.max_pixels))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(8):
        picture = folder / f"{i}.png"
        cv2.imwrite(str(picture), rng.integers(0, 256, (168, 224, 3), dtype=np.uint8))
        trace = "Mugs: (120,500), (410,388). Leftmost: (120,500)."
        box = (10.0, 20.0, 60.0, 90.0)
        samples.append(Sample(str(picture), "the leftmost mug", box, box, 1.0, 168, 224, trace, "test", "train", trace))
    write_samples(folder / "samples.jsonl", samples)
    return folder / "samples.jsonl"


def settings(base: Path, data: Path, output: Path, **changes: object) -> SFTStageConfig:
    values: dict[str, object] = {
        "model": str(base), "data": [str(data)], "output": str(output), "name": "tuned", "learning_rate": 1e-3,
        "batch": 4, "max_steps": 4, "save_steps": 2, "workers": 0, "soft_width": 6.0, "attention_weight": 0.5,
    }  # fmt: skip
    return SFTStageConfig(**{**values, **changes})  # type: ignore[arg-type]


def test_tunes_with_supervision_and_leaves_a_model_folder(base: Path, data: Path, tmp_path: Path) -> None:
    final = sft(settings(base, data, tmp_path / "run"))
    info = load_info(final)
    assert (info.name, info.family, info.reasoning) == ("tuned", "qwen3_vl", True)
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert np.isfinite([row["loss"] for row in log if "loss" in row]).all()
    before, after = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (base, final))
    for name, tensor in after.items():
        frozen = ".visual." in name and "merger" not in name
        assert torch.equal(tensor, before[name]) == frozen, name


def test_continues_from_the_last_checkpoint_as_if_never_stopped(base: Path, data: Path, tmp_path: Path) -> None:
    whole = sft(settings(base, data, tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "part" / "checkpoint-2")
    resumed = sft(settings(base, data, tmp_path / "part"))
    first, again = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (whole, resumed))
    start = AutoModelForImageTextToText.from_pretrained(base).state_dict()
    assert any(not torch.equal(first[name], start[name]) for name in first)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, again[name])


def test_rows_ask_each_task_in_the_familys_words_and_skip_unknown_amodal_boxes() -> None:
    speaker = family("qwen3_vl")
    known = Sample(
        "a.png", "the mug", (0, 0, 50, 50), (0, 0, 100, 50), 0.5, 100, 100, "Mug: (250,250).", "", "", "More."
    )
    unknown = Sample("b.png", "the can", (0, 0, 50, 50), None, None, 100, 100)
    made = list(rows(iter([known, unknown]), speaker, ["visible", "amodal"], "<{prompt}>", "<end>"))
    assert [r["prompt"] for r in made] == [
        "<Locate the mug, output its bbox coordinates using JSON format>",
        "<Locate the mug amodally, output its bbox coordinates using JSON format>",
        "<Locate the can, output its bbox coordinates using JSON format>",
    ]
    assert made[0]["completion"] == speaker.target("the mug", (0, 0, 500, 500), "Mug: (250,250).", "visible") + "<end>"
    assert "[0, 0, 1000, 500]" in made[1]["completion"]


def test_freezing_spares_the_merger(base: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(base)
    freeze_vision(model)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert any("visual.merger" in n for n in trained) and any("language_model" in n for n in trained)
    assert not any("visual.blocks" in n or "patch_embed" in n for n in trained)
