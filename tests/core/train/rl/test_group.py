"""Several processes of one run: the first decides, the reference is whole in all of them, a lost one is noticed."""

# ruff: noqa: F811 - pytest finds a fixture by the name of a parameter

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import trl
import yaml
from prepared_run import built
from test_rl import data, settings  # noqa: F401 - a fixture

from egm_core.train.configuration import ConfigurationError
from egm_core.train.rl.stage import refuse_lost_reference, rl
from egm_core.train.run.callbacks import RunStopped
from egm_core.train.run.folder import model_of
from egm_core.train.run.processes import free_port

ROOT = Path(__file__).parents[4]
OURS = ROOT / "training" / "accelerate"
STOCK = Path(trl.__file__).parent / "accelerate_configs"


def together(count: int, *command: str, **environment: str) -> list[tuple[int, str]]:
    """Run a Python command in several processes that find each other; gives each one's status and output."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "OMP_NUM_THREADS": "1", **environment}
    started = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    said = [process.communicate(timeout=200)[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


@pytest.mark.parametrize(
    ("file", "status"), [(OURS / "fsdp2.yaml", 0), (STOCK / "fsdp2.yaml", 3)], ids=["ours", "stock"]
)
def test_the_sharded_reference_has_its_weights_in_every_process(random_qwen: Path, file: Path, status: int) -> None:
    """TRL's own file shows that the test can fail: with it, all processes but the first have zeros."""
    script = str(Path(__file__).with_name("sharded_reference.py"))
    for code, text in together(2, script, str(file), str(random_qwen)):
        assert code == status, text


@pytest.mark.parametrize("file", sorted(OURS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_accelerate_files_hold_what_they_promise(file: Path) -> None:
    settings = yaml.safe_load(file.read_text())
    if settings["distributed_type"] == "FSDP":
        shards = settings["fsdp_config"]
        assert shards["fsdp_version"] == 2
        assert shards["fsdp_cpu_ram_efficient_loading"] is False
        assert shards["fsdp_state_dict_type"] == "SHARDED_STATE_DICT"
    else:
        assert f"zero{settings['deepspeed_config']['zero_stage']}" == file.stem
        assert settings["deepspeed_config"].get("zero3_save_16bit_model", False) == (file.stem == "zero3")
    stock = yaml.safe_load((STOCK / file.name).read_text())
    assert settings["mixed_precision"] == stock["mixed_precision"]


def test_an_accelerate_file_that_loses_the_reference_is_refused(
    random_qwen: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = settings(random_qwen, data, tmp_path / "run")
    refuse_lost_reference(config)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    with pytest.raises(ConfigurationError, match=r"training/accelerate/fsdp2\.yaml"):
        rl(config)
    for harmless in ({"kl": 0.0}, {"lora_rank": 4}):
        refuse_lost_reference(settings(random_qwen, data, tmp_path / "run", **harmless))
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")
    refuse_lost_reference(config)


@pytest.mark.parametrize("shared", [True, False])
def test_a_reference_that_is_not_the_policy_stops_the_run_at_its_first_step(
    random_qwen: Path,
    data: Path,
    tmp_path: Path,
    shared: bool,
) -> None:
    trainer = built(settings(random_qwen, data, tmp_path, share_prompts=shared), tmp_path)
    with torch.no_grad():
        for parameter in trainer.ref_model.parameters():
            parameter.zero_()
    with pytest.raises(RunStopped, match=r"before the first update.*training/accelerate"):
        trainer.train()
    assert trainer.state.global_step == 0


FIRST_DECIDES = """
import os, sys
from egm_core.train.configuration import ConfigurationError
from egm_core.train.run.group import by_first, join_group
join_group()
rank = int(os.environ["RANK"])
def look(): print("looked", rank); return {"files": [rank]}
def refuse(): raise ConfigurationError(f"seen by {rank}")
assert by_first(look) == {"files": [0]}
try: by_first(refuse)
except ConfigurationError as error: assert "seen by 0" in str(error); print("refused", rank)
import torch.distributed as distributed
"""


def test_the_first_process_looks_and_all_hear_its_result_and_its_error(tmp_path: Path) -> None:
    said = together(2, "-c", FIRST_DECIDES)
    assert [code for code, _ in said] == [0, 0], said
    assert ["looked 0" in text for _, text in said] == [True, False]
    assert [f"refused {rank}" in text for rank, (_, text) in enumerate(said)] == [True, True]
    assert not any("looked 1" in text for _, text in said)


def test_pictures_of_a_generation_batch_are_read_once_each(
    random_qwen: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from egm_core.train.rl import trainer as grpo

    read: list[str] = []
    whole = grpo.read
    monkeypatch.setattr(grpo, "read", lambda picture, **how: (read.append(picture), whole(picture, **how))[1])
    config = settings(random_qwen, data, tmp_path, micro_batch=4, max_steps=2)
    trainer = built(config, tmp_path)
    trainer.train()
    # Four prompts an update; two of them may be about one picture.
    assert 0 < len(read) <= 2 * config.prompts


def test_lora_under_zero3_ends_without_waiting_for_the_others(
    random_qwen: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the first process merges the adapter, so the base must not be loaded as ZeRO-3 loads: by all together."""
    from transformers import AutoModelForImageTextToText
    from transformers.integrations import deepspeed

    config = settings(random_qwen, data, tmp_path / "run", lora_rank=2, max_steps=1)
    alone: list[bool] = []
    whole = AutoModelForImageTextToText.from_pretrained

    def load(*arguments: object, **options: object) -> object:
        alone.append(not deepspeed.is_deepspeed_zero3_enabled())
        return whole(*arguments, **options)

    class ZeRO3:
        """What transformers keeps of a DeepSpeed configuration of stage 3."""

        def is_zero3(self) -> bool:
            return True

    from egm_core.train.run.training import finish

    (tmp_path / "run").mkdir()
    trainer = built(config, tmp_path / "run")
    trainer.train()
    kept = ZeRO3()
    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", load)
    monkeypatch.setattr(deepspeed, "is_deepspeed_available", lambda: True)
    deepspeed.set_hf_deepspeed_config(kept)
    try:
        assert deepspeed.is_deepspeed_zero3_enabled()
        finish(trainer, model_of(config), tmp_path / "run", config)
    finally:
        deepspeed.unset_hf_deepspeed_config()
    assert alone == [True]
    assert (tmp_path / "run" / "final" / "config.json").is_file()
