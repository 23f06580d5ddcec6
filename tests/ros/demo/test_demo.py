"""The demonstration itself, as `make demo` runs it, and what it does when something is wrong."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from egm_core.boxes import iou
from egm_ros.common.pictures.images import encode_compressed
from egm_ros.demo import pictures, stage
from egm_ros.demo.__main__ import Demo, line, tile
from egm_ros.demo.processes import ProcessDied, Processes
from egm_ros.demo.robot import Robot, Row

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "egm_ros.demo", "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=150)


def row(**fields: object) -> Row:
    values = {
        "stamp": 1,
        "identity": "1:0",
        "instruction": "the mug",
        "outcome": "found",
        "reason": "",
        "visible": (0.0, 0.0, 10.0, 10.0),
        "amodal": (0.0, 0.0, 20.0, 10.0),
        "score": "0.875",
        "total_ms": 512.4,
        "reasoning": "",
    }
    return Row(**(values | fields))  # type: ignore[arg-type]


def test_the_overlay_s_first_picture_of_a_stamp_is_kept_beside_its_last(domain: int) -> None:
    """The first has the stale boxes and the carried ones, the last the answer for that very picture."""
    robot = Robot()
    other = rclpy.create_node("painter")
    publisher = other.create_publisher(CompressedImage, "overlay/image/compressed", 50)
    assert robot.spin_until(lambda: bool(publisher.get_subscription_count()), 20.0, lambda: None)
    stamped = Header(stamp=Time(sec=7))
    for level in (40, 200):
        publisher.publish(encode_compressed(np.full((48, 64, 3), level, np.uint8), stamped))
    stamp = 7 * 10**9

    def changed() -> bool:
        drawn = robot.drawn(stamp)
        return drawn is not None and drawn.mean() > 150

    arrived = robot.spin_until(changed, 20.0, lambda: None)
    live = robot.live(stamp)
    other.destroy_node()
    robot.close()
    assert arrived
    assert live is not None
    assert live.mean() < 60


@pytest.mark.slow
def test_it_shows_answers_and_leaves_pictures_and_no_process(domain: int, tmp_path: Path) -> None:
    finished = demo(tmp_path, "--worlds", "tabletop", "--instructions", "2")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    asked = list(stage.kept_clips(["tabletop"])[0].instructions)[:2]
    rows = finished.stdout.splitlines()
    found = [text for text in rows if re.match(rf"[12](:0)? +({'|'.join(asked)}) ", text)]
    assert len(found) >= 4
    # Both are asked about the same picture, and go by one number each.
    assert [{text[0] for text in found if name in text} for name in asked] == [{"1"}, {"2"}]
    assert any(re.search(r" found +\[\d+ \d+ \d+ \d+\]", text) for text in found)
    sheet = cv2.imread(str(tmp_path / "demo.png"))
    assert sheet.shape[1] > 1000
    assert sheet.std() > 20
    beside = cv2.imread(str(tmp_path / "demo_now.png"))
    assert beside.std() > 20
    film = cv2.VideoCapture(str(tmp_path / "demo.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) >= 30
    arrived, frame = film.read()
    assert arrived
    assert frame.std() > 20
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if f"ROS_DOMAIN_ID={domain}\0" in read(path)]


def read(path: Path) -> str:
    """Another process's environment; this test's own process, and those that end meanwhile, count as empty."""
    try:
        return "" if path.parent.name == str(os.getpid()) else "\0" + path.read_text(errors="replace")
    except OSError:
        return ""


def test_a_process_that_dies_ends_it_with_1_and_its_log(domain: int, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("no json")
    (broken / "model.safetensors").write_bytes(b"no weights")
    finished = demo(tmp_path, "--model", str(broken))
    assert finished.returncode == 1
    assert re.search(r"demo: (engine|grounding) ended with status", finished.stderr)
    assert "broken" in finished.stderr


def test_a_model_that_is_not_there_ends_it_with_2_at_once(domain: int, tmp_path: Path) -> None:
    finished = demo(tmp_path, "--model", str(tmp_path / "nowhere"))
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
    assert finished.stderr.startswith("egm_ros.demo: ") and "nowhere" in finished.stderr


def test_processes_are_watched_and_ended(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("lasting", "http.server", "0", "--bind", "127.0.0.1")
    processes.check()
    processes.start("short", "json.tool", "--help")
    with pytest.raises(ProcessDied, match=r"short ended with status 0[\s\S]*usage"):
        while True:
            processes.check()
    processes.stop()
    processes.check()


def test_the_verdict_is_the_truth_of_that_very_picture() -> None:
    (shown,) = stage.kept_clips(["street"])
    image = cv2.imread(str(stage.CLIPS / "street" / "000.jpg"))[..., ::-1]
    instruction, target = next((text, index) for text, index in shown.instructions.items() if index is not None)
    visible, amodal = shown.truth[stage.digest(image)][target]
    half = (visible[0], visible[1], visible[2], (visible[1] + visible[3]) / 2)
    told = shown.verdict(row(instruction=instruction, visible=half, amodal=amodal), image)
    assert told == f"{iou(half, visible):.2f} / 1.00"
    assert "its picture was lost" in shown.verdict(row(instruction=instruction, visible=half), None)
    assert "not kept" in shown.verdict(row(instruction=instruction, visible=half), image[::2])
    assert "boxes were lost" in shown.verdict(row(instruction=instruction, visible=None), image)
    assert shown.verdict(row(instruction=instruction, outcome="absent", visible=None), image) == "wrong"
    assert shown.verdict(row(instruction=instruction, outcome="stale"), image) == ""
    missing = next(text for text, index in shown.instructions.items() if index is None)
    assert shown.verdict(row(instruction=missing, outcome="absent", visible=None), image) == "right"
    assert shown.verdict(row(instruction=missing), image) == "wrong"


class Remembered:
    """What the robot knows of pictures: the camera's, and an overlay's with an older answer's boxes."""

    def seen(self, stamp: int) -> np.ndarray | None:
        return np.full((120, 160, 3), 90, np.uint8) if stamp == 1 else None

    def drawn(self, stamp: int) -> np.ndarray:
        return np.full((120, 160, 3), 255, np.uint8)


