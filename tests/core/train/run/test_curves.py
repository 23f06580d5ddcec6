"""Curves of a run: what was logged is drawn, torn lines and empty runs are no harm."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2

from egm_core.train.run.curves import draw, read, series


def write(folder: Path, count: int) -> None:
    rows = []
    for step in range(1, count + 1):
        row = {"step": 5 * step, "loss": math.exp(-step / 40), "entropy": 1 / step, "reward": step / count}
        rows.append({**row, "completions/mean_length": 40 + step % 7, "kl": step / 1e4, "grad_norm": 1.0})
    lines = [json.dumps(row) for row in rows] + [json.dumps({"step": 5 * count, "train_runtime": 3.0})]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 9')


def test_draws_a_panel_for_each_quantity_that_was_logged(tmp_path: Path) -> None:
    write(tmp_path, 120)
    six = cv2.imread(str(draw(tmp_path)))
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    one = cv2.imread(str(draw(tmp_path)))
    assert one.shape[0] < six.shape[0] and one.shape[1] < six.shape[1]
    # Ink beside the white: the curve, in blue.
    assert ((one[..., 0] > one[..., 2] + 40).sum()) > 100


def test_the_best_name_of_a_quantity_is_taken(tmp_path: Path) -> None:
    write(tmp_path, 3)
    rows = read(tmp_path / "metrics.jsonl")
    assert len(rows) == 4
    assert series(rows, ("accuracy", "reward")) == ("reward", [5, 10, 15], [1 / 3, 2 / 3, 1.0])
    assert series(rows, ("accuracy",)) is None


def test_nothing_logged_draws_nothing(tmp_path: Path) -> None:
    assert draw(tmp_path) is None
