"""What scores are worth: figures worked out by hand, and the commands on results written down by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.boxes import Box
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.reports.reliability import Judged, auroc, bins, brier, calibrated, ece, measure, published, table
from egm_core.evaluate.results import Answered
from egm_core.families import Task
from egm_core.models.calibration import DIRECT, FILE, Curve, curve_for, note, weights_digest
from egm_core.models.folder import ModelInfo, write_info

BOX: Box = (0.0, 0.0, 10.0, 10.0)
WIDE: Box = (0.0, 0.0, 20.0, 10.0)
FAR: Box = (50.0, 50.0, 60.0, 60.0)


def answer(task: Task, box: Box | None, truth: Box | None, score: float | None = 0.5, seed: int = 1) -> Answered:
    outcome = "absent" if box is None else "found"
    return Answered(seed, task, "size", "the mug", outcome, False, truth, 3, box, score)


def told(*answers: Answered) -> list[tuple[str, bool]]:
    return [(j.task, j.right) for j in published(answers)]


def test_a_box_is_right_by_its_overlap_and_wrong_for_what_is_not_there() -> None:
    assert told(answer("visible", BOX, BOX)) == [("visible", True)]
    assert told(answer("visible", BOX, (0.0, 0.0, 10.0, 20.0))) == [("visible", True)]
    assert told(answer("visible", BOX, (0.0, 0.0, 10.0, 20.1))) == [("visible", False)]
    assert told(answer("visible", BOX, None)) == [("visible", False)]
    assert told(answer("visible", None, BOX)) == told(answer("visible", BOX, BOX, None)) == []


def test_an_amodal_box_counts_as_the_grounder_publishes_it() -> None:
    visible = answer("visible", BOX, BOX)
    assert told(visible, answer("amodal", WIDE, WIDE)) == [("visible", True), ("amodal", True)]
    assert told(answer("amodal", WIDE, WIDE)) == []
    assert told(visible, answer("amodal", FAR, FAR)) == [("visible", True)]
    right_half: Box = (10.0, 0.0, 20.0, 10.0)
    touching: Box = (5.0, 0.0, 20.0, 10.0)
    assert told(visible, answer("amodal", right_half, right_half)) == [("visible", True)]
    # Joined with the visible box, as in the grounder: (0, 0, 20, 10).
    assert told(visible, answer("amodal", touching, (0.0, 0.0, 30.0, 10.0))) == [("visible", True), ("amodal", True)]
    assert told(visible, answer("amodal", WIDE, WIDE, seed=2)) == [("visible", True)]


def test_the_figures() -> None:
    scores, right = np.array([0.95, 0.95, 0.15, 0.15]), np.array([1.0, 0.0, 0.0, 0.0])
    assert bins(scores, right) == [(pytest.approx(0.15), 0.0, 2), (pytest.approx(0.95), 0.5, 2)]
    assert bins(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == [(0.0, 0.0, 1), (1.0, 1.0, 1)]
    assert ece(scores, right) == pytest.approx((0.15 + 0.45) / 2)
    assert brier(scores, right) == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.15**2) / 4)
    # The right one beats two wrong ones and ties with the third.
    assert auroc(scores, right) == pytest.approx(2.5 / 3)
    assert np.isnan(auroc(scores, np.ones(4)))


def test_intervals_are_over_scenes() -> None:
    judged = [Judged(seed, "visible", 0.5, seed < 50) for seed in range(100)]
    single = measure(judged, brier)
    assert (single.value, single.bounded, single.clusters) == (0.25, False, 100), "all alike"
    spread = measure(judged, ece)
    crowd = measure([j for j in judged for _ in range(4)], ece)
    assert 0 < spread.high < 0.2
    assert crowd.high == pytest.approx(spread.high)


def test_a_value_lies_within_its_interval_where_resamples_are_biased() -> None:
    """Scores that are right as often as they say have an ECE near 0, and those of resamples lie well above."""
    judged = [Judged(seed, "visible", tenth / 10 + 0.05, seed % 20 < 2 * tenth + 1) for tenth in range(10)
              for seed in range(20)]  # fmt: skip
    for metric in (ece, auroc, brier):
        found = measure(judged, metric)
        assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high, metric


def test_calibrated_scores_are_the_curves_and_the_table_has_both() -> None:
    judged = [Judged(s, "visible", 0.9, s % 2 == 0) for s in range(40)]
    curves = {"visible": Curve((0.0, 0.9), (0.0, 0.5))}
    assert {j.score for j in calibrated(judged, curves)} == {0.5}
    lines = table(judged, curves).splitlines()
    assert lines[2].startswith("| visible | 40 | 50.0 | ECE | 0.400 (") and " | 0.000 (" in lines[2]
    assert [line.split(" | ")[3] for line in lines[2:8]] == ["ECE", "AUROC", "Brier"] * 2
    assert calibrated([Judged(1, "amodal", 0.9, True)], curves)[0].score == 0.9


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    write_info(folder, ModelInfo("model", "qwen3_vl", ("visible", "amodal")))
    return folder


def result(path: Path, model: Path, first_seed: int, scenes: int = 400, **about: Any) -> Path:
    """Write a result whose raw scores promise too much: a box of score s is right in about s * s of the cases."""
    rng = np.random.default_rng(first_seed)
    rows = []
    for seed in range(first_seed, first_seed + scenes):
        for task, truth in (("visible", BOX), ("amodal", (0.0, 0.0, 30.0, 10.0))):
            score = float(rng.random())
            right = rng.random() < score**2
            box = truth if right else (0.0, 0.0, 1.0, 1.0)
            row = {"seed": seed, "task": task, "kind": "size", "text": "the mug", "outcome": "found"}
            rows.append(row | {"correct": right, "truth": truth, "thinking": 3, "box": box, "score": score})
    known = {"model": "model", "version": "1", "first_seed": first_seed, "scenes": scenes, "queries_per_scene": 1}
    known |= {"mode": "strict", "strict": False, "reasoning": True, "engine": "vllm"}
    known |= {"weights_sha256": weights_digest(model)}
    path.write_text(json.dumps({**known, **about, "rows": rows}))
    return path


def figures(printed: str, boxes: str, metric: str) -> tuple[float, float]:
    (line,) = [line for line in printed.splitlines() if line.startswith(f"| {boxes} |") and f" {metric} " in line]
    before, after = line.split(" | ")[4:6]
    return float(before.split()[0]), float(after.split()[0])


def test_the_commands_fit_on_some_seeds_and_judge_on_others(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = result(tmp_path / "fit.json", model, 400_000_000)
    assert main(["calibrate", "--model", str(model), "--result", str(fit)]) == 0
    curve = curve_for(model, "vllm", "visible")
    assert curve is not None and curve(0.5) == pytest.approx(0.25, abs=0.06)
    assert curve_for(model, "transformers", "visible") is None
    assert json.loads((model / FILE).read_text())["engines"]["vllm"]["first_seed"] == 400_000_000
    capsys.readouterr()
    kept = result(tmp_path / "kept.json", model, 500_000_000)
    picture = tmp_path / "reliability.png"
    assert main(["reliability", str(kept), "--model", str(model), "--png", str(picture)]) == 0
    printed = capsys.readouterr().out
    for boxes in ("visible", "both"):
        before, after = figures(printed, boxes, "ECE")
        assert before > 0.12 and after < 0.08
        one, two = figures(printed, boxes, "Brier")
        assert two < one
    one, two = figures(printed, "visible", "AUROC")
    assert two == pytest.approx(one, abs=0.02)
    assert cv2.imread(str(picture)).std() > 10


@pytest.mark.parametrize("first_seed", [0, 399_999_999, 499_999_999, 500_000_000])
def test_seeds_of_training_and_evaluation_are_refused(
    first_seed: int, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--model", str(model), "--first-seed", str(first_seed), "--scenes", "2"]) == 2
    assert "take --first-seed 400000000" in capsys.readouterr().err
    assert not (model / FILE).exists()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"weights_sha256": "0"}, "was not made with the weights in"),
        ({"weights_sha256": None}, "was not made with the weights in"),
        ({"first_seed": 500_000_000}, "can't be fitted to"),
        ({"engine": ""}, "evaluate them again"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(
    about: dict[str, Any], words: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = result(tmp_path / "fit.json", model, **{"first_seed": 400_000_000, **about})
    assert main(["calibrate", "--model", str(model), "--result", str(file)]) == 2
    assert words in capsys.readouterr().err
    assert not (model / FILE).exists()


def test_answers_without_thinking_have_curves_of_their_own(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for reasoning in (False, True):
        file = result(tmp_path / f"{reasoning}.json", model, 400_000_000, reasoning=reasoning)
        assert main(["calibrate", "--model", str(model), "--result", str(file)]) == 0
    entry = json.loads((model / FILE).read_text())["engines"]["vllm"]
    assert {"visible", DIRECT} <= set(entry) and "visible" in entry[DIRECT]
    assert note(model, "vllm") == note(model, "vllm", reasoning=False) == ""
    held = result(tmp_path / "held.json", model, 500_000_000, reasoning=False)
    capsys.readouterr()
    assert main(["reliability", str(held), "--model", str(model)]) == 0
    assert "| visible |" in capsys.readouterr().out


def test_too_few_boxes_and_missing_or_own_calibrations_are_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = result(tmp_path / "few.json", model, 400_000_000, scenes=99)
    assert main(["calibrate", "--model", str(model), "--result", str(few)]) == 2
    assert "too few" in capsys.readouterr().err
    kept = result(tmp_path / "kept.json", model, 500_000_000, scenes=99)
    assert main(["reliability", str(kept), "--model", str(model)]) == 2
    assert "egm evaluate calibrate" in capsys.readouterr().err
    assert main(["reliability", str(few), "--model", str(model)]) == 2
    assert "not from evaluation seeds" in capsys.readouterr().err


def test_a_model_without_boxes_is_asked_and_gets_no_calibration(
    random_qwen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", "--model", str(random_qwen), "--scenes", "1", "--queries-per-scene", "1", "--threads", "1"]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "no answer has a box with a score" in said or "too few to calibrate" in said
    assert not (random_qwen / FILE).exists()
