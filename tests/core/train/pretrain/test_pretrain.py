"""Pretraining end to end on a handful of scenes: both stages, resume, the folder it leaves, the seeds it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from egm_core.models.folder import load_info
from egm_core.scenes.files import store
from egm_core.scenes.truth import EVALUATION_FIRST_SEED
from egm_core.tiny.shape import Architecture
from egm_core.train.configuration import ConfigurationError
from egm_core.train.pretrain import checkpoint
from egm_core.train.pretrain.average import main as average
from egm_core.train.pretrain.config import PretrainConfig, Stage, rate_factor
from egm_core.train.pretrain.loader import Asking, SceneLoader
from egm_core.train.pretrain.scene_pool import read_seen
from egm_core.train.pretrain.stage import Trainer, pretrain

TINY = Architecture(
    vision_width=32, vision_depth=2, vision_heads=2, deepstack=(0,), width=32, depth=3, heads=2, kv_heads=2
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    store.render(folder, 0, 12, shard_scenes=6)
    return folder


def settings(scenes: Path, output: Path) -> PretrainConfig:
    stage = Stage(steps=3, batch=2, warmup=1)
    return PretrainConfig(
        scenes=str(scenes), output=str(output), architecture=TINY, dense=stage, joint=stage, processes=1, expressions=2,
        pointings=1, save_minutes=0.0,
    )  # fmt: skip


def test_both_stages_run_and_leave_a_model_folder_that_answers(scenes: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    config = settings(scenes, tmp_path / "run")
    final = pretrain(config)
    info = load_info(final)
    assert info.family == "qwen3_vl" and not info.reasoning and info.max_pixels == TINY.max_pixels
    model, processor = AutoModelForImageTextToText.from_pretrained(final), AutoProcessor.from_pretrained(final)
    assert processor.tokenizer("mug")["input_ids"] and model.config.model_type == "qwen3_vl"
    assert len(checkpoint.whole(tmp_path / "run")) == 2
    stage, state = checkpoint.load_last(tmp_path / "run") or (0, {})
    assert stage == 6 and state["stage"] == "joint" and state["step"] == 3
    saved = {k: v for k, v in state["model"].items() if "lm_head" not in k}
    for name, tensor in model.state_dict().items():
        if name in saved:
            assert torch.equal(tensor, saved[name]), name


def test_a_finished_run_is_not_run_again_and_a_cut_one_goes_on(scenes: Path, tmp_path: Path) -> None:
    pretrain(settings(scenes, tmp_path / "run"))
    newest = checkpoint.whole(tmp_path / "run")[-1]
    before = (newest / checkpoint.STATE).stat().st_mtime_ns
    shutil.rmtree(tmp_path / "run" / "final")
    longer = replace(settings(scenes, tmp_path / "run"), joint=Stage(steps=5, batch=2, warmup=1))
    assert pretrain(longer).is_dir()
    step, state = checkpoint.load_last(tmp_path / "run") or (0, {})
    assert (step, state["step"]) == (8, 5)
    assert before < (checkpoint.whole(tmp_path / "run")[-1] / checkpoint.STATE).stat().st_mtime_ns
    assert json.loads((tmp_path / "run" / "config.json").read_text())["joint"]["steps"] == 5


def test_a_model_that_was_asked_with_reasoning_says_that_it_reasons(scenes: Path, tmp_path: Path) -> None:
    final = pretrain(replace(settings(scenes, tmp_path / "run"), reasoning=0.9))
    assert load_info(final).reasoning
    shutil.rmtree(final)
    assert average(["--model", str(tmp_path / "run"), "--out", str(tmp_path / "last")]) == 0
    assert load_info(tmp_path / "last").reasoning


def test_evaluation_seeds_are_refused(tmp_path: Path) -> None:
    store.render(tmp_path, EVALUATION_FIRST_SEED, 1, shard_scenes=1)
    with pytest.raises(ValueError, match="reserved for evaluation"):
        SceneLoader(tmp_path, 0, 1)


def test_no_scenes_say_how_to_render_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"egm scenes render"):
        SceneLoader(tmp_path, 0, 1)


def test_the_rate_warms_up_holds_and_decays() -> None:
    stage = Stage(steps=100, warmup=10, decay=0.5)
    rates = [rate_factor(stage, s) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[20] == rates[49] == 1.0
    assert np.all(np.diff(rates[50:]) < 0) and rates[-1] < 0.05


def test_a_stage_by_the_clock_ends_with_its_minutes_and_counts_those_of_earlier_starts(
    scenes: Path, tmp_path: Path
) -> None:
    timed = Stage(steps=1, batch=2, warmup=1, minutes=0.05)
    config = replace(settings(scenes, tmp_path / "run"), dense=Stage(steps=1, batch=2, warmup=1), joint=timed)
    pretrain(config)
    _, state = checkpoint.load_last(tmp_path / "run") or (0, {})
    assert state["step"] > 1 and 0.05 <= state["minutes"] < 0.5
    pretrain(config)
    assert (checkpoint.load_last(tmp_path / "run") or (0, {}))[1]["step"] == state["step"]
    longer = replace(config, joint=replace(timed, minutes=state["minutes"] + 0.02))
    pretrain(longer)
    assert (checkpoint.load_last(tmp_path / "run") or (0, {}))[1]["minutes"] >= longer.joint.minutes


def test_the_rate_can_follow_the_clock() -> None:
    stage = Stage(steps=100, warmup=1, decay=0.4)
    assert rate_factor(stage, 5, progress=0.59) == 1.0
    assert rate_factor(stage, 5, progress=0.8) == pytest.approx(0.51)
    assert rate_factor(stage, 5, progress=1.0) == pytest.approx(0.02)


def test_two_helpers_make_the_batches_of_one_process(scenes: Path, tmp_path: Path) -> None:
    config = replace(settings(scenes, tmp_path / "run"), loaders=2, views=50)
    assert pretrain(config).is_dir()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_makes_nothing_on_another_device_than_its_own(scenes: Path, tmp_path: Path, dtype: str) -> None:
    """Whatever is made without naming the device lands on `meta` here, where a GPU's run would have it on the CPU."""
    trainer = Trainer(replace(settings(scenes, tmp_path), dtype=dtype, device="cpu"), 0)
    asking = Asking(2, 1, 0.5)
    rng = np.random.default_rng(0)
    seen = SceneLoader(scenes, 0, 1).draw(rng, 2)
    batch = trainer.packer.pack(seen, [asking.queries(scene, rng) for scene in seen])
    for stage in ("dense", "joint"):
        trainer.stage = stage
        trainer.optimize(getattr(trainer.config, stage))
        with torch.device("meta"):
            loss, metrics = trainer._loss(batch, stage == "joint")
            loss.backward()
            for optimizer in trainer.optimizers:
                optimizer.step()
                optimizer.zero_grad()
        assert loss.device.type == "cpu" and np.isfinite(float(loss.detach())), metrics


