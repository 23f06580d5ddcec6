"""Real model folders behind the real server, through the node: both families."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from checkpoints import ABSENT, AMODAL_BOX, FOUND, VISIBLE_BOX
from domains import UNCLAIMED
from robot import Robot, image_message
from running import start_node
from sensor_msgs.msg import CompressedImage

from egm_ros.common.pictures import images

pytestmark = [pytest.mark.ros, pytest.mark.slow]

DOMAIN = UNCLAIMED


def edges(array) -> np.ndarray:
    (detection,) = array.detections
    box = detection.bbox
    centre = np.array([box.center.position.x, box.center.position.y])
    half = np.array([box.size_x, box.size_y]) / 2
    return np.concatenate([centre - half, centre + half])


def test_a_trained_folder_grounds_through_a_named_camera_in_a_namespace(memorising_qwen):
    node = start_node(
        DOMAIN,
        "-r",
        "__ns:=/robot",
        model=str(memorising_qwen),
        cameras=["front"],
        max_rate=0.0,
        default_instruction=FOUND,
        query_timeout=60.0,
        max_result_age=60.0,
    )
    robot = Robot(DOMAIN, "/robot", "front")
    try:
        robot.ready(90.0)
        image = robot.show(image_message(128, 96))
        status = robot.status(image=image, outcome="found")
        visible, amodal = robot.boxes(image)
        scale = np.array([128, 96, 128, 96]) / 1000.0
        assert edges(visible) == pytest.approx(np.array(VISIBLE_BOX) * scale, abs=0.6)
        assert edges(amodal) == pytest.approx(np.array(AMODAL_BOX) * scale, abs=0.6)
        assert visible.header == amodal.header == image.header
        assert 0.5 < float(status["score"]) <= 1.0
        assert "(300,450)" in status["reasoning"]
        robot.instruct(ABSENT)
        robot.serves(ABSENT)
        image = robot.show(image_message(128, 96))
        robot.status(image=image, outcome="absent")
        assert not any(array.detections for array in robot.boxes(image))
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_the_other_family_answers_compressed_images(random_internvl):
    node = start_node(
        DOMAIN,
        model=str(random_internvl),
        transport="compressed",
        max_rate=0.0,
        default_instruction=FOUND,
        query_timeout=60.0,
        max_result_age=60.0,
    )
    robot = Robot(DOMAIN, kind=CompressedImage)
    try:
        robot.ready(90.0)
        raw = image_message(128, 96)
        robot.show(images.encode_compressed(images.decode(raw), raw.header))
        status = robot.status(60.0, stamp=f"{raw.header.stamp.sec}.{raw.header.stamp.nanosec:09d}")
        # Random weights say anything; what counts is that it was asked, and that nothing but the answer was at fault.
        assert status["outcome"] in ("found", "absent", "error")
        assert float(status["engine_ms"]) > 0.0
        assert not status["reason"].startswith(("engine", "bad_image", "internal"))
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output
