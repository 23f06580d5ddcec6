"""`egm evaluate amodal --without-model`, and Table 5 with the lines that need no model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_oracles import BOX, sample

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.baselines import OWN_COPIED
from egm_core.evaluate.samples.baselines import COPY, RULES
from egm_core.evaluate.samples.questions import read_questions
from egm_core.sample import write_samples

HALF, THIRD = (20.0, 20.0, 220.0, 120.0), (20.0, 20.0, 150.0, 120.0)
OCCLUDER = (110.0, 10.0, 200.0, 130.0)
LARGE = (150.0, 0.0, 390.0, 190.0)


@pytest.fixture
def file(tmp_path):
    """Two pictures: one object half hidden, one less; and an object in full view, the largest of both."""
    told = {"occluder_boxes": (OCCLUDER,), "visible_fraction": 0.6}
    rows = []
    for number, whole in ((1, HALF), (2, THIRD)):
        image = {"image": f"{number}.png", "image_id": str(number)}
        rows.append(sample(**image, sent="the mug", amodal_bbox=whole, annotation_id="m", **told))
        rows.append(sample(**image, sent="the tray", bbox=LARGE, amodal_bbox=LARGE, annotation_id="t",
                           visible_fraction=1.0))  # fmt: skip
    write_samples(tmp_path / "val.jsonl", rows)
    # 0.4 of the visible width on the side that faces the occluder.
    write_samples(tmp_path / "train.jsonl", [sample("9.png", amodal_bbox=(20, 20, 160, 120), **told)])
    return tmp_path / "val.jsonl"


def by_rule(file, rule: str, *more: str) -> dict:
    out = file.with_name(f"{rule}.json")
    growth = ("--growth", str(file.with_name("train.jsonl")))
    assert main(["amodal", str(file), "--without-model", rule, "--json", str(out), *growth, *more]) == 0
    return json.loads(out.read_text())


def overlaps(data: dict) -> list[float]:
    return [round(row["iou"], 3) for row in data["rows"]]


def test_every_rule_answers_in_a_models_place(file):
    found = {rule: overlaps(by_rule(file, rule)) for rule in RULES}
    assert found["copy"] == found["hull"] == [0.5, 1.0, 0.769, 1.0]
    assert found["enlarged"] == [0.7, 1.0, 0.929, 1.0], "140 of 200, and 130 of 140"
    assert found["largest"][1::2] == [1.0, 1.0] and max(found["largest"][::2]) < 0.3
    assert found["image"][1] == pytest.approx(240 * 190 / 80000, abs=0.001)


def test_the_headline_is_where_the_visible_box_fails(file, capsys):
    data = by_rule(file, "enlarged")
    printed = capsys.readouterr().out
    for words in (
        "Where the visible box fails at 0.5: 100.0",
        "Where the visible box fails at 0.75: 0.0",
        "(Acc@0.5); 1 of 4 questions, on 1 images",
        "(Acc@0.75); 1 of 4 questions, on 1 images",
        "toward the occluder 40.0 % of the visible side (1 sides)",
        "2 of 2 partly hidden objects have an occluder",
        "hull of the visible mask",
        "its line is that of the true visible box copied",
    ):
        assert words in printed, words
    assert data["rows"][0]["baselines"] == {
        "true visible box copied": 0.5, "visible box enlarged": pytest.approx(0.7), "largest object": pytest.approx(
            70 * 100 / (200 * 100 + 240 * 190 - 70 * 100)), "hull of the visible mask": 0.5,
        "whole image": 0.25,
    }  # fmt: skip


def test_the_largest_object_is_the_one_of_which_most_is_seen(tmp_path):
    less = sample("1.png", annotation_id="a", amodal_bbox=(0.0, 0.0, 400.0, 200.0), visible_fraction=0.1)
    more = sample("1.png", annotation_id="b", bbox=LARGE, amodal_bbox=LARGE)
    write_samples(tmp_path / "x.jsonl", [less, more])
    assert {question.largest for question in read_questions([tmp_path / "x.jsonl"], "amodal").questions} == {LARGE}


def test_without_a_training_file_the_stand_in_is_told(file, capsys):
    assert main(["amodal", str(file), "--without-model", "enlarged"]) == 0
    assert "which a baseline should not see" in capsys.readouterr().out


def test_table_5_has_models_and_rules_where_the_visible_box_fails(file, capsys):
    by_rule(file, "enlarged")
    capsys.readouterr()
    assert main(["table", "5", f"EGM-8B={file.with_name('enlarged.json')}"]) == 0
    lines = {}
    for line in capsys.readouterr().out.split("Mean IoU by IoU")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        lines[cells[0]] = cells[1:]
    model, copy = lines["EGM-8B"], lines["true visible box copied"]
    assert model[0].startswith("100.0 (") and model[0].endswith("; 1 on 1 images")
    assert model[1].startswith("0.0 (") and copy[0].startswith("0.0 (")
    assert (copy[2][:4], copy[3][:4], copy[4][:4], copy[6], copy[7]) == ("75.0", "75.0", "50.0", "4", "2")


def test_results_of_earlier_versions_still_have_the_copy(file, capsys):
    data = by_rule(file, "copy")
    for row in data["rows"]:
        del row["baselines"]
    old = file.with_name("old.json")
    old.write_text(json.dumps(data))
    capsys.readouterr()
    assert main(["table", "5", f"old={old}"]) == 0
    assert "| true visible box copied (and hull of the visible mask) | 0.0 (" in capsys.readouterr().out


def test_options_of_models_are_refused_beside_a_rule(file, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["amodal", str(file), "--without-model", "copy", "--model", "x"])
    assert "--model is about a model" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["refer", str(file), "--without-model", "copy"])


def test_a_hidden_object_has_no_copy(tmp_path, capsys):
    write_samples(tmp_path / "x.jsonl", [sample("1.png", bbox=None, amodal_bbox=BOX, visible_fraction=0.0)])
    assert main(["amodal", str(tmp_path / "x.jsonl"), "--without-model", "copy"]) == 0
    assert "| all rows (micro) | 1 | 1 | 0.0" in capsys.readouterr().out


@pytest.mark.parametrize("rule", ["copy", "enlarged", "hull"])
def test_what_a_rule_has_no_box_for_has_one_count_and_one_word(file, rule):
    write_samples(file, [sample("1.png", bbox=None, amodal_bbox=BOX, visible_fraction=0.0)])
    data = by_rule(file, rule)
    counts = {line["name"]: line["outcomes"] for line in data["figures"]["baselines"]}
    assert data["rows"][0]["outcome"] == "malformed"
    assert counts[RULES[rule]] == data["figures"]["micro"]["outcomes"]
    assert counts[RULES[rule]] == {"found": 0, "absent": 0, "malformed": 1, "failed": 0}


def test_a_result_that_has_the_copy_by_an_earlier_name_is_one_line_with_todays(file, capsys):
    data = by_rule(file, "copy")
    for row in data["rows"]:
        row["baselines"] = {"copy of the visible box" if n == COPY else n: v for n, v in row["baselines"].items()}
    old = file.with_name("old.json")
    old.write_text(json.dumps(data))
    capsys.readouterr()
    assert main(["table", "5", f"old={old}"]) == 0
    printed = capsys.readouterr().out
    assert "copy of the visible box" not in printed and "| true visible box copied |" in printed


def test_the_two_answers_that_copy_a_visible_box_have_two_names():
    assert (COPY, OWN_COPIED) == ("true visible box copied", "own visible box copied")
    glossary = (Path(__file__).parents[4] / "docs/glossary.md").read_text()
    assert all(glossary.count(f"| {name} | baseline: ") == 1 for name in (COPY, OWN_COPIED))