def test_picture_title_and_caption_are_of_one_answer() -> None:
    other = row(identity="2:0", instruction="the can", visible=(5.0, 5.0, 40.0, 40.0), amodal=None)
    missing = row(identity="3", instruction="the tray", outcome="absent", visible=None, amodal=None)
    told = [(row(), "0.90 / 0.80"), (other, "0.30 / -"), (missing, "right")]
    image, caption = tile(told, Remembered())  # type: ignore[arg-type]
    found = [
        ("1:0 the mug", (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 20.0, 10.0)),
        ("2:0 the can", (5.0, 5.0, 40.0, 40.0), None),
    ]
    label = "the mug 0.88, the can 0.88, absent: the tray"
    assert (image == pictures.answered(Remembered().seen(1), label, found)).all()
    assert (image != pictures.answered(Remembered().seen(1), label, found[:1])).any()
    lines = caption.splitlines()
    assert lines[::3] == ["1:0 the mug", "2:0 the can", "3 the tray"]
    assert lines[1] == "found, score 0.875, 512 ms, right, IoU 0.90 / 0.80"
    image, caption = tile([(row(stamp=2), "unknown: its picture was lost")], Remembered())  # type: ignore[arg-type]
    assert (image == pictures.PAPER).all() and "lost" in caption


def test_every_answer_is_listed_once_with_its_outcome(domain: int, tmp_path: Path, capsys: Any) -> None:
    shown = stage.Shown("tabletop", (), 10.0, {"the mug": None})
    course = Demo(argparse.Namespace(out=tmp_path), [shown])
    try:
        course._robot.rows += [row(), row(instruction="the can", outcome="stale", reason="instruction_changed")]
        course._list(shown)
        course._list(shown)
    finally:
        course._robot.close()
    written = capsys.readouterr().out
    assert written.count("\n") == 2 and "stale (instruction_changed)" in written


def test_a_row_has_everything_in_its_place() -> None:
    written = line(row(), "0.90 / 0.80")
    assert re.match(r"1:0 +the mug +found +\[0 0 10 10\] +\[0 0 20 10\] +0.875 +512  0.90 / 0.80$", written)
    assert "stale (query_timeout)" in line(row(outcome="stale", reason="query_timeout", visible=None), "")


def test_pictures_of_any_size_make_a_sheet_and_a_film(tmp_path: Path) -> None:
    images = [np.full((90, 160, 3), 200, np.uint8), np.full((300, 100, 3), 60, np.uint8)]
    pictures.contact_sheet(tmp_path / "sheet.png", [(image, "a\nb") for image in images], columns=3)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 3 * (pictures.TILE[0] + 8)
    pictures.film(tmp_path / "film.mp4", images * 5, 10.0)
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == pictures.TILE


def test_the_clips_stay_small_and_can_be_asked_about() -> None:
    assert sum(path.stat().st_size for path in stage.CLIPS.rglob("*")) < 3_000_000
    for shown in stage.kept_clips(["tabletop", "street"]):
        targets = list(shown.instructions.values())
        assert len(targets) >= 4
        assert targets.count(None) == 1, "one thing that is not there"
        for target in (target for target in targets if target is not None):
            seen = [boxes[target][0][2] > boxes[target][0][0] for boxes in shown.truth.values()]
            assert np.mean(seen) >= 0.75
