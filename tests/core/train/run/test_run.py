"""What every run shares: its folder, ranges, refusals, marks on checkpoints, and metrics without doubles."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from egm_core.train.configuration import ConfigurationError, load, setting
from egm_core.train.run.config import RunConfig
from egm_core.train.run.folder import checkpoints, drop_torn, is_whole, mark_whole, open_run, whole_checkpoint


@dataclass
class Stage(RunConfig):
    rate: float = setting(1e-5, above=0, high=1)
    steps: int = setting(-1, low=1, allow=(-1,))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rate=2", r"rate is 2.0; it must be a number above 0 and at most 1"),
        ("rate=0", "above 0"),
        ("rate=nan", "rate is nan"),
        ("steps=0", r"steps is 0; it must be a number at least 1 or -1"),
        ("save_steps=0", "at least 1"),
        ("tasks=[visual]", "tasks is 'visual'; it must be 'visible' or 'amodal'"),
        ("report_to=[tensorbord]", "'tensorboard' or 'wandb'"),
        ("savesteps=4", "did you mean 'save_steps'"),
    ],
)
def test_a_wrong_value_says_the_range(tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text("rate: 0.1\n")
    with pytest.raises(ConfigurationError, match=message):
        load(Stage, tmp_path / "run.yaml", [override])
    assert load(Stage, tmp_path / "run.yaml", ["steps=-1"]).rate == 0.1


def test_the_folder_says_what_ran(tmp_path: Path) -> None:
    config = Stage(output=str(tmp_path / "run"), seed=5)
    folder = open_run("sft", config)
    written = yaml.safe_load((folder / "config.yaml").read_text())
    assert (written["stage"], written["seed"], written["rate"]) == ("sft", 5, 1e-5)
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["seed"] == 5 and "torch" in versions["packages"] and versions["python"].startswith("3.")
    assert versions["git"] is None or len(versions["git"].removesuffix("+changes")) == 40


def test_a_folder_is_not_continued_with_other_settings(tmp_path: Path) -> None:
    config = Stage(output=str(tmp_path / "run"))
    checkpoint = open_run("sft", config) / "checkpoint-2"
    open_run("sft", replace(config, rate=0.5))
    open_run("sft", config)
    checkpoint.mkdir()
    (checkpoint / "weights").write_bytes(b"12")
    mark_whole(checkpoint)
    open_run("sft", replace(config, logging_steps=1, save_steps=7))
    with pytest.raises(ConfigurationError, match=r"rate was 1e-05 and is now 0.5.*name another output"):
        open_run("sft", replace(config, rate=0.5))


def test_a_report_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egm_core.train.run.folder.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install wandb"):
        open_run("sft", Stage(output=str(tmp_path), report_to=["wandb"]))


def test_torn_checkpoints_are_passed_over_and_dropped(tmp_path: Path) -> None:
    for step in (2, 10, 30):
        folder = tmp_path / f"checkpoint-{step}"
        (folder / "part").mkdir(parents=True)
        (folder / "part" / "weights").write_bytes(bytes(100))
        if step != 30:
            mark_whole(folder)
    assert whole_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    (tmp_path / "checkpoint-10" / "part" / "weights").write_bytes(bytes(99))
    assert whole_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    (tmp_path / "checkpoint-2" / "whole.json").write_text("{")
    assert whole_checkpoint(tmp_path) is None and not is_whole(tmp_path / "checkpoint-2")
    mark_whole(tmp_path / "checkpoint-2")
    drop_torn(tmp_path)
    assert checkpoints(tmp_path) == [tmp_path / "checkpoint-2"]


def test_metrics_of_steps_that_come_again_are_dropped(tmp_path: Path) -> None:
    from egm_core.train.run.callbacks import keep_until

    rows = [{"step": step, "loss": 1.0} for step in (1, 2, 3, 4)] + [{"step": 4, "train_runtime": 1.0}]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 5, "lo')
    keep_until(path, 3)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]
    keep_until(tmp_path / "none.jsonl", 3)
    assert not (tmp_path / "none.jsonl").exists()
