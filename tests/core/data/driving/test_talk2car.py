"""Talk2Car: commands with their boxes, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from record_files import picture

ROW = {
    "scene_token": "s", "sample_token": "f", "translation": [1, 2, 3], "size": [1.9, 4.7, 2],
    "rotation": ["-0.1", "-0.1", "-0.6", "0.6"], "command": " turn left behind\nthe silver car ",
    "obj_name": "vehicle.car", "box_token": "b", "command_token": "c", "2d_box": [260, 479, 191, 82],
    "t2c_img": "img_val_0.jpg",
}  # fmt: skip


def commands(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"scene_tokens": ["s"], "commands": rows}))
    return path


def test_a_command_has_a_box(convert: Any, tmp_path: Path) -> None:
    (sample,) = convert("talk2car", "--file", commands(tmp_path / "val_commands.json", ROW))
    assert (sample.sent, sample.bbox) == ("turn left behind the silver car", (260, 479, 451, 561))
    assert (sample.width, sample.height, sample.split, sample.category) == (1600, 900, "val", "vehicle.car")
    assert (sample.image_id, sample.annotation_id, sample.sentence_id) == ("f", "b", "c")


def test_the_size_is_the_pictures_where_it_is_there(convert: Any, tmp_path: Path) -> None:
    picture(tmp_path / "img_val_0.jpg", 800, 600)
    (sample,) = convert("talk2car", "--file", commands(tmp_path / "x.json", ROW), missing=0)
    assert (sample.width, sample.height) == (800, 600)


def test_commands_without_a_box_are_counted(convert: Any, tmp_path: Path) -> None:
    beyond = {**ROW, "2d_box": [1590, 10, 40, 40]}
    rows = (ROW, {k: v for k, v in ROW.items() if k != "2d_box"}, beyond)
    assert len(convert("talk2car", "--file", commands(tmp_path / "x.json", *rows))) == 1
    assert "commands without a box" in convert.said and "commands where the box leaves the picture" in convert.said


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", " "),
        ("command", None),
        ("2d_box", [1, 2, 3]),
        ("2d_box", ["1", "2", "3", "4"]),
        ("t2c_img", 3),
        ("obj_name", None),
        ("sample_token", 5),
    ],
)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, field: str, value: Any) -> None:
    said = refused("talk2car", "--file", commands(tmp_path / "x.json", ROW, {**ROW, field: value}))
    assert f"x.json: commands 1: {field} is {value!r}" in said


def test_a_file_without_commands_is_named(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert "it has no commands" in refused("talk2car", "--file", tmp_path / "x.json")


def test_real_commands(formats: Path, convert: Any) -> None:
    found = convert("talk2car", "--file", formats / "talk2car/val_commands_first4.json")
    assert [sample.image.rpartition("/")[2] for sample in found] == [f"img_val_{n}.jpg" for n in range(4)]
    assert found[2].bbox == (1085, 422, 1599, 788) and found[0].sent.endswith("behind the silver car")


def test_a_name_that_no_file_can_have_is_that_of_a_missing_picture(tmp_path: Path, refused: Any, convert: Any) -> None:
    """The system's own error ended the command with status 1, without file and record, and filled the screen."""
    file = commands(tmp_path / "val_commands.json", {**ROW, "t2c_img": "x" * 9000})
    assert len(convert("talk2car", "--file", file)) == 1
    assert "1 pictures are missing" in convert.said and len(convert.said) < 1500
    said = refused("talk2car", "--file", file, missing=0)
    assert "1 of 1 pictures are missing" in said and len(said) < 1500


def test_a_file_whose_commands_are_none_is_named(refused: Any, tmp_path: Path) -> None:
    """Nothing was left out, and the message named neither the file nor what it was taken for."""
    said = refused("talk2car", "--file", commands(tmp_path / "none.json"))
    assert f"{tmp_path / 'none.json'} read as talk2car: no sample that can be used" in said
    assert "nothing was left out either: see that this is their kind" in said
