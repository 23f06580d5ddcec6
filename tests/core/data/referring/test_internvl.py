"""JSONL of InternVL and Qwen-VL: both kinds of rows, every way to write a box, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import jsonl, picture

from egm_core.data.readers.referring.turns import read_turn
from egm_core.pictures.source import read_picture

ASKED = "Please provide the bounding box coordinate of the region this sentence describes: <ref>the red mug</ref>"
ROW = {
    "image": "COCO_train2014_000000581857.jpg",
    "sent": "the red mug",
    "bbox": [10, 20, 30, 40.5],
    "width": 427,
    "height": 640,
}


def talk(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    says = [{"from": who, "value": said} for pair in pairs for who, said in zip(("human", "gpt"), pair, strict=True)]
    return {"id": 1, "image": "a.png", "width": 200, "height": 100, "conversations": says, **more}


@pytest.mark.parametrize(
    ("answer", "boxes"),
    [
        ("<ref>the red mug</ref><box>[[243, 469, 558, 746]]</box>", [(243, 469, 558, 746)]),
        ("<box>[243, 469, 558, 746]</box>", [(243, 469, 558, 746)]),
        ("<box>[[1, 2, 3, 4], [5, 6, 7, 8]]</box>", [(1, 2, 3, 4), (5, 6, 7, 8)]),
        ("<box>(243,469),(558,746)</box>", [(243, 469, 558, 746)]),
        ("<|box_start|>(243,469),(558,746)<|box_end|>", [(243, 469, 558, 746)]),
        ('```json\n[\n\t{"bbox_2d": [24.5, 46, 55, 74], "label": "[1, 2, 3, 4] mug"}\n]\n```', [(24.5, 46, 55, 74)]),
        ("I looked at [1, 2, 3, 4].</think><box>[[5, 6, 7, 8]]</box>", [(5, 6, 7, 8)]),
        ("there is none", []),
    ],
)
def test_boxes_in_answers(answer: str, boxes: list[tuple[float, ...]]) -> None:
    assert list(read_turn(ASKED, answer).boxes) == boxes


@pytest.mark.parametrize(
    ("question", "sent", "amodal"),
    [
        (f"<image>\n{ASKED}", "the red mug", False),
        ("Please provide the amodal bounding box coordinate of … <ref>a mug</ref>", "a mug", True),
        ("Locate the mug, the red one, output its bbox coordinates using JSON format.", "the mug, the red one", False),
        ("Locate the mug amodally, output its bbox coordinates using JSON format", "the mug", True),
        ('Locate every object that matches the description "a mug" in the image. Report bbox …', "a mug", False),
        ("<ref>amodal mug</ref> where?", "amodal mug", False),
        ("<|object_ref_start|>a  mug<|object_ref_end|>", "a mug", False),
        ("What do you see?", "", False),
        ("<ref>a</ref> and <ref>b</ref>", "", False),
    ],
)
def test_expressions_in_questions(question: str, sent: str, amodal: bool) -> None:
    turn = read_turn(question, "")
    assert (turn.sent, turn.amodal) == (sent, amodal)


def test_evaluation_rows_are_in_pixels(tmp_path: Path, convert) -> None:
    file = jsonl(
        tmp_path / "refcoco+_testA.jsonl",
        ROW,
        {k: v for k, v in ROW.items() if k != "bbox"} | {"modal_bbox": [1, 2, 3, 4]},
    )
    first, second = convert("internvl", "--file", file)
    assert (first.bbox, second.bbox) == ((10, 20, 30, 40.5), (1, 2, 3, 4))
    assert (first.source, first.split, first.image_id) == ("RefCOCO+", "testA", "581857")
    assert first.image == str(tmp_path / ROW["image"])
    assert "1 pictures are missing" in convert.said


def test_several_turns_are_several_samples_in_pixels(tmp_path: Path, convert) -> None:
    file = jsonl(
        tmp_path / "train.jsonl",
        talk(
            (f"<image>\n{ASKED}", "Left of it.</think><box>[[100, 200, 500, 1000]]</box>"),
            ("<ref>cup</ref>", "<box>[0,0,10,10]</box>"),
            ("What do you see?", "A mug."),
            ("<ref>mugs</ref>", "<box>[[1,2,3,4],[5,6,7,8]]</box>"),
            ("Please provide the amodal box: <ref>jar</ref>", "<box>[[1,2,3,4]]</box>"),
        ),
        {"image": ["a.png", "b.png"], "conversations": []},
        {"image": "a.png", "width": 9, "height": 9, "text": "a <image> story"},
        {"text": "only words"},
    )
    first, second = convert("internvl", "--file", file)
    assert (first.sent, first.bbox, first.reasoning) == ("the red mug", (20, 20, 100, 100), "Left of it.")
    assert (second.sent, second.bbox) == ("cup", (0, 0, 2, 1))
    for words in (
        "1: turns that ask for no box",
        "1: answers with several boxes",
        "1: rows with several pictures",
        "1: turns that ask for the amodal box",
        "interleaved text",
        "rows without a picture",
        "train.jsonl: line 1, turn 4",
    ):
        assert words in convert.said


def test_a_size_that_is_not_told_is_looked_up_and_the_frame_may_be_pixels(tmp_path: Path, convert) -> None:
    picture(tmp_path / "pics/a.png")
    row = talk(("<ref>x</ref>", "<box>[[10, 20, 30, 40]]</box>"))
    sizeless = {k: v for k, v in row.items() if k not in ("width", "height")}
    file = jsonl(tmp_path / "x.jsonl", sizeless, {**row, "width": None, "height": None})
    for sample in convert("internvl", "--file", file, "--images", tmp_path / "pics", "--frame", 0, missing=0):
        assert (sample.width, sample.height, sample.bbox) == (64, 48, (10, 20, 30, 40))


def test_a_mirrored_copy_that_is_not_there_is_made_of_its_original(tmp_path: Path, convert) -> None:
    picture(tmp_path / "coco/train2014/a.png")
    file = jsonl(tmp_path / "x.jsonl", {**ROW, "image": "coco_flip/train2014/a.png", "width": 64, "height": 48})
    (sample,) = convert("internvl", "--file", file, missing=0)
    assert sample.mirrored and sample.image == str(tmp_path / "coco/train2014/a.png")
    assert np.all(np.diff(read_picture(sample)[0, :, 0].astype(int)) <= 0)
    picture(tmp_path / "coco_flip/train2014/a.png")
    (sample,) = convert("internvl", "--file", file, missing=0)
    assert not sample.mirrored and "coco_flip" in sample.image


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({**ROW, "bbox": [1, 2, 3]}, "bbox is [1, 2, 3]; a list of 4 numbers"),
        ({**ROW, "bbox": [30, 20, 10, 40]}, "x0, y0, x1, y1 must stand here"),
        ({**ROW, "sent": ""}, "sent is ''"),
        ({**ROW, "image": 7}, "image is 7"),
        ({**ROW, "width": "427"}, "width is '427'; a whole number of at least 1"),
        ({k: v for k, v in ROW.items() if k != "bbox"}, "the field 'bbox' is missing; the record has image, sent"),
        ({k: v for k, v in ROW.items() if k != "height"}, "the field 'height' is missing"),
        (talk((ASKED, "no box")), "turn 1: the answer has no box"),
        (talk() | {"conversations": 3}, "conversations is 3; a list"),
        (talk() | {"conversations": [{"from": "human", "value": ASKED}]}, "ends with a question"),
        (talk() | {"conversations": [{"from": "gpt", "value": "x"}]}, "message 1: from is 'gpt'; human and gpt"),
        (talk() | {"conversations": [{"from": "dog", "value": "x"}]}, "from is 'dog'; human or gpt"),
        (talk() | {"conversations": ["x"]}, "message 1: the record is 'x'"),
        ([1], "the record is [1]; an object"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, refused, bad: Any, words: str) -> None:
    said = refused("internvl", "--file", jsonl(tmp_path / "x.jsonl", ROW, bad))
    assert "x.jsonl: line 2" in said and words in said


def test_boxes_that_cannot_be_are_counted(tmp_path: Path, convert, refused) -> None:
    beyond = {**ROW, "bbox": [10, 20, 500, 40]}
    file = jsonl(tmp_path / "x.jsonl", ROW, beyond, {**ROW, "bbox": [10, 20, 10, 40]})
    assert len(convert("internvl", "--file", file)) == 1
    assert "left out 1: the box leaves the picture" in convert.said and "line 2" in convert.said
    assert "more was left out than kept" in convert.said
    (tmp_path / "out/samples.jsonl").unlink()
    said = refused("internvl", "--file", jsonl(tmp_path / "y.jsonl", beyond))
    assert f"{tmp_path / 'y.jsonl'} read as internvl: no sample that can be used" in said


def test_missing_pictures_beyond_the_share_stop_it(tmp_path: Path, refused) -> None:
    said = refused("internvl", "--file", jsonl(tmp_path / "x.jsonl", ROW), missing=0.5)
    assert "1 of 1 pictures are missing, such as" in said and "--images" in said
    assert "x.jsonl: is not there" in refused("internvl", "--file", tmp_path / "gone" / "x.jsonl")


def test_the_documented_line_is_read(formats: Path, convert) -> None:
    samples = convert("internvl", "--file", formats / "internvl_jsonl/grounding_train_one_line.jsonl")
    assert samples[0].sent == "the lady with the blue shirt" and len(samples) == 3
    # RefCOCO's own box of that lady.
    x, y, w, h = 103.93, 299.99, 134.22, 177.42
    assert samples[0].bbox == pytest.approx((x, y, x + w, y + h), abs=0.7)
