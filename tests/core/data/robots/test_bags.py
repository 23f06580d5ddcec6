"""Recordings of ROS 2: raw and compressed pictures, instructions from a topic or the user, and what broken ones say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robot_files import bag, compressed, jsonl, raw, shade, text
from rosbags.rosbag2 import StoragePlugin

from egm_core.command.data import main
from egm_core.data.readers.kind import DataError
from egm_core.data.readers.robots.bags import named
from egm_core.pictures.source import read


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Six pictures, the first before any instruction, and two instructions."""
    pictures = [("/camera/image", second, raw(40 * second)) for second in range(6)]
    said = [("/task", 0.5, text("the red  mug")), ("/task", 3.5, text("the drawer")), ("/task", 4.5, text(" "))]
    return bag(tmp_path / "drive", sorted(pictures + said, key=lambda one: one[1]))


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("make", [raw, compressed])
def test_the_first_picture_with_a_given_instruction(tmp_path: Path, ask: Any, plugin: StoragePlugin, make: Any) -> None:
    file = bag(tmp_path / "one", [("/cam", 1, make(90)), ("/cam", 2, make(10))], plugin)
    for path in (file, file.parent):
        (question,) = ask("bag", "--file", path, "--sent", "the red mug", "--pictures", tmp_path / "shots")
        assert (question.sent, question.width, question.height) == ("the red mug", 64, 36)
        apart = np.abs(read(question.image).astype(int) - shade(90)).max(axis=2)
        assert np.median(apart) <= 3, "red and blue are not swapped, and no padding is in it"


def test_an_instruction_topic_asks_of_the_next_picture(drive: Path, tmp_path: Path, ask: Any) -> None:
    questions = ask("bag", "--file", drive, "--instruction-topic", "/task", "--pictures", tmp_path / "shots")
    assert [(q.sent, q.frame) for q in questions] == [("the red mug", 1), ("the drawer", 4)]
    assert round(read(questions[1].image)[:, 40:].mean()) == 160
    assert "left out 1: empty instructions" in ask.said


def test_every_second_picture(drive: Path, tmp_path: Path, ask: Any) -> None:
    questions = ask("bag", "--file", drive, "--instruction-topic", "/task", "--every", 2, "--pictures", tmp_path / "s")
    assert [(q.sent, q.frame) for q in questions] == [("the red mug", 2), ("the drawer", 4)]
    assert "left out 1: pictures without an instruction before them" in ask.said
    assert len(ask("bag", "--file", drive, "--sent", "x", "--every", 2, "--pictures", tmp_path / "s")) == 3


def test_boxes_by_recording_and_picture(drive: Path, tmp_path: Path, convert: Any) -> None:
    row = {"episode": f"{drive.stem}:/camera/image", "frame_index": 1, "initial_object_box": [1, 2, 30, 30]}
    (sample,) = convert(
        "bag",
        "--file",
        drive,
        "--instruction-topic",
        "/task",
        "--pictures",
        tmp_path / "shots",
        "--truth",
        jsonl(tmp_path / "t.jsonl", row),
    )
    assert (sample.sent, sample.bbox) == ("the red mug", (1.0, 2.0, 30.0, 30.0))


def test_recordings_of_one_name_do_not_overwrite_each_other(tmp_path: Path, ask: Any) -> None:
    files = [bag(tmp_path / run / "drive", [("/cam", 1, raw(value))]) for run, value in (("a", 10), ("b", 200))]
    folders = [file.parent for file in files]
    shots = ("--sent", "x", "--pictures", tmp_path / "shots")
    dark, light = ask("bag", "--file", *folders, *shots)
    assert dark.episode == "a/drive:/cam" and read(dark.image)[:, 40:].mean() < 20 < read(light.image)[:, 40:].mean()
    with pytest.raises(DataError, match="read them apart"):
        named(files)


