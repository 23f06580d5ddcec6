"""DROID's TFRecords: an episode a record, its first picture, empty instructions, and what broken files say."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robot_files import CAMERA, episode, jsonl, tfrecord

from egm_core.data.questions import are_questions
from egm_core.data.readers.robots.tfrecords import masked
from egm_core.pictures.source import read
from egm_core.sample import SampleError, read_samples


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three episodes: one asked for in two ways, one in none, and a failure."""
    return tfrecord(
        tmp_path / "1.0.0" / "droid_101-train.tfrecord-00000-of-00002",
        episode("Put the  marker in the mug", second="move the pen"),
        episode(""),
        episode("open the drawer", outcome="failure"),
    )


def test_an_episode_gives_its_first_picture_and_instruction(shard: Path, ask: Any) -> None:
    questions = ask("droid", "--file", shard)
    assert [(q.sent, q.outcome, q.width, q.height) for q in questions] == [
        ("Put the marker in the mug", "success", 64, 36),
        ("open the drawer", "failure", 64, 36),
    ]
    assert questions[0].image.endswith(f"droid_101-train.tfrecord-00000-of-00002::0::{CAMERA}::0")
    # The first picture is dark on its right side, later ones are not.
    assert read(questions[0].image)[:, 40:].mean() < 8
    assert "left out 1: episodes whose instructions are empty" in ask.said and "record 1" in ask.said
    assert "2 questions without boxes" in ask.said


def test_a_folder_a_frame_a_camera_and_every_instruction(shard: Path, ask: Any) -> None:
    questions = ask("droid", "--file", shard.parent, "--frame", 2, "--instructions", "all", "--success-only")
    assert [q.sent for q in questions] == ["Put the marker in the mug", "move the pen"]
    assert abs(read(questions[0].image)[:, 40:].mean() - 80) < 4
    assert "left out 1: episodes that are not told successful" in ask.said
    wrist = ask("droid", "--file", shard, "--camera", "wrist_image_left")
    assert "::steps/observation/wrist_image_left::0" in wrist[0].image


def test_pictures_as_files(shard: Path, tmp_path: Path, ask: Any) -> None:
    questions = ask("droid", "--file", shard, "--pictures", tmp_path / "shots")
    files = sorted((tmp_path / "shots").iterdir())
    assert [Path(q.image) for q in questions] == files and len(files) == 2
    assert np.array_equal(read(str(files[0])), read(f"{shard}::0::{CAMERA}::0"))


def test_a_question_is_never_taken_for_an_absent_object(shard: Path, tmp_path: Path, ask: Any) -> None:
    ask("droid", "--file", shard)
    with pytest.raises(SampleError, match="'bbox' is missing"):
        list(read_samples(tmp_path / "out" / "questions.jsonl"))
    assert are_questions(tmp_path / "out" / "questions.jsonl")


def test_no_samples_without_the_boxes_of_a_person(shard: Path, refused: Any) -> None:
    said = refused("droid", "--file", shard)
    assert "recordings have no boxes" in said and "--truth" in said and "egm data questions droid" in said


