"""DriveLM: descriptions of key objects, camera by camera, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from record_files import picture

FRONT = "../nuscenes/samples/CAM_FRONT/a.jpg"
BACK = "../nuscenes/samples/CAM_BACK/b.jpg"


def thing(said: str | None, **more: Any) -> dict[str, Any]:
    return {"Category": "Vehicle", "Status": None, "Visual_description": said, "2d_bbox": [1.5, 2, 30, 40], **more}


def drive(path: Path, objects: dict[str, Any], **more: Any) -> Path:
    frame = {"key_object_infos": objects, "QA": {}, "image_paths": {"CAM_FRONT": FRONT, "CAM_BACK": BACK}, **more}
    path.write_text(json.dumps({"scene": {"scene_description": "", "key_frames": {"frame": frame}}}))
    return path


def test_a_description_has_a_box(convert: Any, tmp_path: Path) -> None:
    file = drive(tmp_path / "v1_1_train_nus.json", {"<c1,CAM_FRONT,15.1,20.2>": thing("Brown SUV.")})
    (sample,) = convert("drivelm", "--file", file)
    assert (sample.sent, sample.bbox, sample.category) == ("Brown SUV", (1.5, 2, 30, 40), "Vehicle")
    assert (sample.image_id, sample.annotation_id) == ("frame CAM_FRONT", "<c1,CAM_FRONT,15.1,20.2>")
    assert (sample.width, sample.height, sample.split) == (1600, 900, "train")


@pytest.mark.parametrize("where", ["a.jpg", "samples/CAM_FRONT/a.jpg", "nuscenes/samples/CAM_FRONT/a.jpg"])
def test_pictures_are_found_below_several_folders(
    convert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    picture(tmp_path / "pictures" / where)
    drive(tmp_path / "x.json", {"<c1,CAM_FRONT,1,2>": thing("Bus.")})
    monkeypatch.chdir(tmp_path)
    (sample,) = convert("drivelm", "--file", "x.json", "--images", "pictures", missing=0)
    assert (sample.width, sample.height) == (64, 48)


def test_descriptions_must_be_unique_in_their_cameras_picture(convert: Any, tmp_path: Path) -> None:
    objects = {
        "<c1,CAM_FRONT,1,2>": thing("Black sedan."),
        "<c2,CAM_FRONT,9,9>": thing("black sedan"),
        "<c3,CAM_BACK,1,2>": thing("Black sedan."),
    }
    file = drive(tmp_path / "x.json", objects)
    assert [sample.annotation_id for sample in convert("drivelm", "--file", file)] == ["<c3,CAM_BACK,1,2>"]
    assert "left out 2: objects whose name another object of the picture has" in convert.said
    assert len(convert("drivelm", "--file", file, "--names", "all")) == 3


def test_objects_without_words_are_counted(convert: Any, tmp_path: Path) -> None:
    boxless = thing("Car.", **{"2d_bbox": None})
    objects = {"<c1,CAM_FRONT,1,2>": thing(None), "<c2,CAM_BACK,1,2>": thing("Bus."), "<c3,CAM_BACK,1,2>": boxless}
    assert len(convert("drivelm", "--file", drive(tmp_path / "x.json", objects))) == 1
    assert "left out 2: objects without a description or a box" in convert.said


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("<c1,CAM_FRONT>", {}, "the key is '<c1,CAM_FRONT>'"),
        ("<c1,CAM_ROOF,1,2>", {}, "there is no camera 'CAM_ROOF'"),
        ("<c1,CAM_FRONT,1,2>", {"2d_bbox": [1, 2, 3]}, "2d_bbox is [1, 2, 3]"),
        ("<c1,CAM_FRONT,1,2>", {"2d_bbox": [9, 2, 3, 4]}, "2d_bbox is [9, 2, 3, 4]"),
        ("<c1,CAM_FRONT,1,2>", {"Visual_description": 3}, "Visual_description is 3"),
        ("<c1,CAM_FRONT_LEFT,1,2>", {}, "the field 'CAM_FRONT_LEFT' is missing"),
    ],
)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, key: str, change: dict[str, Any], words: str) -> None:
    said = refused("drivelm", "--file", drive(tmp_path / "x.json", {key: thing("Bus.", **change)}))
    assert "scene scene, frame frame" in said and words in said


def test_real_objects_on_real_photographs(formats: Path, photographs: Path, convert: Any) -> None:
    file, images = formats / "drivelm/train_sample_one_frame.json", photographs / "driving/images"
    found = convert("drivelm", "--file", file, "--images", images, missing=0)
    told = {
        one["expr"].rstrip("."): one
        for one in json.loads((photographs / "driving/refs.json").read_text())
        if one["frame"] == "4a0798f849ca477ab18009c3a20b7df2"
    }
    assert {sample.sent for sample in found} == set(told)
    for sample in found:
        assert list(sample.bbox) == told[sample.sent]["bbox_xyxy"]
        assert Path(sample.image).name == told[sample.sent]["file"] and (sample.width, sample.height) == (1600, 900)