def test_broken_messages_are_counted_by_their_kind(tmp_path: Path, ask: Any) -> None:
    short = raw(1)
    short.data = short.data[:-9]
    messages = [("/cam", 1, short), ("/cam", 2, short), ("/task", 2.5, text("look")), ("/cam", 3, raw(1))]
    file = bag(tmp_path / "b", messages, cut={"/task": 5})
    (question,) = ask("bag", "--file", file, "--topic", "/cam", "--sent", "x", "--every", 1, "--pictures", tmp_path)
    assert question.frame == 2
    assert "left out 2: pictures that cannot be used: truncated (" in ask.said and "rows of 197 bytes" in ask.said
    assert (
        main(
            [
                "questions",
                "bag",
                "--file",
                str(file),
                "--instruction-topic",
                "/task",
                "--pictures",
                str(tmp_path),
                "--out",
                str(tmp_path / "q.jsonl"),
            ]
        )
        == 2
    )


def test_an_overlays_images_are_not_taken_for_a_cameras(tmp_path: Path, ask: Any) -> None:
    path = bag(tmp_path / "own", [("/overlay/image", 1, raw(1)), ("/a", 1, raw(200))])
    (question,) = ask("bag", "--file", path, "--sent", "the mug", "--pictures", tmp_path / "s")
    assert question.image.endswith("own-a-000000.png")
    assert "the overlay's images, /overlay/image, are left out" in ask.said
    (drawn,) = ask("bag", "--file", path, "--sent", "x", "--topic", "/overlay/image", "--pictures", tmp_path / "d")
    assert drawn.image.endswith("own-overlay-image-000000.png")


def test_wrong_recordings_are_named(drive: Path, tmp_path: Path, wrong: Any) -> None:
    shots = ("--pictures", tmp_path / "shots")
    assert "one of both: a picture alone asks nothing" in wrong("bag", "--file", drive, *shots)
    assert "there is no image topic '/cam'; there are /camera/image" in wrong(
        "bag", "--file", drive, "--sent", "x", "--topic", "/cam", *shots
    )
    assert "there is no text topic '/camera/image'; there are /task" in wrong(
        "bag", "--file", drive, "--instruction-topic", "/camera/image", *shots
    )
    two = bag(tmp_path / "two", [("/a", 1, raw(1)), ("/b", 1, raw(1))])
    assert "has 2 image topics (/a, /b); name one with --topic" in wrong("bag", "--file", two, "--sent", "x", *shots)
    own = bag(tmp_path / "own", [(name, 1, raw(1)) for name in ("/a", "/b", "/overlay/image")])
    said = wrong("bag", "--file", own, "--sent", "x", *shots)
    assert "has 2 image topics (/a, /b, an overlay's left out: /overlay/image); name one with --topic" in said
    depth = bag(tmp_path / "depth", [("/a", 1, raw(1, "16UC1"))])
    said = wrong("bag", "--file", depth, "--sent", "x", *shots)
    assert "pictures that cannot be used: not_colour" in said and "/a at 1.000 s" in said
    drive.write_bytes(drive.read_bytes()[:300])
    assert "cannot be read as a bag" in wrong("bag", "--file", drive, "--sent", "x", *shots)
    assert "is not there" in wrong("bag", "--file", tmp_path / "gone.mcap", "--sent", "x", *shots)


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_damage_anywhere_in_a_recording_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plugin: StoragePlugin
) -> None:
    """What rosbags raises at damaged bytes is of many kinds, and some of them went by as a traceback."""
    file = bag(tmp_path / "b", [("/cam", n, raw(n)) for n in range(3)], plugin)
    whole = file.read_bytes()
    out = ("--sent", "x", "--every", "1", "--pictures", str(tmp_path), "--out", str(tmp_path / "q.jsonl"))
    refused = 0
    for at in range(9, len(whole), len(whole) // 30):
        file.write_bytes(whole[:at] + bytes(255 - one for one in whole[at : at + 12]) + whole[at + 12 :])
        status = main(["questions", "bag", "--file", str(file), *out])
        said = capsys.readouterr().err
        assert status in (0, 2) and (status == 0 or "egm data questions bag: " in said), said
        refused += status == 2 and "cannot be read as a bag" in said
    assert refused >= 2
