"""`egm train`: plans, refuses what is wrong with the file and the line, and is the module under another name."""

from __future__ import annotations

from pathlib import Path

from command_line import ROOT, egm

SFT = str(ROOT / "training/qwen3_vl/2b_visible_sft.yaml")


def test_a_plan_is_the_modules() -> None:
    done = egm("train", "plan", "--config", SFT, "plan.samples=1000")
    assert done.returncode == 0, done.stderr
    assert done.stdout == egm("plan", "--config", SFT, "plan.samples=1000", module="egm_core.train").stdout


def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: [x.jsonl]\nlearning_rat: 1e-5\n")
    done = egm("train", "sft", "--config", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"egm train: {file}:2: ") and "'learning_rate'" in done.stderr


def test_a_stage_that_does_not_exist_is_refused_in_one_line() -> None:
    done = egm("train", "stf", "--config", SFT)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("egm train: argument stage: invalid choice: 'stf'")