@pytest.mark.parametrize("able", [True, False])
def test_auto_multiplies_in_bfloat16_where_the_processor_does(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    trainer = Trainer(replace(settings(scenes, tmp_path), device="cpu"), 0)
    batch = trainer.packer.pack(SceneLoader(scenes, 0, 1).draw(np.random.default_rng(0), 2), None)
    made: list[torch.dtype] = []
    trainer.vision.vision.blocks[0].attn.qkv.register_forward_hook(lambda *seen: made.append(seen[2].dtype))
    trainer._loss(batch, joint=False)
    assert made == [torch.bfloat16 if able else torch.float32]


def test_what_the_machine_lacks_is_refused(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    config = settings(scenes, tmp_path)
    for asked, words in (({"device": "cuda"}, "finds no GPU"), ({"dtype": "bfloat16"}, "lacks avx512_bf16")):
        with pytest.raises(ConfigurationError, match=words):
            pretrain(replace(config, **asked))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ConfigurationError, match="loaders"):
        pretrain(replace(config, processes=2))


def test_goes_on_from_an_earlier_model_and_refuses_one_of_another_shape(scenes: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    first = pretrain(settings(scenes, tmp_path / "first"))
    still = Stage(steps=1, batch=2, warmup=1, rate=0.0, matrix_rate=0.0)
    later = replace(settings(scenes, tmp_path / "later"), start=str(first), dense=still, joint=still)
    again = pretrain(later)
    before, after = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (first, again))
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
    wider = replace(later, output=str(tmp_path / "wider"), architecture=replace(TINY, width=48))
    with pytest.raises(ConfigurationError, match="not of the shape"):
        pretrain(wider)


def test_no_step_of_the_joint_stage_is_lost_after_a_dense_stage_of_more_steps_than_it_names(
    scenes: Path, tmp_path: Path
) -> None:
    """By the clock there may be any number of dense steps; checkpoints are numbered by those that were made."""
    config = settings(scenes, tmp_path / "run")
    longer = replace(config, dense=Stage(steps=1, batch=2, warmup=1, minutes=0.03))
    pretrain(longer)
    step, state = checkpoint.load_last(tmp_path / "run") or (0, {})
    assert state["stage"] == "joint" and state["step"] == 3 and step > 4
    # And where a resumed run names fewer of them.
    pretrain(replace(config, dense=Stage(steps=1, batch=2, warmup=1), joint=Stage(steps=4, batch=2, warmup=1)))
    assert (checkpoint.load_last(tmp_path / "run") or (0, {}))[1]["step"] == 4


def test_a_short_run_remembers_what_it_saw(scenes: Path, tmp_path: Path) -> None:
    pretrain(replace(settings(scenes, tmp_path / "run"), joint=Stage(steps=12, batch=2, warmup=1), views=50))
    assert sum(read_seen(tmp_path / "run", "seen-*.json").values()) >= 20


def test_a_run_goes_on_only_as_what_it_was(scenes: Path, tmp_path: Path) -> None:
    config = settings(scenes, tmp_path / "run")
    pretrain(config)
    more = replace(config.joint, steps=4)
    with pytest.raises(ConfigurationError, match=r"depth was 3 and is now 2.*name another output"):
        pretrain(replace(config, joint=more, architecture=replace(TINY, depth=2)))
    shutil.rmtree(tmp_path / "run/final")
    assert average(["--model", str(tmp_path / "run"), "--out", str(tmp_path / "last")]) == 0, "its own shape was lost"
    with pytest.raises(ConfigurationError, match=r"joint\.vision_scale or weight_decay"):
        pretrain(replace(config, joint=replace(more, vision_scale=0.7)))
    with pytest.raises(ConfigurationError, match=r"joint\.vision_scale or weight_decay"):
        pretrain(replace(config, joint=more, weight_decay=0.1))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_shard_is_named_by_whichever_process_reads_it(
    scenes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], processes: int
) -> None:
    shutil.copytree(scenes, tmp_path / "scenes")
    damaged = store.shards(tmp_path / "scenes")[1]
    damaged.write_bytes(damaged.read_bytes()[:300])
    config = replace(settings(tmp_path / "scenes", tmp_path / "run"), processes=processes)
    with pytest.raises((RuntimeError, ValueError), match=f"{damaged.name} is not a readable shard.*render it again"):
        pretrain(config)
    assert "Traceback" not in capfd.readouterr().err