def test_boxes_of_a_person_make_samples(shard: Path, tmp_path: Path, convert: Any) -> None:
    path = "/raw/LAB/{}/2023-07-01/Sat/MP4"
    truth = jsonl(
        tmp_path / "ia.jsonl",
        {
            "episode": path.format("success"),
            "instruction": "the marker",
            "initial_object_box": [[8, 9, 30, 30]],
            "image_size_hw": [72, 128],
            "start_frame": 0,
        },
        {
            "episode": path.format("success"),
            "instruction": "the mug",
            "initial_object_box": [1, 1, 5, 5],
            "start_frame": 7,
        },
        {"episode": path.format("failure"), "initial_object_box": [0, 0, 90, 30]},
        {"episode": "elsewhere", "initial_object_box": [0, 0, 9, 9]},
        {"episode": "no box", "initial_object_box": None},
    )
    (sample,) = convert("droid", "--file", shard, "--truth", truth)
    assert (sample.sent, sample.bbox, sample.amodal_bbox) == ("the marker", (4.0, 4.5, 15.0, 15.0), None)
    assert sample.source == "DROID" and sample.image_id == f"{shard.name}:0:0"
    for reason in (
        "boxes of another frame than is read (--frame) (",
        "boxes that leave the picture: they are for another size (--truth-size)",
        "boxes of episodes that are not among the recordings read",
        "rows of the truth without a box",
    ):
        assert f"left out 1: {reason}" in convert.said, convert.said
    assert "names no frame" in convert.said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"episode": "a", "initial_object_box": [5, 5, 1, 9]}, "line 1: initial_object_box is [5, 5, 1, 9]"),
        ({"episode": "a", "initial_object_box": "1 2 3 4"}, "line 1: initial_object_box is '1 2 3 4'"),
        ({"episode": "a", "box": [1, 2, 3, 4]}, "'initial_object_box' is missing; the record has episode, box"),
        ({"initial_object_box": [1, 2, 3, 4]}, "is None; the episode's name must stand here"),
        ({"episode": "a", "initial_object_box": [1, 2, 3, 4], "image_size_hw": [0, 4]}, "image_size_hw is [0, 4]"),
        ({"episode": "a", "initial_object_box": [1, 2, 3, 4], "start_frame": -1}, "frame is -1"),
        ({"episode": "a", "initial_object_box": [1, 2, 3, 4], "sent": "half \ud83d"}, "a text of whole characters"),
    ],
)
def test_wrong_truth_is_named(shard: Path, tmp_path: Path, refused: Any, row: dict[str, Any], said: str) -> None:
    assert said in refused("droid", "--file", shard, "--truth", jsonl(tmp_path / "t.jsonl", row))


def _damaged(shard: Path, at: int, size: int | None = None) -> None:
    data = bytearray(shard.read_bytes())
    data[at] ^= 0xFF
    shard.write_bytes(data if size is None else data[:size])


def test_broken_files_are_named(shard: Path, wrong: Any) -> None:
    whole = shard.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    _damaged(shard, 100)
    assert "record 0: the checksum of its bytes is wrong" in wrong("droid", "--file", shard)
    shard.write_bytes(whole[: length - 50])
    assert f"record 0: cut short: {length} bytes are told" in wrong("droid", "--file", shard)
    shard.write_bytes(whole[: length + 16 + 5])
    assert "record 1: cut short in its length" in wrong("droid", "--file", shard)
    shard.write_bytes(b"\x1f\x8b\x08\x00 this is gzip and no TFRecord")
    assert "record 0: the checksum of its length is wrong; the file is damaged," in wrong("droid", "--file", shard)
    head = struct.pack("<Q", 3)
    body = b"\xff\xff\xff"
    shard.write_bytes(head + struct.pack("<I", masked(head)) + body + struct.pack("<I", masked(body)))
    assert "record 0: no tf.train.Example" in wrong("droid", "--file", shard)


def test_another_data_set_is_named(tmp_path: Path, wrong: Any) -> None:
    other = tfrecord(tmp_path / "bridge.tfrecord", {"steps/observation/image_0": ([b"x"], "byte")})
    said = wrong("droid", "--file", other)
    assert f"record 0: the feature '{CAMERA}' is missing; there are steps/observation/image_0" in said
    bare = tfrecord(tmp_path / "bare.tfrecord", {CAMERA: ([b"x"], "byte")})
    assert "'steps/language_instruction' is missing" in wrong("droid", "--file", bare)
    broken = episode("look")
    broken[CAMERA] = ([b"no picture"], "byte")
    said = wrong("droid", "--file", tfrecord(tmp_path / "broken.tfrecord", broken))
    assert "broken.tfrecord: record 0" in said and "picture" in said
    assert "is not there" in wrong("droid", "--file", tmp_path / "gone.tfrecord")
    (tmp_path / "empty").mkdir()
    assert "no file of this folder is a .tfrecord" in wrong("droid", "--file", tmp_path / "empty")
    short = tfrecord(tmp_path / "short.tfrecord", episode("x"))
    assert "left out 1: episodes that have no frame 9" in wrong("droid", "--file", short, "--frame", 9)
