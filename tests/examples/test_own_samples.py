"""The example that makes training samples of a robot's own pictures, and that TRL's trainer takes them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.sample import read_samples

ROOT = Path(__file__).resolve().parents[2]
THOUGHT = "The mug stands alone."
ROWS = (
    ("0.png", "the red mug", "10 20 60 90", "10 20 60 110", THOUGHT, "The box hides its foot."),
    ("1.png", "the blue mug", "", "", "There is none.", "There is none."),
    ("2.png", "the mug", "5 5 50 60", "", THOUGHT, ""),
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three labelled pictures, as a labelling tool leaves them."""
    rng = np.random.default_rng(0)
    for name in ("0.png", "1.png", "2.png"):
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (168, 224, 3), dtype=np.uint8))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "expression", "visible", "amodal", "reasoning", "amodal_reasoning"])
        writer.writerows(ROWS)
    return tmp_path / "labels.csv"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    words = [sys.executable, *(str(word) for word in command)]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)


def make(table: Path) -> subprocess.CompletedProcess[str]:
    return run("examples/own_samples.py", table, "--out", table.parent / "out" / "samples.jsonl")


def test_every_row_becomes_a_sample(table: Path) -> None:
    said = make(table)
    assert said.returncode == 0, said.stderr
    assert "3 samples, 1 of them of objects that are not there" in said.stdout
    first, second, third = read_samples(table.parent / "out" / "samples.jsonl")
    assert (first.bbox, first.amodal_bbox) == ((10, 20, 60, 90), (10, 20, 60, 110))
    assert (first.width, first.height, first.reasoning) == (224, 168, THOUGHT)
    assert second.bbox is None and third.amodal_bbox is None
    assert all(Path(sample.image).is_file() for sample in (first, second, third))


@pytest.mark.parametrize(("old", "new", "named"), [
    ("10 20 60 90", "10 20 60", "labels.csv:2"),
    ("2.png", "3.png", "labels.csv:4"),
    ("5 5 50 60", "5 5 500 60", "samples.jsonl:3"),
    ("visible,", "box,", "labels.csv:1: there is no column visible"),
    ("10 20 60 90", "here and there", "labels.csv:2: 'here and there' is no box"),
    ("2.png,the mug", ",the mug", "labels.csv:4: the picture or the expression is empty"),
    ("5 5 50 60", "\xff", "labels.csv is no text in UTF-8"),
])  # fmt: skip
def test_a_wrong_row_is_named_and_nothing_is_written(table: Path, old: str, new: str, named: str) -> None:
    table.write_bytes(table.read_bytes().replace(old.encode(), new.encode("latin-1"), 1))
    said = make(table)
    assert said.returncode == 2
    assert named in said.stderr and said.stderr.count("\n") == 1
    assert not list(table.parent.glob("out/*"))


@pytest.mark.slow
def test_training_takes_them(table: Path, random_qwen: Path) -> None:
    pytest.importorskip("trl", reason="no TRL to tune a model with")
    from egm_core.train.__main__ import main

    assert make(table).returncode == 0
    folder = table.parent
    words = (
        "sft", "--config", str(ROOT / "training/robot/sft.yaml"), f"model={random_qwen}", "offline=true",
        f"data=[{folder}/out/samples.jsonl]", f"output={folder}/run", "max_steps=1", "batch=2", "accumulation=1",
    )  # fmt: skip
    assert main(list(words)) == 0
    assert list((folder / "run" / "final").glob("*.safetensors"))
