"""Harder sets by their own rules: what they count otherwise than we do, on the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egm_core.boxes import iou
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.reports.theirs import METRICS, giou, table
from egm_core.evaluate.results import Result, read

TRUTH = (0.0, 0.0, 100.0, 100.0)
# IoU 0.506 with a GIoU of 0.46: the box around both has two empty corners.
CORNER = (18.0, 18.0, 118.0, 118.0)


def result(folder: Path, *rows: tuple[str, tuple | None, tuple | None]) -> Result:
    """Write a result of (outcome, box, truth) rows."""
    told = []
    for number, (outcome, box, truth) in enumerate(rows):
        overlap = None if truth is None else 0.0 if box is None else iou(box, truth)
        told.append({
            "id": f"q{number}", "seed": number, "task": "visible", "kind": "plain", "text": "cup", "outcome": outcome,
            "correct": outcome == "absent" if truth is None else (overlap or 0) > 0.5, "truth": truth, "box": box,
            "thinking": None, "iou": overlap, "category": "cup" if number % 2 else "dog",
        })  # fmt: skip
    about = {"of": "samples", "task": "visible", "questions": len(told), "strict": True, "reasoning": True,
             "model": "m", "version": "", "rows": told}  # fmt: skip
    path = folder / "r.json"
    path.write_text(json.dumps(about))
    return read("m", path)


def both(rule: str, found: Result) -> dict[str, tuple[float, float]]:
    return {metric.name: (metric.theirs.value, metric.ours.value) for metric in METRICS[rule](found)}


def test_giou_is_iou_where_the_boxes_fill_what_is_around_them():
    assert giou(TRUTH, TRUTH) == 1.0
    assert giou(TRUTH, (0.0, 0.0, 50.0, 100.0)) == 0.5
    assert giou(TRUTH, (200.0, 0.0, 300.0, 100.0)) == pytest.approx(-1 / 3)
    assert giou(CORNER, TRUTH) < 0.5 < iou(CORNER, TRUTH)


def test_grefcoco_matches_by_giou_and_takes_silence_for_no_target(tmp_path):
    found = both("grefcoco", result(tmp_path, ("found", CORNER, TRUTH), ("malformed", None, None)))
    assert found["F1 = 1 at 0.5"] == (0.5, 0.5)
    assert found["N-acc"] == (1.0, 0.0)
    assert found["T-acc"] == (1.0, 1.0)


def test_grefcoco_credits_no_unreadable_or_failed_answer_and_shows_them_apart(tmp_path):
    present = [("found", TRUTH, TRUTH), ("absent", None, TRUTH), ("malformed", None, TRUTH), ("failed", None, TRUTH)]
    missing = [("absent", None, None), ("malformed", None, None), ("failed", None, None), ("found", TRUTH, None)]
    scored = result(tmp_path, *present, *missing)
    found = both("grefcoco", scored)
    assert found["T-acc"] == (0.25, 0.25)
    assert found["N-acc"] == (0.75, 0.25)
    apart = {metric.name: metric for metric in METRICS["grefcoco"](scored)}["unreadable or failed"]
    assert (apart.theirs.count, apart.ours.value, apart.ours.count) == (0, 0.5, 8)
    assert "unreadable or failed" in table("grefcoco", scored)


def test_grounding_me_rejects_by_unreadable_answers_and_leaves_failed_calls_out(tmp_path):
    rows = [("malformed", None, None), ("failed", None, None), ("found", (0.0, 0.0, 50.0, 100.0), TRUTH)]
    found = both("grounding-me", result(tmp_path, *rows))
    assert found["rejection"] == (1.0, 0.0)
    assert found["object there"] == (1.0, 0.0)
    assert found["all"] == (1.0, 0.0)


def test_ref_l4_averages_thresholds_and_classes(tmp_path):
    rows = [("found", TRUTH, TRUTH), ("found", (0.0, 0.0, 60.0, 100.0), TRUTH), ("absent", None, TRUTH)]
    found = both("ref-l4", result(tmp_path, *rows))
    assert found["Acc@0.5"][0] == pytest.approx(2 / 3)
    assert found["mAcc, 0.5 to 0.95"][0] == pytest.approx((1 + 0.2) / 3)
    assert found["mean of classes"][0] == pytest.approx((0.5 + 1.0) / 2)


def test_the_differences_are_said_in_words(tmp_path, capsys):
    result(tmp_path, ("malformed", None, None), ("found", TRUTH, TRUTH))
    assert main(["theirs", str(tmp_path / "r.json"), "--rule", "grounding-me"]) == 0
    printed = capsys.readouterr().out
    assert "calls an unreadable answer a rejection" in printed
    assert "| rejection | 100.0" in printed
