"""Fine-tuning: TRL's trainer on sample records, the loss on completions only, resume, and the folder it leaves."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from egm_core.engines.checkpoint import Checkpoint
from egm_core.families import family
from egm_core.models.folder import ModelInfo, load_info, write_info
from egm_core.sample import Sample, write_samples
from egm_core.scenes.language.vocabulary import VOCABULARY
from egm_core.tiny.architecture import build_model, build_processor
from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.table import read_table
from egm_core.train.learning.optimizers import MuonAdamW
from egm_core.train.run.folder import EndedEarly, model_of, whole_checkpoint
from egm_core.train.run.training import freeze_vision
from egm_core.train.sft.collator import Collator
from egm_core.train.sft.config import SFTStageConfig
from egm_core.train.sft.stage import make_trainer, prepare, rows, sft
from egm_core.train.sft.trainer import Order

TINY = Architecture(
    vision_width=32, vision_depth=1, vision_heads=2, deepstack=(0,), width=32, depth=3, heads=2, kv_heads=2
)


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
        "batch": 4, "max_steps": 4, "save_steps": 2, "logging_steps": 2, "soft_width": 6.0, "attention_weight": 0.5,
    }  # fmt: skip
    return SFTStageConfig(**{**values, **changes})  # type: ignore[arg-type]


def losses(folder: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows if "loss" in row]


def test_tunes_with_supervision_and_leaves_a_model_folder(base: Path, data: Path, tmp_path: Path) -> None:
    final = sft(settings(base, data, tmp_path / "run"))
    info = load_info(final)
    assert (info.name, info.family, info.reasoning) == ("tuned", "qwen3_vl", True)
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert np.isfinite([row["loss"] for row in log if "loss" in row]).all()
    assert {"entropy", "mean_token_accuracy", "attention", "grad_norm"} <= log[0].keys()
    written = {path.name for path in final.parent.iterdir()}
    assert {"config.yaml", "versions.json", "curves.png", "bad_images.jsonl"} <= written
    assert list((tmp_path / "run").glob("runs/*/events.out.tfevents.*")), "no TensorBoard file"
    before, after = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (base, final))
    for name, tensor in after.items():
        frozen = ".visual." in name and "merger" not in name
        assert torch.equal(tensor, before[name]) == frozen, name


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "group_lengths": True, "weight_decay": 0.01}])
def test_continues_from_the_last_checkpoint_as_if_never_stopped(
    base: Path, data: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    # Six steps of four rows are an epoch and a half; they are resumed in the second.
    changes = {"max_steps": 6, "logging_steps": 1, "report_to": [], **changes}
    whole = sft(settings(base, data, tmp_path / "whole", **changes))
    shutil.copytree(tmp_path / "whole" / "checkpoint-4", tmp_path / "part" / "checkpoint-4")
    resumed = sft(settings(base, data, tmp_path / "part", **changes))
    after = [row for row in losses(tmp_path / "whole") if row[0] > 4]
    assert after == losses(tmp_path / "part") and len(after) == 2
    first, again = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (whole, resumed))
    start = AutoModelForImageTextToText.from_pretrained(base).state_dict()
    assert any(not torch.equal(first[name], start[name]) for name in first)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, again[name])


def test_the_clock_ends_a_run_in_good_order(
    base: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"max_steps": 1_000_000, "minutes": 0.01, "scheduler": "constant_with_warmup", "save_steps": 1_000_000}
    final = sft(settings(base, data, tmp_path / "run", report_to=[], **changes))
    assert load_info(final).reasoning and whole_checkpoint(tmp_path / "run") is not None
    assert "minutes are over at step" in caplog.text


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


@pytest.fixture
def own_words(random_qwen: Path, random_internvl: Path, request: pytest.FixtureRequest) -> Path:
    return {"qwen3_vl": random_qwen, "internvl3": random_internvl}[request.param]


@pytest.mark.parametrize("own_words", ["qwen3_vl", "internvl3"], indirect=True)
def test_neither_prompt_nor_image_tokens_enter_the_loss(own_words: Path, data: Path, tmp_path: Path) -> None:
    config = settings(own_words, data, tmp_path, soft_width=0.0, attention_weight=0.0)
    assert prepare(config, tmp_path, model_of(config)) == 16
    trainer = make_trainer(config, tmp_path, model_of(config))
    tokenizer, image = trainer.processing_class.tokenizer, trainer.model.config.image_token_id

    def ids_of(column: str) -> set[tuple[int, ...]]:
        return {tuple(tokenizer(row[column], add_special_tokens=False)["input_ids"]) for row in read_table(tmp_path)}

    completions, prompts = ids_of("completion"), ids_of("prompt")
    framing = {tokenizer.convert_tokens_to_ids(tag) for tag in ("<img>", "</img>")}
    for batch in trainer.get_train_dataloader():
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            asked = labels != -100
            answer = labels[asked].tolist()
            assert tuple(answer) in completions and answer == ids[asked].tolist()
            assert answer[-1] == tokenizer.eos_token_id and image not in answer
            start = int(asked.nonzero()[0])
            assert asked[start : int(mask.sum())].all() and not asked[int(mask.sum()) :].any()
            # What lies before the answer is the prompt, with its one image token repeated.
            before = ids[:start].tolist()
            assert before.count(image) >= 4
            once = [t for i, t in enumerate(before) if t != image or before[i - 1] != image]
            assert tuple(t for t in once if t not in framing) in prompts


@pytest.mark.parametrize("own_words", ["qwen3_vl", "internvl3"], indirect=True)
@pytest.mark.parametrize("rank", [0, 4])
def test_both_families_learn_and_load_as_plain_models(own_words: Path, data: Path, tmp_path: Path, rank: int) -> None:
    plain = {"soft_width": 0.0, "attention_weight": 0.0, "max_steps": 2, "report_to": [], "lora_rank": rank}
    final = sft(settings(own_words, data, tmp_path / "run", **plain))
    assert not list(final.glob("adapter*"))
    before, after = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (own_words, final))
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert after.keys() == before.keys() and any("language_model" in name for name in changed)
    assert not [n for n in changed if "vision_tower" in n or ("visual" in n and "merger" not in n)]
    if rank:
        assert all(name.split(".")[-2].endswith("_proj") for name in changed)
    else:
        assert any("merger" in n or "multi_modal_projector" in n for n in changed)
    checkpoint = Checkpoint(final)
    picture = checkpoint.picture(np.zeros((96, 128, 3), np.uint8))
    assert len(checkpoint.ids(load_info(final).prompt("the mug", "visible"), picture)) > 10


def test_images_that_cannot_be_used_are_listed_and_too_many_refused(base: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data.parent, tmp_path / "data")
    pictures, run = tmp_path / "data", tmp_path / "run"
    (pictures / "3.png").write_bytes((pictures / "3.png").read_bytes()[:-2000])
    (pictures / "5.png").unlink()
    photo = np.random.default_rng(0).integers(0, 256, (168, 224, 3), dtype=np.uint8)
    (pictures / "6.png").write_bytes(cv2.imencode(".jpg", photo)[1].tobytes()[:-1500])
    wrong = r"3 of 8 images can't be used, such as .*3\.png \(corrupt.*missing_share"
    with pytest.raises(ConfigurationError, match=wrong):
        sft(settings(base, pictures / "samples.jsonl", run, missing_share=0.3))
    listed = [json.loads(line) for line in (run / "bad_images.jsonl").read_text().splitlines()]
    found = [(Path(row["image"]).name, row["reason"].split(":")[0]) for row in listed]
    assert found == [("3.png", "corrupt"), ("5.png", "missing"), ("6.png", "corrupt")]
    config = settings(base, pictures / "samples.jsonl", run, missing_share=0.4)
    assert prepare(config, run, model_of(config)) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": []}, "data is empty"),
        ({"lora_rank": 4}, "needs no LoRA"),
        ({"lora_rank": 4, "optimizer": "muon", "soft_width": 0.0, "attention_weight": 0.0}, "use adamw"),
        ({"learning_rate": 5.0}, "learning_rate is 5.0; it must be a number above 0 and at most 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    base: Path, data: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        sft(replace(settings(base, data, tmp_path), **changes))


def test_supervision_is_refused_where_numbers_are_no_tokens(random_internvl: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set both to 0"):
        sft(settings(random_internvl, data, tmp_path))


def test_the_order_is_a_permutation_of_each_epoch_and_groups_near_lengths() -> None:
    lengths = np.random.default_rng(0).integers(20, 200, 1000)
    plain, grouped = Order(1000, 3), Order(1000, 3, lengths.tolist(), unit=16)
    first = np.array(list(grouped))
    assert sorted(first) == sorted(plain) == list(range(1000)) and first.tolist() == list(grouped)

    def updates(order: np.ndarray) -> np.ndarray:
        return lengths[order[:992]].reshape(-1, 16)

    spread, at_random = (np.ptp(updates(order), axis=1).mean() for order in (first, np.array(list(plain))))
    assert spread < at_random / 5
    assert abs(np.corrcoef(np.arange(62), updates(first).max(1))[0, 1]) < 0.4, "updates come sorted by length"
    grouped.set_epoch(1)
    assert first.tolist() != list(grouped)


def test_muon_and_adamw_act_and_are_restored_as_one() -> None:
    def make() -> tuple[torch.nn.Module, MuonAdamW, torch.optim.lr_scheduler.LambdaLR]:
        torch.manual_seed(0)
        net = torch.nn.ModuleDict({"layers": torch.nn.Linear(8, 8), "embed": torch.nn.Embedding(8, 8)})
        optimizer = MuonAdamW(net.named_parameters(), matrix_rate=0.02, rate=1e-3, weight_decay=0.01)
        return net, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))

    def train(parts: tuple[torch.nn.Module, MuonAdamW, torch.optim.lr_scheduler.LambdaLR], steps: int) -> None:
        net, optimizer, schedule = parts
        for step in range(steps):
            (net["layers"](net["embed"].weight) - step).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()

    one, again = make(), make()
    train(one, 3)
    states = copy.deepcopy([part.state_dict() for part in one])
    train(one, 2)
    assert [g["lr"] for g in one[1].param_groups] == pytest.approx([0.02 / 6, 1e-3 / 6, 1e-3 / 6])
    for part, state in zip(again, states, strict=True):
        part.load_state_dict(state)
    train(again, 2)
    for name, tensor in one[0].state_dict().items():
        assert torch.equal(tensor, again[0].state_dict()[name]) and not torch.equal(tensor, states[0][name])


@pytest.mark.slow
def test_two_processes_learn_what_one_does(base: Path, data: Path, tmp_path: Path) -> None:
    shared = {"attention_weight": 0.0, "max_steps": 2, "report_to": []}
    one = sft(settings(base, data, tmp_path / "one", batch=8, **shared))
    two = sft(settings(base, data, tmp_path / "two", batch=4, processes=2, **shared))
    first, second, start = (AutoModelForImageTextToText.from_pretrained(f).state_dict() for f in (one, two, base))
    assert any(not torch.equal(first[name], start[name]) for name in first)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-5)


def test_a_run_that_ends_before_its_last_step_is_an_error_and_leaves_no_model(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egm_core.train.sft.trainer.Order.__iter__", lambda self: iter(range(5)))
    config = settings(base, data, tmp_path / "run", max_steps=-1, epochs=1, batch=1, report_to=[])
    with pytest.raises(EndedEarly, match=r"ended after 5 of 16 steps, so .*final was not written"):
        sft(config)
    assert not (tmp_path / "run/final").exists()


def test_a_collator_that_runs_out_of_pictures_is_no_end_of_the_data() -> None:
    def inner(rows: list[object]) -> None:
        next(iter(()))

    with pytest.raises(ValueError, match=r"asks for more pictures than it has: Locate <\|image_pad\|>"):
        Collator(inner)([{"prompt": "Locate <|image_pad|>"}])


def test_a_model_that_answers_directly_says_so(base: Path, data: Path, tmp_path: Path) -> None:
    config = settings(base, data, tmp_path / "run", reasoning=False, max_steps=1, report_to=[])
    assert load_info(sft(config)).reasoning is False
    answers = [row["completion"] for row in read_table(tmp_path / "run")]
    assert answers and not any("Leftmost" in answer for answer in answers)


def test_a_held_out_file_chooses_the_checkpoint_that_is_kept(
    base: Path, data: Path, tmp_path: Path, brighter: Callable[[Path], Path]
) -> None:
    held_out = str(brighter(data))
    config = settings(base, data, tmp_path / "run", held_out=[held_out], eval_steps=1, max_steps=5, save_steps=5)
    final = sft(replace(config, learning_rate=0.5, warmup=0.0))
    rows = [json.loads(line) for line in (final.parent / "metrics.jsonl").read_text().splitlines()]
    losses = {row["step"]: row["eval_loss"] for row in rows if "eval_loss" in row}
    assert sorted(losses) == [1, 2, 3, 4, 5]
    best = json.loads((final.parent / "best.json").read_text())
    assert best["eval_loss"] == pytest.approx(min(losses.values())) and losses[best["step"]] == min(losses.values())
    assert best["step"] < 5, "a rate of 0.5 must do harm for this test to tell"
    kept = sorted(path.name for path in final.parent.glob("checkpoint-*"))
    assert kept == sorted({f"checkpoint-{best['step']}", "checkpoint-5"})
    AutoModelForImageTextToText.from_pretrained(best["checkpoint"])
    with pytest.raises(ConfigurationError, match=r"held-out records show pictures of the training data \(.*jsonl:1"):
        sft(replace(config, output=str(tmp_path / "second"), held_out=[str(data)]))
