"""The data check: each kind of wrong data is named with file and line, and what passes is drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from egm_core.families import family
from egm_core.pictures.pixels import read_image
from egm_core.sample import SampleError, read_samples
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, DataCheck, check_data
from egm_core.train.data.pictures import bad_images, look_at
from egm_core.train.data.special_tokens import special_tokens

TRAINING = Path(__file__).parents[4] / "training"
WIDTH, HEIGHT = 640, 480


def records(count: int = 12) -> list[dict[str, Any]]:
    """Good records: one picture, other expressions, boxes all over it."""
    rng = np.random.default_rng(3)
    made = []
    for i in range(count):
        x0, y0 = float(rng.integers(0, 500)), float(rng.integers(0, 350))
        box = [x0, y0, x0 + 90, y0 + 80]
        made.append(
            {"image": "a.png", "sent": f"thing {i}", "bbox": box, "amodal_bbox": box, "width": WIDTH, "height": HEIGHT,
             "reasoning": f"It is {i}.", "amodal_reasoning": f"Nothing hides {i}."}
        )  # fmt: skip
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    return tmp_path


def check(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> DataCheck:
    file = folder / "d.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokens = special_tokens("qwen3_vl", None)
    checking = Checking((file,), ("visible", "amodal"), family("qwen3_vl"), tokens, teaches=True)
    return check_data(folder / "run", replace(checking, **changes))


def found(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "run/data_check.jsonl").read_text().splitlines()
    return [(row["kind"], row["place"].rpartition("/")[2]) for row in map(json.loads, lines)]


def test_good_data_pass_and_are_drawn(folder: Path) -> None:
    done = check(folder, records())
    assert not done.left_out and not found(folder)
    assert "12 records; questions: 12 visible, 12 amodal" in done.text
    sheet = cv2.imread(str(folder / "run/data_sheet.png"))
    # Three rows of four tiles of 420 pixels, with both colours of boxes in them.
    assert sheet.shape[1] == 4 * 420 + 5 * 6 and sheet.shape[0] > 3 * 300
    for color in ((90, 220, 40), (30, 150, 255)):
        assert (np.abs(sheet.astype(int) - color).max(2) < 6).sum() > 200, color


def changed(rows: list[dict[str, Any]], at: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if i == at else row for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("token", {"sent": "the <|image_pad|> mug"}),
        ("token", {"sent": "the mug<|im_end|>"}),
        ("token", {"reasoning": "It is <|vision_start|> red."}),
        ("token", {"amodal_reasoning": "It is </think> red."}),
        ("size", {"width": 480, "height": 640, "bbox": [10, 20, 300, 200], "amodal_bbox": None}),
        ("unit", {"bbox": [0.1, 0.2, 0.4, 0.9], "amodal_bbox": [0.1, 0.2, 0.4, 0.9]}),
        ("amodal", {"bbox": [10, 10, 300, 300], "amodal_bbox": [400, 10, 500, 60]}),
        ("tiny", {"bbox": [10, 10, 10.5, 90], "amodal_bbox": None}),
        ("contradiction", {"sent": "thing 0", "bbox": [600, 440, 640, 480], "amodal_bbox": None}),
        ("duplicate", {"sent": "thing  0", "bbox": "first", "amodal_bbox": None}),
    ],
)
def test_a_wrong_record_is_named_and_refused_beyond_its_share(folder: Path, kind: str, values: dict[str, Any]) -> None:
    rows = records()
    if values.get("bbox") == "first":
        values = {**values, "bbox": rows[0]["bbox"]}
    rows = changed(rows, 7, **values)
    everything = {"tolerate": {kind: 1.0}}
    done = check(folder, rows, **everything)
    assert (kind, "d.jsonl:8") in found(folder)
    assert "1 of 12 records" in done.text and "d.jsonl:8" in done.text
    with pytest.raises(ConfigurationError, match=rf"1 of 12 records .*d\.jsonl:8.*tolerate\.{kind}=0.09"):
        check(folder, rows, tolerate={kind: 0.05})
    left = [s.sent for s in done.samples]
    assert len(left) == (11 if kind in ("token", "size", "unit") else 12)


def test_special_tokens_and_tags_are_refused_unasked(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"d\.jsonl:2.*sent holds '<\|image_pad\|>'"):
        check(folder, changed(records(), 1, sent="<|image_pad|>"))
    with pytest.raises(ConfigurationError, match=r"d\.jsonl:3.*reasoning holds '</think>'"):
        check(folder, changed(records(), 2, reasoning="</think>"))
    # Nobody learns from the reasoning in RL, so it may say what it likes.
    assert not check(folder, changed(records(), 2, reasoning="</think>"), teaches=False).left_out


def test_the_tokens_are_the_models_own(random_internvl: Path, random_qwen: Path) -> None:
    assert {"<IMG_CONTEXT>", "<img>", "<|im_end|>"} <= special_tokens("internvl3", random_internvl)
    own = special_tokens("qwen3_vl", random_qwen)
    assert {"<|image_pad|>", "<|video_pad|>", "</think>"} <= own and not any(t.isalnum() for t in own)


def test_boxes_of_another_notation_are_named_by_their_file(folder: Path) -> None:
    rows = records(16)
    rng = np.random.default_rng(0)
    for row in rows:
        # Objects in the upper left whose x, y, width and height pass for corners.
        x, y = (float(v) for v in rng.integers(5, 60, 2))
        row["bbox"], row["amodal_bbox"] = [x, y, x + 100, y + 90], None
    with pytest.raises(ConfigurationError, match=r"16 of 16 records .*x, y, width, height.*d\.jsonl:1"):
        check(folder, rows, tasks=("visible",))
    cv2.imwrite(str(folder / "a.png"), np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8))
    for row in records(40):
        rows.append({**row, "width": 1920, "height": 1080, "bbox": [900, 900, 990, 990], "amodal_bbox": None})
    large = rows[16:]
    for i, row in enumerate(large):
        row["bbox"] = [500.0 + i, 500.0, 900.0 + i, 980.0]
    with pytest.raises(ConfigurationError, match=r"40 of 40 records .*end at 1000 in larger pictures"):
        check(folder, large, tasks=("visible",))
    large[0]["bbox"] = [1500.0, 500.0, 1700.0, 600.0]
    check(folder, large, tasks=("visible",))


def test_data_without_reasoning_and_without_objects_are_refused(folder: Path) -> None:
    direct = [{**row, "reasoning": "", "amodal_reasoning": ""} for row in records()]
    with pytest.raises(ConfigurationError, match=r"12 of 12 visible questions have no reasoning.*say reasoning=false"):
        check(folder, direct)
    assert "no reasoning" not in check(folder, direct, reasoning=False).text
    check(folder, [*direct, *records(1)])
    nothing = [{**row, "task": "amodal", "bbox": None, "amodal_bbox": None} for row in records()]
    with pytest.raises(ConfigurationError, match="12 of 12 amodal questions are about absent objects"):
        check(folder, nothing)
    with pytest.raises(SampleError, match=r"d\.jsonl:1: task is 'amodal' and amodal_bbox is missing"):
        check(folder, [{k: v for k, v in row.items() if k != "amodal_bbox"} for row in nothing])
    unknown = [{**row, "amodal_bbox": None} for row in records()]
    with pytest.raises(ConfigurationError, match=r"names 'unaskd', which is no kind.*'unasked'"):
        check(folder, unknown, tolerate={"unaskd": 1.0})
    assert "12 of 12 records have no question" in check(folder, unknown, tasks=("amodal",)).text


def turned(file: Path, mark: int) -> None:
    exif = Image.Exif()
    exif[274] = mark
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(file, exif=exif)


def test_pictures_are_held_against_their_records_as_they_are_shown(folder: Path) -> None:
    turned(folder / "a.jpg", 6)
    rows = [{**row, "image": "a.jpg"} for row in records()]
    with pytest.raises(ConfigurationError, match=r"d\.jsonl:1: .*480 x 640 pixels as it is shown, turned by its EXIF"):
        check(folder, rows)
    shown = [{**row, "width": HEIGHT, "height": WIDTH, "bbox": [1, 1, 400, 600], "amodal_bbox": None} for row in rows]
    assert not check(folder, shown).left_out
    # Whether upside down or not, the size is the same; it is said all the same.
    turned(folder / "a.jpg", 3)
    assert "picture that an EXIF mark turns" in check(folder, rows).text
    assert "turned by its EXIF mark (3)" in bad_images(folder, [str(folder / "a.jpg")], 1.0)[str(folder / "a.jpg")]


def test_a_picture_is_read_alike_by_training_and_scoring(tmp_path: Path) -> None:
    from datasets import Value

    from egm_core.train.data.table import read_table, with_pictures, write_table

    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "grey16.png"), ramp)
    cv2.imwrite(str(tmp_path / "colour16.png"), np.dstack([ramp, ramp[::-1], ramp.T.reshape(48, 64)]))
    cv2.imwrite(str(tmp_path / "grey.png"), (ramp >> 8).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([(ramp >> 8).astype(np.uint8)] * 4))
    turned(tmp_path / "turned.jpg", 8)
    files = sorted(map(str, tmp_path.glob("*.*")))
    write_table(tmp_path, ({"image": file} for file in files), {"image": Value("string")})
    for row, file in zip(with_pictures(read_table(tmp_path)), files, strict=True):
        seen = read_image(Path(file))
        assert np.array_equal(np.asarray(row["image"]), seen) and seen.dtype == np.uint8
        assert not look_at(file).reason and seen.std() > 20, file


@pytest.mark.parametrize(("width", "height", "words"), [(3, 900, "300 times as long"), (900, 4, "225 times as long")])
def test_pictures_that_no_processor_takes_are_named(tmp_path: Path, width: int, height: int, words: str) -> None:
    cv2.imwrite(str(tmp_path / "long.png"), np.zeros((height, width, 3), np.uint8))
    assert words in look_at(str(tmp_path / "long.png")).reason


def test_a_file_cut_short_is_refused_by_the_one_reader(folder: Path) -> None:
    data = cv2.imencode(".jpg", read_image(folder / "a.png"))[1].tobytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cut short"):
        read_image(folder / "cut.jpg")
    assert look_at(str(folder / "cut.jpg")).reason.startswith("corrupt")


def test_plan_and_stages_refuse_by_file_and_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from egm_core.train.__main__ import main

    file = folder / "d.jsonl"
    words = ["--config", str(TRAINING / "robot/sft.yaml"), "model=egm_tiny", f"data=[{file}]", f"output={folder}/run"]
    file.write_text("".join(json.dumps(row) + "\n" for row in changed(records(), 4, sent="the <|im_start|> mug")))
    for stage in ("plan", "sft"):
        assert main([stage, *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("egm_core.train: the data can't be trained on: 1 of 12 records")
        assert error.count("\n") == 1
        assert f"{file}:5" in error and not (folder / "run/final").exists()
    file.write_text("".join(json.dumps(row) + "\n" for row in records()))
    assert main(["plan", *words]) == 0
    said = capsys.readouterr().out
    assert "data check: 12 records" in said and "data_sheet.png" in said
    assert (folder / "run/data_sheet.png").is_file()


@pytest.mark.parametrize("line", ["[" * 100_000, '{"image": ' + "9" * 5000 + "}", "{", "\\"])
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "s.jsonl").write_text(line + "\n")
    with pytest.raises(SampleError, match=r"s\.jsonl:1: not JSON"):
        list(read_samples(tmp_path / "s.jsonl"))


@pytest.mark.parametrize("name", ["2.png\u0000", "\ud800.png"])
def test_a_name_that_no_file_can_have_is_a_bad_image(tmp_path: Path, name: str) -> None:
    assert name in bad_images(tmp_path, [name], 1.0)
