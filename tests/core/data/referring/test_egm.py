"""Files of the paper's release: raw rows, reasoned rows, analyses, RL tables and evaluation rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from record_files import jsonl, picture

from egm_core.sample import Sample

RAW = {
    "id": -1,
    "image": "coco/train2014/COCO_train2014_000000581857.jpg",
    "width": 200,
    "height": 100,
    "sent": "the mug",
    "241b_model_iou": 0.9,
    "conversations": [
        {"from": "human", "value": "<image>\nPlease provide … <ref>the mug</ref>"},
        {"from": "gpt", "value": "<ref>the mug</ref><box>[100, 200, 500, 1000]</box>"},
    ],
}
ANALYSIS = {
    "index": 3,
    "question": "the mug",
    "image_path": "a.png",
    "gt_bbox_normalized": [100, 200, 500, 1000],
    "gt_bbox_absolute": [100, 200, 500, 1000],
    "image_height": 100,
    "image_width": 200,
    "gpt_analysis": "It is left.",
}
RL = {
    "data_source": "grounding",
    "prompt": [{"role": "user", "content": "<image>…"}],
    "images": ["a.png"],
    "ability": "grounding",
    "reward_model": {"style": "rule", "ground_truth": [100.25, 200.5, 500.0, 1000.0]},
    "extra_info": {"split": "test", "index": 7, "id": -1, "height": 100, "width": 200, "question": "the mug"},
}


def parquet(path: Path, *records: Any) -> Path:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.Table.from_pylist(list(records)), path)
    return path


def test_raw_and_reasoned_rows(tmp_path: Path, convert) -> None:
    answer = 'It is left.\n</think>\n\n```json\n[\n\t{"bbox_2d": [100, 200, 500, 1000], "label": "the mug"}\n]\n```'
    asked = "<image>\nLocate the mug, output its bbox coordinates using JSON format."
    talk = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    failed = [talk[0], {"from": "gpt", "value": f"Analysis failed: Error code: 429{answer[11:]}"}]
    file = jsonl(tmp_path / "raw.jsonl", RAW, {**RAW, "conversations": talk}, {**RAW, "conversations": failed})
    raw, reasoned = convert("egm", "--file", file)
    assert raw.sent == reasoned.sent == "the mug" and raw.bbox == reasoned.bbox == (20, 20, 100, 100)
    assert (raw.reasoning, reasoned.reasoning, raw.image_id, raw.source) == ("", "It is left.", "581857", "EGM")
    assert "left out 1: records whose reasoning is a failed call" in convert.said


def test_analyses_are_in_thousandths_whatever_they_say(tmp_path: Path, convert) -> None:
    file = tmp_path / "analysis_0.json"
    file.write_text(json.dumps([ANALYSIS, {**ANALYSIS, "gpt_analysis": "Analysis failed: timeout"}]))
    (sample,) = convert("egm", "--file", file)
    assert (sample.bbox, sample.reasoning) == ((20, 20, 100, 100), "It is left.")


@pytest.mark.parametrize(
    "write",
    [lambda folder: jsonl(folder / "x.jsonl", RL), lambda folder: parquet(folder / "val_grounding.parquet", RL)],
)
def test_truths_of_rl_are_taken_unrounded(tmp_path: Path, convert, write) -> None:
    (sample,) = convert("egm", "--file", write(tmp_path))
    assert sample.bbox == pytest.approx((20.05, 20.05, 100, 100))
    assert (sample.split, sample.sentence_id, sample.sent) == ("test", "7", "the mug")


def test_evaluation_rows_are_in_pixels(tmp_path: Path, convert) -> None:
    shown = {"image": "a.png", "sent": "the mug", "width": 200, "height": 100}
    rows = {**shown, "bbox": [1.5, 2, 3, 4]}, {**shown, "modal_bbox": [5, 6, 7, 8]}
    file = jsonl(tmp_path / "refcocog_test.jsonl", *rows)
    first, second = convert("egm", "--file", file)
    assert (first.bbox, second.bbox, first.source, first.split) == ((1.5, 2, 3, 4), (5, 6, 7, 8), "RefCOCOg", "test")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({**ANALYSIS, "gt_bbox_normalized": None}, "gt_bbox_normalized is None; a list of 4 numbers"),
        ({**ANALYSIS, "image_width": 0}, "image_width is 0"),
        ({**ANALYSIS, "gpt_analysis": 3}, "gpt_analysis is 3"),
        ({**RL, "extra_info": None}, "extra_info: the record is None"),
        ({**RL, "extra_info": {"width": 3}}, "extra_info: the field 'height' is missing"),
        ({**RL, "reward_model": {"style": "rule"}}, "the field 'ground_truth' is missing"),
        ({**RL, "reward_model": {"ground_truth": "x"}}, "ground_truth is 'x'; a list of 4 numbers"),
        ({**RL, "reward_model": {"ground_truth": []}}, "ground_truth is []"),
        ({**RL, "images": "a.png"}, "images is 'a.png'; a list"),
        ({**RL, "images": [3]}, "images is 3; the path of one picture"),
        (3, "the record is 3"),
    ],
)
def test_wrong_records_are_named(tmp_path: Path, refused, bad: Any, words: str) -> None:
    said = refused("egm", "--file", jsonl(tmp_path / "x.jsonl", RAW, bad))
    assert "x.jsonl: line 2" in said and words in said


def test_other_files_are_refused(tmp_path: Path, refused) -> None:
    (tmp_path / "x.csv").write_text("a")
    assert "a table ends in .parquet, .jsonl or .json" in refused("egm", "--file", tmp_path / "x.csv")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nonsense")
    assert "no whole parquet file" in refused("egm", "--file", tmp_path / "x.parquet")
    assert "is not there" in refused("egm", "--file", tmp_path / "gone.parquet")


def test_the_documented_examples_are_read(formats: Path, tmp_path: Path, convert) -> None:
    (trained,) = convert("egm", "--file", formats / "egm/sft_documented_example.jsonl")
    record = json.loads((formats / "egm/analysis_documented_example.json").read_text())
    (tmp_path / "analysis.json").write_text(json.dumps([record]))
    (analysed,) = convert("egm", "--file", tmp_path / "analysis.json")
    assert trained.bbox == analysed.bbox and trained.sent == analysed.sent == "lady with the blue shirt"
    # The mirror image of RefCOCO's own box: [103.93, 299.99, 134.22, 177.42] in 427 x 640.
    assert trained.bbox == pytest.approx((427 - 238.15, 299.99, 427 - 103.93, 477.41), abs=1)
    original = picture(tmp_path / "coco/train2014/COCO_train2014_000000581857.jpg", 427, 640)
    sample: Sample
    (sample,) = convert("egm", "--file", tmp_path / "analysis.json", missing=0)
    assert (sample.image, sample.mirrored) == (str(original), True)


def test_a_file_of_one_analysis_is_read(tmp_path: Path, convert) -> None:
    file = tmp_path / "analysis_3.json"
    file.write_text(json.dumps(ANALYSIS, indent=1))
    (sample,) = convert("egm", "--file", file)
    assert sample.sent == "the mug"
