"""The check of boxes, before an evaluation and by hand: other units and orders are named, not scored as wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egm_core.command.data import main as data
from egm_core.command.evaluate import main as evaluate

FRACTIONS = [0.4, 0.3, 0.55, 0.45]
GOOD = [100.0, 60.0, 180.0, 130.0]


def write(folder: Path, boxes: list[list[float]], **more: object) -> Path:
    file = folder / "a.jsonl"
    record = {"image": "a.png", "height": 144, "width": 256} | more
    rows = [record | {"sent": f"cup {number}", "bbox": box} for number, box in enumerate(boxes)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("task", ["refer", "amodal"])
def test_boxes_in_fractions_are_not_evaluated(tmp_path, task, caplog):
    file = write(tmp_path, [FRACTIONS, GOOD], **({"amodal_bbox": GOOD} if task == "amodal" else {}))
    assert evaluate([task, str(file), "--json", str(tmp_path / "r.json")]) == 2
    assert "a.jsonl:1" in caplog.text and "within 0 to 1" in caplog.text and "multiply" in caplog.text
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("boxes", "size", "words"),
    [
        ([[10 + n, 10, 20, 15] for n in range(9)], {}, "x, y, width, height"),
        ([[100 + n, 100, 990, 900] for n in range(60)], {"width": 1100, "height": 1100}, "end at 1000"),
        ([[10, 10, 10.5, 12], GOOD], {}, "below one pixel"),
        ([GOOD], {"amodal_bbox": [1, 1, 5, 5]}, "does not hold the visible one"),
    ],
)
def test_what_only_looks_wrong_is_warned_of(tmp_path, boxes, size, words, caplog, capsys):
    file = write(tmp_path, boxes, **size)
    assert data(["check", str(file)]) == 1
    assert words in capsys.readouterr().out
    if "amodal_bbox" in size:
        assert evaluate(["amodal", str(file), "--without-model", "image"]) == 0
        assert words in caplog.text and "worthless" in caplog.text


def test_good_boxes_pass_and_an_empty_file_does_not(tmp_path, capsys):
    file = write(tmp_path, [GOOD, [10.0, 10.0, 30.0, 40.0]])
    assert data(["check", str(file)]) == 0
    assert "boxes as they should be" in capsys.readouterr().out
    file.write_text("")
    assert data(["check", str(file)]) == 2


def test_a_served_models_name_is_sent_to_its_own_option(tmp_path, caplog):
    """Its name is no folder: the message must name the option that takes it."""
    from egm_core.evaluate.samples.subject import Subject, _described

    with pytest.raises(FileNotFoundError, match="--engine-model gemini-3-pro"):
        _described(Subject(model="gemini-3-pro", engine_url="http://localhost:9", family="gemini"), "gemini-3-pro")
